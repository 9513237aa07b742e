"""The workspace from outside: what goes in comes out, in order, and nothing is mixed."""

import hashlib
import os
import pickle
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from boda import keys as key_forms
from boda.errors import Damaged, NewerFormat, NotAWorkspace, NotFound, Refused, SourceError
from boda.unreadable import Code
from boda.workspace.doctor import examine
from boda.workspace.records import Block, Listing
from boda.workspace.workspace import create_workspace, open_workspace


def test_new_workspace_is_empty_and_whole(workspace):
    """A new workspace has no images, no recipes, and nothing to complain about."""
    assert len(workspace) == 0
    assert workspace.recipes() == []
    assert workspace.source is None
    assert workspace.read_only is None
    assert workspace.frame().num_rows == 0
    assert examine(workspace, deep=True) == []


def test_creating_again_opens(workspace, kit):
    """Creating a workspace that is there opens it and loses nothing."""
    kit.fill(workspace, ["a", "b"])
    assert len(create_workspace(workspace.path)) == 2


def test_creating_goes_on_after_a_crash(tmp_path, kit):
    """A folder in which creation died is finished; one with other things is refused."""
    half = tmp_path / "half.boda"
    half.mkdir()
    (half / "LOCK").touch()
    (half / ".0123456789abcdef.part").touch()
    kit.fill(create_workspace(half), ["a"])
    assert sorted(os.listdir(half)) == ["FORMAT", "LOCK", "boda.db", "features"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(Refused, match="other things"):
        create_workspace(other)
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="a file has this name"):
        create_workspace(tmp_path / "file")


@pytest.mark.parametrize("text", [None, "something else\nversion 1\n", ""])
def test_what_is_no_workspace_is_refused(tmp_path, text):
    """No folder, a folder without FORMAT, and one of another program are not opened."""
    with pytest.raises(NotAWorkspace):
        open_workspace(tmp_path / "missing")
    if text is not None:
        (tmp_path / "FORMAT").write_text(text)
    with pytest.raises(NotAWorkspace):
        open_workspace(tmp_path)


def test_newer_format_is_refused_by_name(workspace):
    """A workspace of a newer version is refused; the error names both versions."""
    marker = workspace.path / "FORMAT"
    marker.write_text(marker.read_text().replace("version 2", "version 7"))
    with pytest.raises(NewerFormat, match=r"format 7.*up to 2"):
        open_workspace(workspace.path)
    marker.write_text("boda workspace\nversion one\n")
    with pytest.raises(Damaged, match="names no version"):
        open_workspace(workspace.path)


def test_features_are_a_map_in_frame_order(workspace, kit):
    """After a merge features are a memory map; row i belongs to keys[i], in the order of the frame."""
    keys = kit.fill(workspace, [f"{n}.jpg" for n in (5, 3, 9, 1, 7, 2, 8)])
    found = workspace.features()
    assert isinstance(found.array, np.memmap)
    assert not found.array.flags.writeable
    assert list(found.keys) == workspace.keys() == workspace.frame()["key"].to_pylist() == keys
    kit.check_rows(workspace)


def test_gathered_equals_merged(workspace, kit):
    """Before and after the merge the same rows come out."""
    kit.fill(workspace, [f"{n}" for n in range(50)], merge=False)
    before = workspace.features()
    assert not isinstance(before.array, np.memmap)
    with workspace.write() as writer:
        writer.merge(kit.recipe.id)
    after = workspace.features()
    assert isinstance(after.array, np.memmap)
    assert before.keys == after.keys
    np.testing.assert_array_equal(before.array, after.array)
    kit.check_rows(workspace)


def test_merging_again_writes_nothing(workspace, kit):
    """A merge of what is merged changes no file."""
    kit.fill(workspace, [f"{n}" for n in range(20)])
    before = {path: path.stat().st_mtime_ns for path in workspace.path.rglob("*.npy")}
    with workspace.write() as writer:
        kit.list(writer, [kit.ref(f"{n}") for n in range(20)])
        writer.merge(kit.recipe.id)
    assert {path: path.stat().st_mtime_ns for path in workspace.path.rglob("*.npy")} == before
    assert isinstance(workspace.features().array, np.memmap)


