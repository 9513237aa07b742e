"""Results are kept whole under a kind and a name; a damaged one harms nothing else; format 1 becomes format 2."""

import hashlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boda.errors import Damaged, DiskTrouble, NewerFormat, NotFound, Refused
from boda.workspace import results, schema
from boda.workspace.doctor import examine
from boda.workspace.workspace import Workspace, create_workspace, open_workspace

FILES = {"head.json": b'{"version": 1}', "weights.safetensors": bytes(range(256)), "README.md": b""}


def put(workspace: Workspace, name: str = "score", files: dict[str, bytes] = FILES, **summary: object) -> None:
    """Keep a head."""
    with workspace.write() as writer:
        writer.put_result("head", name, files, summary=summary)


def folder_of(workspace: Workspace, name: str = "score") -> Path:
    """Where its files are."""
    [info] = [info for info in workspace.results("head") if info.name == name]
    return workspace.path / "results" / "head" / info.digest


def kept(workspace: Workspace) -> list[str]:
    """Files and folders under results."""
    return sorted(str(path.relative_to(workspace.path)) for path in (workspace.path / "results").rglob("*"))


def execute(workspace: Workspace, *statements: str) -> None:
    """Change the catalogue behind boda's back."""
    connection = sqlite3.connect(workspace.path / "boda.db", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_what_is_put_comes_out(workspace):
    """Files, names, sizes, digests and summary; a workspace opened elsewhere reads the same."""
    put(workspace, target="점수", score=0.64)
    [info] = open_workspace(workspace.path).results()
    assert (info.kind, info.name, dict(info.summary)) == ("head", "score", {"target": "점수", "score": 0.64})
    assert [(file.name, file.size) for file in info.files] == [
        ("README.md", 0), ("head.json", 14), ("weights.safetensors", 256),
    ]  # fmt: skip
    assert all(hashlib.sha256(FILES[file.name]).digest() == file.sha256 for file in info.files)
    assert workspace.result("head", "score") == FILES
    assert examine(workspace, deep=True) == []


def test_put_tells_what_it_kept(workspace):
    """The answer of the writer is what the catalogue says then."""
    with workspace.write() as writer:
        told = writer.put_result("head", "a", {"a": b"1"})
    assert workspace.results("head") == [told]


def test_a_kind_is_a_shelf(workspace):
    """The same name may be used by two kinds; the newest of each is last."""
    for kind, name in (("head", "b"), ("map", "a"), ("head", "a"), ("head", "b")):
        with workspace.write() as writer:
            writer.put_result(kind, name, {"what": f"{kind} {name}".encode()})
    assert [(info.kind, info.name) for info in workspace.results()] == [("head", "a"), ("head", "b"), ("map", "a")]
    assert [info.name for info in workspace.results("map")] == ["a"]
    assert workspace.result("map", "a") == {"what": b"map a"}
    assert workspace.results("cluster") == []


def test_replacing_is_one_step_and_sweeps_the_old_files(workspace):
    """After it only the new files are there."""
    put(workspace, score=1)
    old = folder_of(workspace)
    put(workspace, files={"other.json": b"{}"}, score=2)
    assert workspace.result("head", "score") == {"other.json": b"{}"}
    assert not old.exists()
    assert len(kept(workspace)) == 3
    assert examine(workspace, deep=True) == []


def test_equal_results_of_two_names_share_files(workspace):
    """One of them may go: the other keeps its files."""
    put(workspace, "a")
    put(workspace, "b")
    assert folder_of(workspace, "a") == folder_of(workspace, "b")
    with workspace.write() as writer:
        writer.remove_result("head", "a")
    assert workspace.result("head", "b") == FILES
    with workspace.write() as writer:
        writer.remove_result("head", "b")
    assert kept(workspace) == ["results/head"]


def test_what_is_not_there_is_answered_with_what_is(workspace):
    """Reading and removing name the others."""
    with pytest.raises(NotFound, match=r"no head called 'x'\. There is none yet"):
        workspace.result("head", "x")
    put(workspace, "a")
    put(workspace, "b")
    with pytest.raises(NotFound, match="There is: a, b"):
        workspace.result("head", "x")
    with workspace.write() as writer, pytest.raises(NotFound, match="There is: a, b"):
        writer.remove_result("head", "x")
    assert len(workspace.results()) == 2


@pytest.mark.parametrize(
    ("kind", "name", "files", "summary", "words"),
    [
        ("Head", "a", FILES, {}, "no kind of result"),
        ("../x", "a", FILES, {}, "no kind of result"),
        ("head", "", FILES, {}, "no name for a head"),
        ("head", "two words", FILES, {}, "no name for a head"),
        ("head", "a\n", FILES, {}, "no name for a head"),
        ("head", "점수", FILES, {}, "no name for a head"),
        ("head", "-x", FILES, {}, "no name for a head"),
        ("head", "x" * 101, FILES, {}, "no name for a head"),
        ("head", "a", {"../x": b""}, {}, "no name for a file"),
        ("head", "a", {".hidden": b""}, {}, "no name for a file"),
        ("head", "a", {"..": b""}, {}, "no name for a file"),
        ("head", "a", {}, {}, "at least one file"),
        ("head", "a", FILES, {"score": float("nan")}, "plain JSON"),
        ("head", "a", FILES, {"score": {1, 2}}, "plain JSON"),
        ("head", "a", FILES, {"text": "x" * 70_000}, "is the most"),
    ],
)
def test_what_cannot_be_kept_is_refused(workspace, kind, name, files, summary, words):
    """Names that are no names, no file, a summary that is no small JSON: nothing is written."""
    with workspace.write() as writer, pytest.raises(Refused, match=words):
        writer.put_result(kind, name, files, summary=summary)
    assert workspace.results() == []
    assert not (workspace.path / "results").exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,20}\Z"), st.binary(max_size=50), min_size=1, max_size=4
    )
)
def test_any_files_come_back(workspace, files):
    """Whatever the bytes; and the folder is called as the document says."""
    put(workspace, files=files)
    assert workspace.result("head", "score") == files
    lines = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    assert folder_of(workspace).name == hashlib.sha256(lines.encode()).hexdigest()[:32]


