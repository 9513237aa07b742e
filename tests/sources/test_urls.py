"""URLs through fsspec, in its own memory store."""

import importlib.util

import fsspec
import pytest

from boda.errors import NotFound, SourceError
from boda.keys import from_bytes
from boda.sources.folder import Folder
from boda.sources.opening import open_source
from boda.sources.urls import is_url, read_url
from boda.unreadable import BadImage


@pytest.fixture
def store():
    memory = fsspec.filesystem("memory")
    memory.pipe({"/u/b.jpg": b"B", "/u/d/a.jpg": b"A", "/u/.hidden": b"x", "/u/Thumbs.db": b"x", "/u/empty.jpg": b""})
    yield memory
    memory.rm("/u", recursive=True)


def test_a_folder_of_a_store_is_listed_by_relative_paths(store):
    """In byte order; what a folder passes over is passed over; no time is trusted."""
    source = open_source("memory://u")
    refs = list(source.entries())
    assert [(ref.key, ref.size, ref.mtime_ns) for ref in refs] == [
        ("b.jpg", 1, 0),
        ("d/a.jpg", 1, 0),
        ("empty.jpg", 0, 0),
    ]
    assert source.ignored == 2
    assert [source.read(ref).data for ref in refs[:2]] == [b"B", b"A"]
    with pytest.raises(BadImage, match="read/empty"):
        source.read(refs[2])


def test_one_image_has_its_url_as_key(store):
    """There is nothing it could be relative to."""
    (ref,) = open_source("memory://u/b.jpg").entries()
    assert ref.key == "memory://u/b.jpg"


def test_a_file_url_is_a_path(tmp_path):
    """Spaces may be written as they are, or as %20."""
    (tmp_path / "my photos").mkdir()
    for url in (f"file://{tmp_path}/my photos", f"file://{tmp_path}/my%20photos"):
        source = open_source(url)
        assert isinstance(source, Folder)
        assert from_bytes(source.root) == f"{tmp_path}/my photos"


def test_a_local_manifest_may_name_urls(store, tmp_path):
    """Beside files; the key is the URL as written."""
    (tmp_path / "x.jpg").write_bytes(b"X")
    (tmp_path / "m.csv").write_text("url\nmemory://u/b.jpg\nx.jpg\nmemory://u/gone.jpg\n")
    source = open_source(tmp_path / "m.csv")
    url, path, gone = source.entries()
    assert (url.key, source.read(url).data, source.read(path).data) == ("memory://u/b.jpg", b"B", b"X")
    with pytest.raises(BadImage, match="read/missing"):
        source.read(gone)


def test_a_manifest_behind_a_url_names_its_neighbours(store):
    """Relative paths are beside it, columns are typed, long ids stay text."""
    store.pipe("/u/m.csv", b"path,id\nd/a.jpg,587722982829850805\n")
    source = open_source("memory://u/m.csv")
    assert [source.read(ref).data for ref in source.entries()] == [b"A"]
    assert source.columns().to_pylist() == [{"key": b"d/a.jpg", "id": "587722982829850805"}]


def test_what_is_not_there_is_not_found(store):
    """At once."""
    with pytest.raises(NotFound, match=r"memory://u/gone\.jpg: nothing is there"):
        open_source("memory://u/gone.jpg")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.parquet", "t-images-idx3-ubyte.gz"])
def test_archives_that_need_a_disk_say_so(store, name):
    """One line, with what to do."""
    store.pipe(f"/u/{name}", b"x")
    with pytest.raises(SourceError, match="download it first"):
        open_source(f"memory://u/{name}")


@pytest.mark.parametrize("url", ["reference://x", "zip://a.jpg::memory://u/x.zip", "github://c/d", "nonsense://x"])
def test_unknown_stores_and_chains_are_refused(url):
    """Also as rows of a manifest, which may come from a stranger."""
    with pytest.raises(SourceError, match="not a store that boda reads"):
        open_source(url)
    with pytest.raises(BadImage, match="not a store that boda reads"):
        read_url(url)


def test_passwords_do_not_reach_the_workspace():
    """A description is stored and shared; the message does not repeat the password."""
    with pytest.raises(SourceError, match="password") as caught:
        open_source("https://me:secret@example.org/x.jpg")
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed here")
def test_a_store_whose_library_is_missing_says_what_to_install():
    """One line, for the source as for an image."""
    with pytest.raises(SourceError, match=r"the library of s3:// is not installed: .*s3fs") as caught:
        open_source("s3://bucket/photos")
    assert "\n" not in str(caught.value)
    with pytest.raises(BadImage, match=r"read/(truncated|corrupt|unreachable)"):
        read_url("s3://bucket/photos/x.jpg")


@pytest.mark.parametrize(("name", "answer"), [("s3://a", True), ("C:/x", False), ("a://b", True), ("x.jpg", False)])
def test_urls_have_two_slashes(name, answer):
    """And letters before them."""
    assert is_url(name) is answer