def test_features_opened_before_stay_valid(workspace, kit):
    """A feature set outlives a new listing, a merge and the sweep of its files."""
    kit.fill(workspace, [f"{n}" for n in range(10)])
    old = workspace.features()
    kit.fill(workspace, [f"{n}" for n in range(5, 30)])
    kit.fill(workspace, [f"{n}" for n in range(7, 30)])
    assert list(old.keys) == [f"{n}" for n in range(10)]
    np.testing.assert_array_equal(old.array, kit.rows([kit.content(f"{n}") for n in range(10)], kit.recipe))


def test_copies_share_a_row(workspace, kit):
    """Two images of equal bytes have one stored row, and both come out."""
    refs = [kit.ref(key) for key in ("a", "b", "c")]
    with workspace.write() as writer:
        kit.list(writer, refs)
        writer.add_recipe(kit.recipe, kit.width)
        writer.commit(kit.block([kit.read(refs[0], "same"), kit.read(refs[1]), kit.read(refs[2], "same")]))
        writer.merge(kit.recipe.id)
    assert list(workspace.features().keys) == ["a", "b", "c"]
    kit.check_rows(workspace, {"a": "same", "c": "same"})
    stored = [np.load(path) for path in (workspace.path / "features" / kit.recipe.id).iterdir()]
    assert max(len(array) for array in stored if array.ndim == 2) == 2
    assert examine(workspace, deep=True) == []


def test_copy_of_an_embedded_image_needs_no_features(workspace, kit):
    """A read whose content is embedded already is embedded at once, and loses its quarantine."""
    kit.fill(workspace, ["a", "b"])
    refs = [kit.ref("a"), kit.ref("b"), kit.ref("z")]
    with workspace.write() as writer:
        kit.list(writer, refs)
        writer.commit(Block(quarantined=[kit.bad("z")]))
        assert workspace.counts([kit.recipe.id]).quarantined == 1
        assert writer.has_features(kit.recipe.id, [kit.content("a"), kit.content("?")]) == {kit.content("a")}
        writer.commit(Block(reads=[kit.read(refs[2], "a")]))
    counts = workspace.counts([kit.recipe.id])
    assert (counts.listed, counts.embedded, counts.quarantined) == (3, 3, 0)


def test_second_answer_for_a_content_is_dropped(workspace, kit):
    """A content keeps its first features, within a block and across blocks."""
    kit.fill(workspace, ["a"])
    ref = kit.ref("b")
    content = kit.content("b")
    with workspace.write() as writer:
        kit.list(writer, [kit.ref("a"), ref])
        rows = np.stack([kit.row(content, kit.recipe), np.zeros(kit.width, np.float32), np.ones(kit.width, np.float32)])
        contents = [content, content, kit.content("a")]
        writer.commit(Block(reads=[kit.read(ref)], features={kit.recipe.id: (contents, rows)}))
    kit.check_rows(workspace)


def test_listing_tells_new_changed_and_vanished(workspace, kit):
    """A second listing is compared with the first; only what is new or changed is work."""
    kit.fill(workspace, ["a", "b", "c"])
    with workspace.write() as writer:
        found = kit.list(writer, [kit.ref("a"), kit.ref("c", size=11), kit.ref("d"), kit.unlistable("e")])
        assert found == Listing(listed=4, new=2, changed=1, vanished=1, unlistable=1)
        assert [[one.key for one in page] for page in writer.verify_pages([kit.recipe.id])] == [["c"]]
        assert [[one.ref.key for one in page] for page in writer.compute_pages([kit.recipe.id])] == [["d"]]
        todo = writer.count_todo([kit.recipe.id])
        assert (todo.done, todo.verify, todo.compute) == (2, 1, 1)
    assert workspace.keys() == ["a", "c", "d", "e"]
    kit.fill(workspace, ["b", "a"])
    assert list(workspace.features().keys) == ["b", "a"]


def test_vanished_images_keep_their_features(workspace, kit):
    """An image that comes back is not computed again, not even after merges in between."""
    kit.fill(workspace, ["a", "b", "c"])
    kit.fill(workspace, ["a"])
    kit.fill(workspace, ["c", "x"])
    with workspace.write() as writer:
        kit.list(writer, [kit.ref(key) for key in ("a", "b", "c", "x")])
        assert list(writer.compute_pages([kit.recipe.id])) == []
        writer.merge(kit.recipe.id)
    kit.check_rows(workspace)
    assert len(workspace.features()) == 4
    assert examine(workspace, deep=True) == []