@pytest.mark.parametrize("how", ["flip", "cut", "longer", "missing", "folder", "link", "pipe"])
def test_a_damaged_result_is_named_and_harms_nothing_else(workspace, kit, tmp_path, how):
    """It is refused with what to do; features, other results and writing go on; making it again mends it."""
    keys = kit.fill(workspace, ["a", "b"])
    put(workspace, "good", {"x": b"x"})
    put(workspace)
    file = folder_of(workspace) / "head.json"
    data = file.read_bytes()
    if how != "flip":
        file.unlink()
    match how:
        case "flip":
            file.write_bytes(data.replace(b"1", b"2"))
        case "cut":
            file.write_bytes(data[:-1])
        case "longer":
            file.write_bytes(data + b" ")
        case "folder":
            shutil.rmtree(file.parent)
        case "link":
            (tmp_path / "elsewhere").write_bytes(data)
            file.symlink_to(tmp_path / "elsewhere")
        case "pipe":
            os.mkfifo(file)
    with pytest.raises(Damaged, match=r"head 'score': .*; make the head again under this name"):
        workspace.result("head", "score")
    for deep in (True, False):
        findings = examine(workspace, deep=deep)
        assert [finding.what for finding in findings] == ([] if how == "flip" and not deep else ["result"])
        assert all("head 'score'" in finding.where for finding in findings)
    assert list(workspace.features().keys) == keys
    assert workspace.result("head", "good") == {"x": b"x"}
    assert len(workspace.results()) == 2
    kit.fill(workspace, ["a", "b", "c"])
    put(workspace)
    assert workspace.result("head", "score") == FILES
    assert examine(workspace, deep=True) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE result SET kind = '../../x'",
        "UPDATE result SET name = 'a' || char(10)",
        "UPDATE result SET digest = '../../../secret'",
        "UPDATE result SET digest = replace(digest, substr(digest, 1, 1), 'x')",
        "UPDATE result SET files = replace(files, 'head.json', '../../x')",
        "UPDATE result SET files = '[]'",
        "UPDATE result SET files = 'rubbish'",
        "UPDATE result SET files = 7",
        """UPDATE result SET files = '{"a": {"bytes": "x", "sha256": 3}}'""",
        "UPDATE result SET summary = '[1]'",
        "UPDATE result SET summary = '{'",
        "UPDATE result SET created_ns = 'soon'",
    ],
)
def test_a_row_that_makes_no_sense_is_damage(workspace, kit, change):
    """One line, nothing outside is opened or removed, and everything else goes on; the name can be used again."""
    kit.fill(workspace, ["a"])
    put(workspace)
    outside = workspace.path.parent / "secret"
    outside.write_bytes(b"keep me")
    execute(workspace, change)
    with pytest.raises(Damaged, match="boda doctor") as caught:
        workspace.results()
    assert "\n" not in str(caught.value)
    assert any(finding.severity == "damage" for finding in examine(workspace))
    assert list(workspace.features().keys) == ["a"]
    kit.fill(workspace, ["a", "b"])
    assert outside.read_bytes() == b"keep me"
    if "kind" not in change and "name" not in change:
        put(workspace)
        assert workspace.result("head", "score") == FILES
        assert examine(workspace, deep=True) == []


