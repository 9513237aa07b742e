"""The folder of a verb: its own files may be written again, all others stay as they are."""

import pytest

from boda.errors import Refused
from boda.pipelines.output_folder import Folder

LIST = "made-by-boda-cluster.json"


def files_in(folder):
    """By name, without the list."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LIST
    }


def test_files_of_an_earlier_run_go_where_they_would_mislead(tmp_path):
    """A clustering with fewer clusters leaves no sheet of the earlier one; others and changed ones stay."""
    Folder(tmp_path, "cluster", force=False).write(
        {"a.csv": b"1", "a/0.png": b"x", "a/1.png": b"y", "a/2.png": b"z", "b/0.png": b""}
    )
    (tmp_path / "a" / "2.png").write_bytes(b"changed")
    (tmp_path / "a" / "mine.png").write_bytes(b"mine")
    Folder(tmp_path, "cluster", force=False).write({"a.csv": b"2", "a/0.png": b"w"}, instead_of=["a"])
    assert files_in(tmp_path) == {
        "a.csv": b"2",
        "a/0.png": b"w",
        "b/0.png": b"",
        "a/2.png": b"changed",
        "a/mine.png": b"mine",
    }


def test_a_stop_between_two_files_keeps_none_from_being_written_again(tmp_path, monkeypatch):
    """Old and new digest are on the list before a file is replaced."""
    from boda.pipelines import output_folder as module

    Folder(tmp_path, "cluster", force=False).write({"a.csv": b"1", "b.csv": b"1"})
    real = module.write_whole

    def stops(path, write):
        if path.name == "b.csv":
            raise KeyboardInterrupt
        real(path, write)

    monkeypatch.setattr(module, "write_whole", stops)
    with pytest.raises(KeyboardInterrupt):
        Folder(tmp_path, "cluster", force=False).write({"a.csv": b"2", "b.csv": b"2"})
    monkeypatch.undo()
    assert files_in(tmp_path) == {"a.csv": b"2", "b.csv": b"1"}
    Folder(tmp_path, "cluster", force=False).write({"a.csv": b"3", "b.csv": b"3"})
    assert files_in(tmp_path) == {"a.csv": b"3", "b.csv": b"3"}


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"made_by": "me", "files": {"a.csv": ["x"]}}', '{"made_by": "boda cluster"}']
)
def test_a_list_of_somebody_else_makes_no_file_ours(tmp_path, text):
    """Nor one that is broken, nor a link to a file of ours."""
    (tmp_path / LIST).write_text(text)
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(Refused, match="--force"):
        Folder(tmp_path, "cluster", force=False).write({"a.csv": b"1"})
    Folder(tmp_path, "cluster", force=True).write({"a.csv": b"1"})
    (tmp_path / "other.csv").write_bytes(b"1")
    (tmp_path / "a.csv").unlink()
    (tmp_path / "a.csv").symlink_to(tmp_path / "other.csv")
    with pytest.raises(Refused, match="--force"):
        Folder(tmp_path, "cluster", force=False).check(["a.csv"])
