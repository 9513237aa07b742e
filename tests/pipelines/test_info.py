"""Info counts what is inside, and believes a new place of the images only when they are there."""

import json
import os
import shutil

import pytest

import boda
from boda.errors import NotAWorkspace, NotFound, Refused
from boda.sources.opening import open_described


def test_it_counts_what_is_inside(workspace, photos):
    """Images, recipes with their counts, reasons, runs, bytes, the source."""
    found = boda.info(workspace)
    assert (found.images, found.kind, found.source, found.last_run) == (14, "folder", str(photos), "done")
    (recipe,) = found.recipes
    assert (recipe.name, recipe.width, recipe.embedded, recipe.quarantined) == ("handmade:hog-colour", 2020, 13, 1)
    assert found.images == recipe.embedded + recipe.quarantined
    assert found.reasons == {"identify/not_an_image": 1}
    assert found.bytes > 12 * 2020 * 4
    assert json.loads(json.dumps(found.as_json()))["recipes"][0]["id"] == recipe.id


def test_it_opens_no_file_of_features(workspace):
    """Widths come from the catalogue: a workspace whose features are gone is still described."""
    for segment in workspace.path.rglob("*.npy"):
        segment.unlink()
    assert [recipe.width for recipe in boda.info(workspace).recipes] == [2020]


def test_it_lists_what_is_kept(workspace):
    """Heads by name with what they say of themselves; no file of theirs is opened."""
    with workspace.write() as writer:
        writer.put_result("map", "tsne", {"a": b"12"})
        writer.put_result("head", "score", {"a": b"123", "b": b"4"}, summary={"target": "점수", "headline": {"r": 0.5}})
    for file in (workspace.path / "results").rglob("a"):
        file.unlink()
    head, drawn = boda.info(workspace).results
    assert (head.kind, head.name, head.bytes) == ("head", "score", 4)
    assert (drawn.kind, drawn.name, drawn.bytes) == ("map", "tsne", 2)
    told = json.loads(json.dumps(boda.info(workspace).as_json()))["results"][0]
    assert told == {
        "kind": "head", "name": "score", "bytes": 4, "summary": {"target": "점수", "headline": {"r": 0.5}},
    }  # fmt: skip


def test_a_root_that_is_not_utf8_is_shown_and_escaped_in_json(workspace, photos):
    """As the file system has it, and in JSON as bytes."""
    odd = photos.rename(photos.with_name("caf\udce9"))
    found = boda.info(workspace, source=odd)
    assert found.source == str(odd)
    assert json.loads(json.dumps(found.as_json()))["source"] == {"bytes": os.fsencode(odd).hex()}


def test_moved_images_are_found_again(workspace, photos):
    """After a move the new root is noted, and reading works."""
    moved = photos.rename(photos.with_name("elsewhere"))
    assert boda.info(workspace, source=moved).source == str(moved)
    assert open_described(workspace.source).read(workspace.ref("red 0.png")).size > 0


def test_a_wrong_place_is_refused_and_nothing_changes(workspace, photos, tmp_path):
    """No such folder, an empty one, and other images under the same names."""
    with pytest.raises(NotFound, match="no such file or folder"):
        boda.info(workspace, source=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match="none of 14 images"):
        boda.info(workspace, source=tmp_path / "empty")
    impostor = tmp_path / "impostor"
    impostor.mkdir()
    for file in photos.iterdir():
        (impostor / file.name).write_bytes(b"other")
    with pytest.raises(Refused, match="there is another image"):
        boda.info(workspace, source=impostor)
    assert boda.info(workspace).source == str(photos)


def test_what_is_no_workspace_is_named(tmp_path):
    """A missing path and an ordinary folder."""
    for path in (tmp_path, tmp_path / "none.boda"):
        with pytest.raises(NotAWorkspace):
            boda.info(path)


def test_a_copy_of_a_workspace_is_a_workspace(workspace, tmp_path):
    """The folder can be copied anywhere."""
    shutil.copytree(workspace.path, tmp_path / "copy" / "w.boda")
    assert boda.info(tmp_path / "copy" / "w.boda").images == 14
