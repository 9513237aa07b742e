"""Walking a folder: every regular file, in byte order, and what is passed over or refused."""

import errno
import inspect
import os
import socket
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.sources import walking
from boda.sources.base import Unlistable
from boda.sources.walking import Found, Walk


def walked(root, *, follow: bool = False) -> tuple[list[bytes], dict[str, str], int]:
    walk = Walk(os.fsencode(root), follow)
    entries = list(walk)
    found = [entry.relative for entry in entries if isinstance(entry, Found)]
    refused = {e.key: f"{e.unreadable.stage}/{e.unreadable.code}" for e in entries if isinstance(e, Unlistable)}
    return found, refused, walk.ignored


def test_files_come_in_the_byte_order_of_their_paths(tmp_path):
    """`a-b` and `a.jpg` sort before `a/x`, `a0` after it: folders sort with their slash."""
    for name in ["a/x", "a-b", "a.jpg", "a0", "b/c/d", "b/a", "Z", "é"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found, _, _ = walked(tmp_path)
    assert found == sorted(found)
    assert len(found) == 8


def test_order_holds_across_runs(tmp_path, monkeypatch):
    """Names that come in several packed runs are merged in order."""
    monkeypatch.setattr(walking, "_RUN", 7)
    names = [f"{i * 7919 % 1000:03d}" for i in range(100)]
    for name in names:
        (tmp_path / name).touch()
    assert walked(tmp_path)[0] == sorted(name.encode() for name in names)


def test_dot_files_thumbnails_and_metadata_are_passed_over(tmp_path):
    """They are counted, at every depth; a dot folder counts once."""
    for name in ["x", ".hidden", "Thumbs.db", "d/desktop.ini", "d/metadata.csv", "metadata.jsonl", ".git/a", ".git/b"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert walked(tmp_path) == ([b"x"], {}, 6)


def test_workspaces_are_not_walked(tmp_path):
    """A folder with a `FORMAT` of boda's is passed over; one with another `FORMAT` is not."""
    for name, text in {"w": "boda workspace 1\nmore", "v": "another format"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "FORMAT").write_text(text)
        (tmp_path / name / "x.npy").touch()
    assert walked(tmp_path) == ([b"v/FORMAT", b"v/x.npy"], {}, 1)


def test_a_format_that_is_a_pipe_does_not_hang(tmp_path):
    """Looking for workspaces opens regular files only."""
    os.mkfifo(tmp_path / "FORMAT")
    assert not walking.is_workspace(os.fsencode(tmp_path))


def test_links_to_files_are_found_like_copies(tmp_path):
    """Hard links and symlinks to files each have their own path."""
    (tmp_path / "a").write_bytes(b"abc")
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "c").symlink_to("a")
    entries = list(Walk(os.fsencode(tmp_path)))
    assert [(e.relative, e.status.st_size) for e in entries] == [(b"a", 3), (b"b", 3), (b"c", 3)]


def test_links_to_folders_are_followed_only_when_asked(tmp_path):
    """Without `follow` they are passed over and counted."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").touch()
    (tmp_path / "linked").symlink_to("real")
    assert walked(tmp_path) == ([b"real/x"], {}, 1)
    assert walked(tmp_path, follow=True) == ([b"linked/x", b"real/x"], {}, 0)


def test_a_link_back_is_a_loop(tmp_path):
    """Following ends where it would begin anew; so do two folders that lead to each other."""
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
        (tmp_path / name / "on").symlink_to(f"../{other}")
    (tmp_path / "up").symlink_to(".")
    found, refused, _ = walked(tmp_path, follow=True)
    assert found == [b"a/on/x", b"a/x", b"b/on/x", b"b/x"]
    assert refused == {"a/on/on/": "list/link_loop", "b/on/on/": "list/link_loop", "up/": "list/link_loop"}


def test_dangling_and_looping_links_are_refused_by_name(tmp_path):
    """Each is one entry with its own code."""
    (tmp_path / "d.jpg").symlink_to("nowhere")
    (tmp_path / "l.jpg").symlink_to("l.jpg")
    assert walked(tmp_path)[1] == {"d.jpg": "list/dangling", "l.jpg": "list/link_loop"}


def test_pipes_sockets_and_devices_are_refused_unopened(tmp_path, monkeypatch):
    """Whatever they are called."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("p.jpg")
    os.symlink("/dev/zero", "z.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.jpg")
        assert walked(".")[1] == dict.fromkeys(["p.jpg", "s.jpg", "z.jpg"], "list/not_a_file")


def test_a_folder_named_like_an_image_is_walked(tmp_path):
    """It is not listed itself."""
    (tmp_path / "x.jpg").mkdir()
    (tmp_path / "x.jpg" / "y.jpg").touch()
    assert walked(tmp_path) == ([b"x.jpg/y.jpg"], {}, 0)


@pytest.mark.parametrize(("number", "code"), [(errno.EACCES, "read/permission"), (errno.EIO, "read/io_error")])
def test_a_folder_that_cannot_be_read_is_one_entry(tmp_path, monkeypatch, number, code):
    """Told by a stand-in for `os.scandir`: root may read every folder."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "x").touch()
    scandir = os.scandir

    def closed(path):
        if os.fsencode(path).endswith(b"closed/"):
            raise OSError(number, os.strerror(number))
        return scandir(path)

    monkeypatch.setattr(walking.os, "scandir", closed)
    assert walked(tmp_path) == ([b"x"], {"closed/": code}, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_permission_is_one_entry(tmp_path):
    """The real thing, for everybody but root."""
    (tmp_path / "closed").mkdir(mode=0)
    assert walked(tmp_path)[1] == {"closed/": "read/permission"}
    (tmp_path / "closed").chmod(0o700)


def test_what_vanishes_during_the_walk_is_not_listed(tmp_path):
    """A file that is gone before its turn never was part of the listing."""
    for name in "abc":
        (tmp_path / name).touch()
    walk = iter(Walk(os.fsencode(tmp_path)))
    first = next(walk)
    (tmp_path / "b").unlink()
    assert [first.relative, *(entry.relative for entry in walk)] == [b"a", b"c"]


def test_folders_may_be_very_deep(tmp_path, request):
    """Depth is bounded by the file system, not by Python's stack."""
    (tmp_path / ("d/" * 300)).mkdir(parents=True)
    (tmp_path / ("d/" * 300) / "x").touch()
    limit = sys.getrecursionlimit()
    request.addfinalizer(lambda: sys.setrecursionlimit(limit))
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    assert walked(tmp_path)[0] == [b"d/" * 300 + b"x"]


@settings(max_examples=25, deadline=None)
@given(
    st.sets(
        st.binary(min_size=1, max_size=40).filter(
            lambda name: not set(name) & {0, 47} and not walking.is_ignored(name)
        ),
        max_size=12,
    )
)
def test_any_name_a_file_system_takes_is_found(tmp_path_factory, names):
    """Every byte but `/` and NUL; the walk equals the sorted names."""
    root = os.fsencode(tmp_path_factory.mktemp("names"))
    for name in names:
        with open(root + b"/" + name, "wb"):
            pass
    assert walked(root)[0] == sorted(names)


@pytest.mark.slow
def test_a_hundred_thousand_files_are_listed_in_flat_memory(tmp_path):
    """All are found, in order; ten times as many names cost their bytes, not ten times the memory."""
    peaks = []
    for count in (10_000, 100_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for i in range(count):
            if i % 50_000 == 0:  # a file may have 65,000 names on ext4
                first = folder / f"{i:08d}.jpg"
                first.write_bytes(b"x")
            else:
                os.link(first, folder / f"{i:08d}.jpg")
        tracemalloc.start()
        found = 0
        last = b""
        for entry in Walk(os.fsencode(folder)):
            assert entry.relative > last
            last = entry.relative
            found += 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found == count
    assert peaks[1] - peaks[0] < 3_500_000  # 90,000 names of 13 bytes, twice while they are packed