def test_same_content_after_a_touch_is_only_hashed(workspace, kit):
    """A file whose time changed but not its bytes is verified, and then trusted again."""
    kit.fill(workspace, ["a", "b"])
    touched = kit.ref("a", mtime_ns=kit.old + 1)
    with workspace.write() as writer:
        kit.list(writer, [touched, kit.ref("b")])
        assert [ref.key for page in writer.verify_pages([kit.recipe.id]) for ref in page] == ["a"]
        writer.confirm([kit.hashed(touched, "a")])
        assert list(writer.verify_pages([kit.recipe.id])) == []
        assert list(writer.compute_pages([kit.recipe.id])) == []


def test_other_content_after_a_change_becomes_work(workspace, kit):
    """A file with other bytes loses its features and gets new ones; the old ones stay for the old bytes."""
    kit.fill(workspace, ["a", "b"])
    changed = kit.ref("a", mtime_ns=kit.old + 1)
    with workspace.write() as writer:
        kit.list(writer, [changed, kit.ref("b")])
        writer.confirm([kit.hashed(changed, "new")])
        assert list(workspace.features().keys) == ["b"]
        [[todo]] = writer.compute_pages([kit.recipe.id])
        assert (todo.ref.key, todo.missing) == ("a", frozenset({kit.recipe.id}))
        writer.commit(kit.block([kit.read(changed, "new")]))
        kit.check_rows(workspace, {"a": "new"})
        writer.confirm([kit.hashed(changed, "a")])
    kit.check_rows(workspace)


def test_recent_times_are_not_trusted(workspace, kit):
    """A file changed within two seconds of the listing, or after it, is hashed once more in the next run."""
    recent = kit.ref("a", mtime_ns=kit.now - 1_000_000_000)
    with workspace.write() as writer:
        kit.list(writer, [recent])
        writer.add_recipe(kit.recipe, kit.width)
        writer.commit(kit.block([kit.read(recent)]))
        later = kit.now + 10_000_000_000
        kit.list(writer, [recent], now_ns=later)
        assert [ref.key for page in writer.verify_pages([kit.recipe.id]) for ref in page] == ["a"]
        writer.confirm([kit.hashed(recent, "a")])
        kit.list(writer, [recent], now_ns=later)
        assert list(writer.verify_pages([kit.recipe.id])) == []


def test_quarantine_stands_until_the_file_changes_or_retry(workspace, kit):
    """A bad file is tried again only with another stat, or when asked for."""
    with workspace.write() as writer:
        kit.list(writer, [kit.ref("a"), kit.ref("b")])
        writer.add_recipe(kit.recipe, kit.width)
        writer.commit(Block(quarantined=[kit.bad("a"), kit.bad("b")]))
        assert list(writer.compute_pages([kit.recipe.id])) == []
        kit.list(writer, [kit.ref("a", size=12), kit.ref("b")])
        assert [todo.ref.key for page in writer.compute_pages([kit.recipe.id]) for todo in page] == ["a"]
        assert writer.retry(["b"]) == 1
        assert writer.retry(["b"]) == 0
        assert len(next(writer.compute_pages([kit.recipe.id]))) == 2
        assert writer.retry() == 1
    assert workspace.quarantined() == []


def test_quarantine_tells_stage_code_and_reason(workspace, kit):
    """Quarantined images come in listing order with their reasons; counts add up."""
    with workspace.write() as writer:
        kit.list(writer, [kit.ref("a"), kit.unlistable("b"), kit.ref("c"), kit.ref("d")])
        writer.add_recipe(kit.recipe, kit.width)
        writer.add_recipe(kit.other, kit.width)
        writer.commit(kit.block([kit.read(kit.ref("a"))], kit.recipe, kit.other))
        writer.commit(Block(quarantined=[kit.bad("d"), kit.bad("d", kit.other), kit.bad("c", code=Code.TIMEOUT)]))
        writer.commit(kit.block([kit.read(kit.ref("c"))], kit.other))
    found = workspace.quarantined(kit.recipe.id)
    assert [(one.key, str(one.unreadable.code)) for one in found] == [
        ("b", "dangling"),
        ("c", "timeout"),
        ("d", "truncated"),
    ]
    both = workspace.counts([kit.recipe.id, kit.other.id])
    assert (both.listed, both.embedded, both.quarantined) == (4, 1, 3)
    assert both.by_reason == {"decode/timeout": 1, "decode/truncated": 1, "list/dangling": 1}
    one = workspace.counts([kit.other.id])
    assert (one.listed, one.embedded, one.quarantined) == (4, 2, 2)
    assert examine(workspace, deep=True) == []


