"""Parquet files that hold images."""

import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from boda.errors import NotFound, SourceError
from boda.sources import parquet
from boda.sources.manifest import Manifest
from boda.sources.opening import open_source
from boda.sources.parquet import ParquetSource
from boda.unreadable import BadImage


def write(tmp_path, columns: dict, name: str = "x.parquet", **options):
    pq.write_table(pa.table(columns), tmp_path / name, **options)
    return tmp_path / name


def test_rows_are_read_in_any_order_across_groups(tmp_path, monkeypatch):
    """Also where a group is larger than what is kept of it, so that batches are stepped through."""
    images = [os.urandom(50) for _ in range(100)]
    path = write(tmp_path, {"image": images}, row_group_size=30)
    for kept in (parquet._KEPT_BYTES, 400):
        monkeypatch.setattr(parquet, "_KEPT_BYTES", kept)
        source = open_source(path)
        refs = list(source.entries())
        for row in [*range(100), *range(99, -1, -7), 5, 95, 5]:
            assert source.read(refs[row]).data == images[row]
        os.utime(path)  # another identity, so that nothing is kept from before


def test_structs_of_bytes_and_paths_are_read(tmp_path):
    """As Hugging Face writes them: the bytes, or the file beside the Parquet."""
    (tmp_path / "b.jpg").write_bytes(b"B")
    rows = [{"bytes": b"A", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, {"bytes": None, "path": None}, None]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    source = open_source(write(tmp_path, {"image": pa.array(rows, kind)}))
    *there, neither, null = source.entries()
    assert [source.read(ref).data for ref in there] == [b"A", b"B"]
    for ref in (neither, null):
        with pytest.raises(BadImage, match="read/missing"):
            source.read(ref)


def test_empty_bytes_are_empty(tmp_path):
    """A reason, not an image."""
    source = open_source(write(tmp_path, {"image": [b""]}))
    with pytest.raises(BadImage, match="read/empty"):
        source.read(next(iter(source.entries())))


def test_plain_columns_and_lists_of_numbers_become_columns(tmp_path):
    """Text, numbers, classes and votes are kept; bytes and structs are not."""
    columns = {
        "image": [b"1", b"2"],
        "mask": pa.array([b"1", b"2"], pa.large_binary()),
        "label": pa.array([3, 4], pa.int8()),
        "class": pa.array(["cat", "dog"]).dictionary_encode(),
        "votes": [[1, 2], [3, 4]],
        "deep": [{"a": 1}, {"a": 2}],
        "words": [["a"], ["b"]],
        "key": ["k1", "k2"],
    }
    source = open_source(write(tmp_path, columns))
    assert isinstance(source, ParquetSource)
    assert source.columns().to_pylist() == [
        {"key": b"x.parquet#0", "label": 3, "class": "cat", "votes": [1, 2], "key_in_source": "k1"},
        {"key": b"x.parquet#1", "label": 4, "class": "dog", "votes": [3, 4], "key_in_source": "k2"},
    ]


def test_several_files_may_have_other_columns(tmp_path):
    """Missing ones are null."""
    write(tmp_path, {"image": [b"1"], "a": [1]}, "p0.parquet")
    write(tmp_path, {"image": [b"2"], "b": [2.5]}, "p1.parquet")
    source = open_source(tmp_path)
    assert [ref.key for ref in source.entries()] == ["p0.parquet#0", "p1.parquet#0"]
    assert source.columns().to_pylist() == [
        {"key": b"p0.parquet#0", "a": 1, "b": None},
        {"key": b"p1.parquet#0", "a": None, "b": 2.5},
    ]


def test_which_bytes_are_the_images_is_never_guessed(tmp_path):
    """A usual name, or the one the user names."""
    path = write(tmp_path, {"left": [b"L"], "right": [b"R"]})
    with pytest.raises(SourceError, match=r"several columns hold bytes \(left, right\): say which with --path-column"):
        open_source(path)
    source = open_source(path, path_column="right")
    assert source.read(next(iter(source.entries()))).data == b"R"
    with pytest.raises(NotFound, match="no column 'middle'"):
        open_source(path, path_column="middle")


def test_a_parquet_without_bytes_is_a_manifest(tmp_path):
    """Its path column names files."""
    assert isinstance(open_source(write(tmp_path, {"path": ["a.jpg"]})), Manifest)


def test_a_file_that_became_shorter_misses_rows(tmp_path):
    """A row that is no longer there is missing; the others are read as they are now."""
    path = write(tmp_path, {"image": [b"1", b"2"]})
    source = open_source(path)
    first, second = source.entries()
    write(tmp_path, {"image": [b"other"]})
    assert source.read(first).data == b"other"
    with pytest.raises(BadImage, match="read/missing: the file has 1 rows"):
        source.read(second)


def test_a_damaged_file_costs_its_rows(tmp_path):
    """The listing needs only the end of the file; damage before it shows in reading."""
    path = write(tmp_path, {"image": [os.urandom(3000) for _ in range(5)]}, compression="zstd", use_dictionary=False)
    source = open_source(path)
    refs = list(source.entries())
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(BadImage, match=r"read/(truncated|corrupt|unreachable)"):
        source.read(refs[0])


def test_what_is_no_parquet_is_an_error_of_one_line(tmp_path):
    """Whatever its name says."""
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(SourceError, match=r"x\.parquet: not a Parquet file"):
        open_source(tmp_path / "x.parquet")


def test_cifar_has_its_images_classes_and_votes(boda_data):
    """10,000 rows, 1,000 of each class, 47 to 63 votes an image; pixels equal an independent reading."""
    path = boda_data / "cifar10_test" / "test.parquet"
    source = open_source(path)
    refs = list(source.entries())
    assert (len(refs), refs[2405].key) == (10_000, "test.parquet#2405")
    table = source.columns()
    assert table.column("class").value_counts().to_pylist()[0]["counts"] == 1000
    votes = np.array(table.column("human_counts").to_pylist())
    assert votes.shape == (10_000, 10)
    assert (votes.sum(1).min(), votes.sum(1).max()) == (47, 63)
    plain = pq.read_table(path, columns=["image"]).column("image")
    for row in (0, 9_999, 2405):
        assert source.read(refs[row]).data == plain[row].as_py()
        assert Image.open(io.BytesIO(source.read(refs[row]).data)).size == (32, 32)