def test_leftovers_are_swept_and_strangers_stay(workspace, tmp_path):
    """Files of a crash go with their folder; what is not called like ours, and links, are left alone."""
    put(workspace)
    crashed = workspace.path / "results" / "head" / ("0" * 32)
    crashed.mkdir()
    (crashed / "head.json").write_bytes(b"half a result")
    (crashed / ".0123456789abcdef.part").touch()
    (folder_of(workspace) / ".fedcba9876543210.part").touch()
    strange = workspace.path / "results" / "head" / ("1" * 32)
    (strange / "deeper").mkdir(parents=True)
    (strange / "a file of mine").touch()
    (workspace.path / "results" / "notes.txt").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep").touch()
    (workspace.path / "results" / "head" / ("2" * 32)).symlink_to(elsewhere)
    [note] = examine(workspace)
    assert (note.severity, note.what) == ("note", "file")
    with workspace.write() as writer:
        assert writer.sweep() == 0
    assert not crashed.exists()
    assert (strange / "a file of mine").exists()
    assert (elsewhere / "keep").exists()
    assert (workspace.path / "results" / "notes.txt").exists()
    assert workspace.result("head", "score") == FILES
    assert examine(workspace) == []


def test_trouble_with_the_disk_keeps_the_older_result(workspace, monkeypatch):
    """A failed fsync ends the writer; the older files are still what the name means."""
    put(workspace)

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with workspace.write() as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            with pytest.raises(DiskTrouble):
                writer.put_result("head", "score", {"new": b"1"})
        with pytest.raises(DiskTrouble, match="open the workspace again"):
            writer.put_result("head", "score", {"new": b"1"})
    assert workspace.result("head", "score") == FILES
    with workspace.write():
        pass
    assert examine(workspace, deep=True) == []


def test_a_reader_overtaken_by_a_writer_looks_again(workspace, monkeypatch):
    """Files that were replaced and swept between the look at the row and at the files cost one more look."""
    put(workspace)
    read, looks = results.read, []

    def overtaken(root, info):
        looks.append(info)
        if len(looks) == 1:
            put(workspace, files={"new": b"1"})
        return read(root, info)

    monkeypatch.setattr(results, "read", overtaken)
    assert workspace.result("head", "score") == {"new": b"1"}
    assert len(looks) == 2