def test_unreadable_later_is_no_longer_embedded(workspace, kit):
    """An image with features that cannot be read any more is quarantined, never both; its copy keeps the row."""
    kit.fill(workspace, ["a", "b"])
    with workspace.write() as writer:
        kit.list(writer, [kit.ref("a", size=99), kit.ref("b")])
        writer.commit(Block(quarantined=[kit.bad("a", code=Code.MISSING)]))
    assert list(workspace.features().keys) == ["b"]
    assert workspace.content_of("a") is None
    counts = workspace.counts([kit.recipe.id])
    assert (counts.listed, counts.embedded, counts.quarantined) == (2, 1, 1)
    assert examine(workspace, deep=True) == []


@pytest.mark.parametrize("wrong", ["shape", "dtype", "nan", "recipe", "unlisted", "content", "twice"])
def test_wrong_block_is_refused_whole(workspace, kit, wrong):
    """A block that does not fit leaves nothing behind, and the writer goes on."""
    refs = [kit.ref("a"), kit.ref("b")]
    with workspace.write() as writer:
        kit.list(writer, refs)
        writer.add_recipe(kit.recipe, kit.width)
        block = kit.block([kit.read(ref) for ref in refs])
        contents, rows = block.features[kit.recipe.id]
        match wrong:
            case "shape":
                block.features[kit.recipe.id] = (contents, rows[:, :3])
            case "dtype":
                block.features[kit.recipe.id] = (contents, rows.astype(np.float64))
            case "nan":
                block.features[kit.recipe.id] = (contents, np.where(rows == rows[1], np.nan, rows).astype("f4"))
            case "recipe":
                block.features["0123"] = (contents, rows)
            case "unlisted":
                block.reads.append(kit.read(kit.ref("never")))
            case "content":
                block.features[kit.recipe.id] = ([contents[0], b"short"], rows)
            case "twice":
                block.quarantined += [kit.bad("a"), kit.bad("a")]
        with pytest.raises((Refused, NotFound)):
            writer.commit(block)
        assert len(workspace.features()) == 0
        assert workspace.content_of("a") is None
        writer.commit(kit.block([kit.read(ref) for ref in refs]))
    kit.check_rows(workspace)
    assert examine(workspace, deep=True) == []


def test_key_listed_twice_is_an_error_of_the_source(workspace, kit):
    """Every image needs its own key; the older listing stays."""
    kit.fill(workspace, ["a"])
    with workspace.write() as writer, pytest.raises(SourceError, match="'b' twice"):
        kit.list(writer, [kit.ref("b"), kit.ref("b")])
    assert workspace.keys() == ["a"]


def test_failing_source_leaves_the_older_listing(workspace, kit):
    """A source that fails while it lists changes nothing."""
    kit.fill(workspace, ["a"])

    def failing():
        yield kit.ref("b")
        raise SourceError("the mount is gone")

    with workspace.write() as writer:
        with pytest.raises(SourceError, match="mount"):
            kit.list(writer, failing())
        kit.list(writer, [kit.ref("c")])
    assert workspace.keys() == ["c"]


def test_odd_names_survive(workspace, kit):
    """Newline, Korean in NFC and NFD, and bytes that are not UTF-8 come back as they went in."""
    korean = "한글 사진.jpg"
    odd = ["two\nlines.jpg", unicodedata.normalize("NFC", korean), unicodedata.normalize("NFD", korean)]
    odd += [os.fsdecode(b"caf\xe9.jpg"), "-dash.jpg", "a,b'c\"d.jpg", "x" * 250, "bytes:63", "tab\t%_.jpg"]
    keys = kit.fill(workspace, odd)
    assert workspace.keys() == keys == list(workspace.features().keys)
    assert workspace.frame()["key"].to_pylist() == [key_forms.to_text(key) for key in keys]
    for key in keys:
        assert workspace.ref(key) == kit.ref(key)
        assert workspace.content_of(key) == hashlib.sha256(os.fsencode(key)).digest()
    kit.check_rows(workspace)
    assert examine(workspace, deep=True) == []


