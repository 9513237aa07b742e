"""Manifests: rows that name images."""

import os

import pytest

from boda.errors import NotFound, SourceError
from boda.keys import from_bytes
from boda.sources.base import Unlistable
from boda.sources.manifest import Manifest
from boda.sources.opening import open_source
from boda.unreadable import BadImage


def manifest(tmp_path, text: str | bytes, name: str = "m.csv", **options) -> Manifest:
    (tmp_path / "a.png").write_bytes(b"A")
    (tmp_path / "b.png").write_bytes(b"BB")
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    source = open_source(tmp_path / name, **options)
    assert isinstance(source, Manifest)
    return source


def test_rows_are_listed_in_their_order_with_their_columns(tmp_path):
    """The key is the path as written; paths are relative to the manifest."""
    source = manifest(tmp_path, "score,image\n1.5,b.png\n2,./a.png\n")
    entries = list(source.entries())
    assert [(e.key, e.size) for e in entries] == [("b.png", 2), ("./a.png", 1)]
    assert [source.read(e).data for e in entries] == [b"BB", b"A"]
    assert source.columns().to_pylist() == [{"key": b"b.png", "score": 1.5}, {"key": b"./a.png", "score": 2.0}]


def test_absolute_paths_are_taken_as_they_are(tmp_path):
    """They do not move with the manifest."""
    source = manifest(tmp_path, f"path\n{tmp_path}/a.png\n")
    assert [source.read(entry).data for entry in source.entries()] == [b"A"]


def test_a_missing_file_is_listed_and_becomes_missing(tmp_path):
    """No row is dropped."""
    source = manifest(tmp_path, "path\ngone.png\na.png\n")
    gone, there = source.entries()
    assert source.read(there).data == b"A"
    with pytest.raises(BadImage, match="read/missing"):
        source.read(gone)


def test_rows_without_a_path_and_paths_of_no_file_are_refused_by_name(tmp_path):
    """Each is one entry."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    source = manifest(tmp_path, "path,v\na.png,1\n,2\npipe.png,3\n.,4\nloop.png,5\n")
    refused = {e.key: str(e.unreadable.code) for e in source.entries() if isinstance(e, Unlistable)}
    assert refused == {"#2": "missing", "pipe.png": "not_a_file", ".": "not_a_file", "loop.png": "link_loop"}
    assert [row["v"] for row in source.columns().to_pylist()] == [1, 3, 4, 5]


def test_a_path_twice_is_one_image_where_the_rows_agree(tmp_path):
    """The second row is counted as ignored."""
    source = manifest(tmp_path, "path,v\na.png,1\nb.png,2\na.png,1\n")
    assert [entry.key for entry in source.entries()] == ["a.png", "b.png"]
    assert source.ignored == 1


def test_a_path_twice_is_an_error_where_the_rows_disagree(tmp_path):
    """Nobody could tell which label is right."""
    with pytest.raises(SourceError, match=r"rows 1 and 3 say different things of a\.png"):
        manifest(tmp_path, "path,v\na.png,1\nb.png,2\na.png,7\n")


def test_the_path_column_can_be_named(tmp_path):
    """Where no name is usual, or another is meant."""
    source = manifest(tmp_path, "frontal,price\na.png,1\n", path_column="frontal")
    assert source.description["path_column"] == "frontal"
    assert [entry.key for entry in source.entries()] == ["a.png"]
    with pytest.raises(SourceError, match="--path-column"):
        manifest(tmp_path, "frontal,price\na.png,1\n")
    with pytest.raises(NotFound, match="no column 'kitchen'"):
        manifest(tmp_path, "frontal,price\na.png,1\n", path_column="kitchen")


def test_names_keep_their_bytes(tmp_path):
    """A CSV that is not UTF-8 names files that are not."""
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:
        file.write(b"C")
    source = manifest(tmp_path, b"path\ncaf\xe9.png\n")
    (entry,) = source.entries()
    assert entry.key == from_bytes(b"caf\xe9.png")
    assert source.read(entry).data == b"C"


def test_names_that_look_like_numbers_keep_their_digits(tmp_path):
    """`0010` and `1.50` are names, not numbers."""
    source = manifest(tmp_path, "path\n0010\n1.50\n")
    assert [entry.key for entry in source.entries()] == ["0010", "1.50"]


def test_a_column_named_key_is_kept_under_another_name(tmp_path):
    """The key of boda's own tables is the path."""
    assert manifest(tmp_path, "path,key\na.png,7\n").columns().to_pylist() == [{"key": b"a.png", "key_in_source": 7}]


def test_a_real_table_names_real_files(boda_data):
    """files.csv lists the odd files beside it; the members of the tar are missing as files."""
    source = open_source(boda_data / "odd_formats" / "files.csv")
    entries = list(source.entries())
    assert len(entries) == 114
    assert sum(entry.mtime_ns == 0 for entry in entries) == 4
    sizes = {row["key"]: row["bytes"] for row in source.columns().to_pylist()}
    assert all(entry.size == sizes[entry.path] for entry in entries if entry.mtime_ns)