def test_results_are_read_where_nothing_can_be_written(workspace, monkeypatch):
    """A read-only workspace gives its results."""
    put(workspace)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    there = open_workspace(workspace.path)
    assert there.read_only
    assert there.result("head", "score") == FILES


def make_older(workspace: Workspace) -> None:
    """The same workspace as boda wrote it in format 1."""
    execute(workspace, "DROP TABLE result", "PRAGMA user_version = 1")
    marker = workspace.path / "FORMAT"
    marker.write_text(marker.read_text().replace("version 2", "version 1"))


def version(workspace: Workspace) -> tuple[str, int]:
    """What FORMAT and the catalogue say."""
    connection = sqlite3.connect(workspace.path / "boda.db")
    [(number,)] = connection.execute("PRAGMA user_version").fetchall()
    connection.close()
    return (workspace.path / "FORMAT").read_text().splitlines()[1], number


def test_format_1_is_read_as_it_is(workspace, kit):
    """Reading changes nothing; there are no results."""
    kit.fill(workspace, ["a", "b"])
    make_older(workspace)
    there = open_workspace(workspace.path)
    kit.check_rows(there)
    assert there.results() == []
    with pytest.raises(NotFound, match="none yet"):
        there.result("head", "score")
    assert examine(there, deep=True) == []
    assert version(workspace) == ("version 1", 1)


def test_the_first_writer_makes_format_1_format_2(workspace, kit):
    """In one step, losing nothing; then it takes results, and an older boda refuses it by name."""
    kit.fill(workspace, ["a", "b"])
    make_older(workspace)
    with workspace.write():
        pass
    assert version(workspace) == ("version 2", 2)
    assert examine(workspace, deep=True) == []
    put(workspace)
    kit.check_rows(workspace)
    assert workspace.result("head", "score") == FILES


def test_an_upgrade_that_died_in_the_middle_is_finished(workspace):
    """The catalogue comes first: between the two steps readers and the next writer go on."""
    marker = workspace.path / "FORMAT"
    marker.write_text(marker.read_text().replace("version 2", "version 1"))
    assert open_workspace(workspace.path).results() == []
    put(workspace)
    assert version(workspace) == ("version 2", 2)


def test_creating_goes_on_in_a_catalogue_of_format_1(tmp_path):
    """A folder in which an older boda died before writing FORMAT is finished."""
    workspace = create_workspace(tmp_path / "a.boda")
    make_older(workspace)
    (workspace.path / "FORMAT").unlink()
    again = create_workspace(tmp_path / "a.boda")
    assert version(again) == ("version 2", 2)
    put(again)
    assert again.result("head", "score") == FILES


def test_tables_of_the_wrong_version_are_refused(workspace):
    """Format 1 with the new table, format 2 without it, and format 3."""
    execute(workspace, "PRAGMA user_version = 1")
    with pytest.raises(Damaged, match="does not have the tables of format"):
        open_workspace(workspace.path)
    execute(workspace, "DROP TABLE result", "PRAGMA user_version = 2")
    with pytest.raises(Damaged, match="does not have the tables of format"):
        open_workspace(workspace.path)
    execute(workspace, f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(NewerFormat, match=r"format 3, .* up to 2"):
        open_workspace(workspace.path)


def test_the_summary_is_json_in_the_catalogue(workspace):
    """It is read with sqlite3 alone."""
    put(workspace, target="merger", score=0.76, folds=5)
    connection = sqlite3.connect(workspace.path / "boda.db")
    [(text, files)] = connection.execute("SELECT summary, files FROM result").fetchall()
    connection.close()
    assert json.loads(text) == {"target": "merger", "score": 0.76, "folds": 5}
    assert json.loads(files)["head.json"]["bytes"] == 14