def test_unknown_key_names_near_ones(workspace, kit):
    """A key that is not there is answered with near ones."""
    kit.fill(workspace, ["cats/tom.jpg", "cats/tim.jpg", "dogs/rex.jpg"])
    with pytest.raises(NotFound, match=r"cats/tom\.jpg"):
        workspace.ref("tom.jpg")
    with pytest.raises(NotFound, match=r"rex\.jpg"):
        workspace.content_of("dogs/rexx.jpg")


def test_many_references_are_the_single_ones(workspace, kit):
    """In the order asked for, each key once; one that is not there is named."""
    kit.fill(workspace, ["cats/tom.jpg", "cats/tim.jpg", "dogs/rex.jpg"])
    keys = ["dogs/rex.jpg", "cats/tom.jpg", "dogs/rex.jpg"]
    assert list(workspace.refs(keys).items()) == [(key, workspace.ref(key)) for key in keys[:2]]
    assert workspace.refs([]) == {}
    with pytest.raises(NotFound, match=r"rex\.jpg"):
        workspace.refs(["cats/tom.jpg", "dogs/rexx.jpg"])


def test_the_width_is_known_without_features(workspace, kit):
    """Before there is a row, and by keyword as everywhere."""
    with workspace.write() as writer:
        writer.add_recipe(kit.recipe, 8)
        writer.add_recipe(kit.other, 9)
    assert (workspace.width(), workspace.width(kit.recipe), workspace.width(recipe="hash")) == (9, 8, 8)
    assert workspace.recipe(recipe="hash") == kit.recipe
    assert workspace.features(recipe="hash").array.shape == (0, 8)
    with pytest.raises(NotFound):
        workspace.width("resnet")


def test_recipe_by_id_prefix_name_or_none(workspace, kit):
    """A recipe is found by id, beginning of the id, name; None is the latest; unknown ones list what is there."""
    with pytest.raises(NotFound, match="no features yet"):
        workspace.recipe()
    with workspace.write() as writer:
        writer.add_recipe(kit.recipe, 8)
        writer.add_recipe(kit.other, 8)
        writer.add_recipe(kit.recipe, 8)
        with pytest.raises(Refused, match="8 numbers"):
            writer.add_recipe(kit.recipe, 9)
    assert workspace.recipes() == [kit.recipe, kit.other]
    assert workspace.recipe() == kit.other
    assert workspace.recipe("hash") == workspace.recipe(kit.recipe.id[:6]) == workspace.recipe(kit.recipe) == kit.recipe
    with pytest.raises(NotFound, match=r"hash \("):
        workspace.recipe("resnet")
    with workspace.write() as writer:
        writer.add_recipe(replace(kit.recipe, layer="deep"), 8)
    with pytest.raises(Refused, match="several"):
        workspace.recipe("hash")


def test_two_recipes_do_not_mix(workspace, kit):
    """Each recipe has its own rows in its own dtype, and lacks only what it lacks."""
    refs = [kit.ref(key) for key in "abc"]
    kit.fill(workspace, "abc")
    with workspace.write() as writer:
        writer.add_recipe(kit.other, kit.width)
        [page] = writer.compute_pages([kit.recipe.id, kit.other.id])
        assert {todo.missing for todo in page} == {frozenset({kit.other.id})}
        writer.commit(kit.block([kit.read(ref) for ref in refs[:2]], kit.other))
    assert isinstance(workspace.features("hash").array, np.memmap)
    half = workspace.features("half")
    assert half.array.dtype == np.float16
    assert list(half.keys) == ["a", "b"]
    np.testing.assert_array_equal(half.array, kit.rows([kit.content("a"), kit.content("b")], kit.other))


