"""Which kind of source is opened, and what is said where there is none."""

import os
import subprocess
import sys

import pytest

from boda.errors import NotFound, Refused, SourceError
from boda.sources.base import root_text
from boda.sources.folder import Folder
from boda.sources.opening import SUPPORTED, open_described, open_source
from boda.sources.parquet import ParquetSource
from boda.sources.shards import Shards
from boda.sources.single import SingleFile


@pytest.mark.parametrize("name", ["gone", "gone/x.jpg", "n" * 300])
def test_what_is_not_there_is_said(tmp_path, name):
    """One line, with the path."""
    with pytest.raises((NotFound, SourceError), match=f"{name}: (nothing is there|cannot be opened)"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["x.zip", "x.npz", "x.h5", "x.py", "x.tfrecord", "notes.txt"])
def test_what_is_no_source_says_what_is(tmp_path, name):
    """So that the next try is better."""
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(SourceError) as caught:
        open_source(tmp_path / name)
    assert SUPPORTED in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_no_source(tmp_path):
    """And is not opened."""
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        open_source(tmp_path / "x.jpg")


def test_an_image_is_a_source_of_one_by_name_or_by_content(tmp_path, png):
    """Without an ending its first bytes tell."""
    for name, data in {"x.jpg": b"not really", "no_ending": png(1), "odd.xyz": png(2)}.items():
        (tmp_path / name).write_bytes(data)
        source = open_source(tmp_path / name)
        assert isinstance(source, SingleFile)
        (ref,) = source.entries()
        assert (ref.key, source.read(ref).data) == (name, data)


def test_a_workspace_is_no_folder_of_images(tmp_path):
    """The mistake is named."""
    (tmp_path / "FORMAT").write_text("boda workspace 1\n")
    with pytest.raises(SourceError, match="this is a workspace"):
        open_source(tmp_path)


def test_one_image_beside_archives_makes_a_plain_folder(tmp_path, shard_of, png):
    """The archives are then files that are no images, and are said to be."""
    shard_of(tmp_path / "s.tar", [1])
    assert isinstance(open_source(tmp_path), Shards)
    (tmp_path / "x.png").write_bytes(png(1))
    assert isinstance(open_source(tmp_path), Folder)


def test_different_archives_in_a_folder_make_a_plain_folder(tmp_path, shard_of):
    """Nobody knows which are meant."""
    shard_of(tmp_path / "s.tar", [1])
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert isinstance(open_source(tmp_path), Folder)


@pytest.mark.parametrize("name", [".", "x.png"])
def test_a_path_column_needs_columns(tmp_path, png, name):
    """It is refused rather than ignored."""
    (tmp_path / "x.png").write_bytes(png(1))
    with pytest.raises(Refused, match="path column 'file' says nothing"):
        open_source(tmp_path / name, path_column="file")


def test_a_pattern_of_images_is_refused_with_what_to_give(tmp_path):
    """The folder that holds them."""
    with pytest.raises(SourceError, match="for images give a folder"):
        open_source(tmp_path / "*.jpg")


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path):
    """What is there comes first."""
    (tmp_path / "a[1]").mkdir()
    assert isinstance(open_source(tmp_path / "a[1]"), Folder)


def test_an_unknown_kind_is_refused_by_name():
    """A description of a later version."""
    with pytest.raises(SourceError, match="kind 'lake' is not known"):
        open_described({"kind": "lake", "root": "/x"})


def test_relative_paths_become_absolute_roots(tmp_path, monkeypatch):
    """A workspace may be opened from anywhere."""
    monkeypatch.chdir(tmp_path)
    assert open_source(".").description["root"] == str(tmp_path)


def test_real_folders_open_as_what_they_hold(boda_data):
    """A tar with its catalogue beside it, a Parquet with a table beside it."""
    assert isinstance(open_source(boda_data / "galaxies_gz2"), Shards)
    assert isinstance(open_source(boda_data / "cifar10_test"), ParquetSource)


def test_opening_a_folder_loads_no_heavy_library(tmp_path):
    """Decoder processes import the sources."""
    code = (
        "import sys; from boda.sources.opening import open_source\n"
        f"source = open_source({str(tmp_path)!r}); list(source.entries()); source.columns()\n"
        "print([name for name in ('pyarrow', 'fsspec', 'torch', 'astropy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_root_of_any_description_is_text(tmp_path):
    """A path, a path that is not UTF-8, a URL, none."""
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkdir(odd)
    for where in (str(tmp_path), odd):
        assert root_text(open_source(where).description) == where
    assert root_text({"kind": "url", "root": "s3://bucket/x"}) == "s3://bucket/x"
    assert root_text({"kind": "together"}) == ""