def test_frame_has_facts_and_label_columns(workspace, kit):
    """Facts come first; later label sets win a clash; images without a row have nulls; a fact's name is not taken."""
    kit.fill(workspace, ["a", "b"])

    def table(keys, **columns):
        return pa.table({"key": pa.array(keys, pa.binary()), **columns})

    with workspace.write() as writer:
        writer.put_labels("mine", table([b"b"], label=["cat"], objid=["587722981741363294"]))
        entries = [kit.ref("a"), kit.ref("b"), kit.ref("c")]
        columns = table([b"c", b"a"], label=["x", "y"], width=[1, 2], key2=[1.5, 2.5])
        writer.list(entries, lambda: columns, now_ns=kit.now)
    frame = workspace.frame().to_pydict()
    assert list(frame) == [
        *("key", "content", "width", "height", "frames"),
        *("label", "source.width", "key2", "objid"),
    ]
    assert frame["content"] == [kit.content("a").hex(), kit.content("b").hex(), None]
    assert frame["width"] == [30, 30, None]
    assert frame["label"] == [None, "cat", None]
    assert frame["source.width"] == [2, None, 1]
    assert frame["objid"] == [None, "587722981741363294", None]
    assert [label_set.name for label_set in workspace.labels()] == ["source", "mine"]
    with workspace.write() as writer:
        writer.put_labels("mine", table([b"a"], label=["dog"]))
        kit.list(writer, [kit.ref("a")])
    assert workspace.frame().column_names == ["key", "content", "width", "height", "frames", "label"]
    with workspace.write():
        pass
    assert len(list((workspace.path / "labels").iterdir())) == 1


def test_wrong_labels_are_refused(workspace):
    """Labels need a binary key column, each key once."""
    with workspace.write() as writer:
        for table in (
            pa.table({"key": ["a"]}),
            pa.table({"name": [b"a"]}),
            pa.table({"key": pa.array([b"a", b"a"], pa.binary())}),
            pa.table({"key": pa.array([b"a", None], pa.binary())}),
        ):
            with pytest.raises(Refused):
                writer.put_labels("x", table)
        with pytest.raises(Refused):
            writer.put_labels("two\nlines", pa.table({"key": pa.array([b"a"], pa.binary())}))


def test_runs_are_remembered(workspace, kit):
    """Runs keep their recipes, versions and summary; one that died is marked by the next."""
    with workspace.write() as writer:
        writer.add_recipe(kit.recipe, 8)
        writer.begin_run([kit.recipe.id], {"boda": "1"})
        second = writer.begin_run([kit.recipe.id], {"boda": "2"})
        writer.end_run(second, "stopped", {"images_per_s": 3.5})
        with pytest.raises(NotFound):
            writer.end_run(99, "done", {})
    first, last = workspace.runs()
    assert (first.state, last.state) == ("interrupted", "stopped")
    assert (last.recipes, last.versions, last.summary) == ((kit.recipe.id,), {"boda": "2"}, {"images_per_s": 3.5})


def test_source_description_is_kept(workspace):
    """The description of the source comes back as it was given, and can be replaced."""
    with workspace.write() as writer:
        writer.set_source({"kind": "folder", "root": "/photos/\udce9"})
        writer.set_source({"kind": "folder", "root": "/moved/\udce9"})
    assert workspace.source == {"kind": "folder", "root": "/moved/\udce9"}


def test_workspace_travels_between_processes(workspace, kit):
    """A pickled workspace is opened again at its path."""
    kit.fill(workspace, ["a"])
    again = pickle.loads(pickle.dumps(workspace))
    assert again.keys() == ["a"]


def test_pages_go_on_while_commits_happen(workspace, kit):
    """Every image is given once, in listing order, with commits and quarantines in between."""
    keys = [f"{n:03}" for n in range(57)]
    seen = []
    with workspace.write() as writer:
        kit.list(writer, [kit.ref(key) for key in keys])
        writer.add_recipe(kit.recipe, kit.width)
        for page in writer.compute_pages([kit.recipe.id], 10):
            seen += [todo.ref.key for todo in page]
            block = kit.block([kit.read(todo.ref) for todo in page[::2]])
            block.quarantined = [kit.bad(todo.ref.key) for todo in page[1::2]]
            writer.commit(block)
        assert writer.count_todo([kit.recipe.id]).done == 57
    assert seen == keys


def test_workspace_behind_a_link_works(workspace, kit, tmp_path):
    """The path a person gives may be a link; what lies below may not."""
    link = tmp_path / "link.boda"
    link.symlink_to(workspace.path)
    kit.fill(open_workspace(link), ["a"])
    assert open_workspace(Path(link)).keys() == ["a"]
