"""Reading one file: whole, unchanged, or a reason."""

import errno
import os
import socket
import stat
import types

import pytest

from boda.sources import reading
from boda.sources.reading import read_file, read_part
from boda.unreadable import BadImage, Code, Stage


def verdict(path, read=read_file, *rest) -> tuple[Stage, Code]:
    with pytest.raises(BadImage) as caught:
        read(os.fsencode(path), *rest)
    return caught.value.unreadable.stage, caught.value.unreadable.code


def test_a_file_gives_its_bytes_and_its_stat(tmp_path):
    """What is read is the file, with the size and time it had."""
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    blob = read_file(os.fsencode(tmp_path / "x"))
    assert blob.data == b"abc" * 100_000
    assert (blob.size, blob.mtime_ns) == (300_000, (tmp_path / "x").stat().st_mtime_ns)


def test_a_part_is_cut_out(tmp_path):
    """A part has the stat of the whole file."""
    (tmp_path / "x").write_bytes(bytes(range(100)))
    blob = read_part(os.fsencode(tmp_path / "x"), 10, 5)
    assert (blob.data, blob.size) == (bytes(range(10, 15)), 100)


def test_a_part_beyond_the_end_is_an_error(tmp_path):
    """No part is ever shorter than asked for."""
    (tmp_path / "x").write_bytes(b"12345")
    assert verdict(tmp_path / "x", read_part, 3, 5) == ("read", "truncated")


@pytest.mark.parametrize("name", ["gone.jpg", "gone/x.jpg", "n" * 300, "nul\0.jpg"])
def test_what_is_not_there_is_missing(tmp_path, name):
    """Vanished, never there, or impossible: missing."""
    assert verdict(f"{tmp_path}/{name}") == ("read", "missing")


def test_an_empty_file_is_empty(tmp_path):
    """Zero bytes are said to be zero bytes."""
    (tmp_path / "x").touch()
    assert verdict(tmp_path / "x") == ("read", "empty")


def test_a_huge_file_is_left_unread(tmp_path):
    """Over 512 MB nothing is read; the file here is a hole."""
    with (tmp_path / "x").open("wb") as file:
        file.truncate((512 << 20) + 1)
    assert verdict(tmp_path / "x") == ("read", "too_large")


def test_a_pipe_that_appears_after_the_listing_does_not_hang(tmp_path):
    """Opening never waits for a writer."""
    os.mkfifo(tmp_path / "x.jpg")
    assert verdict(tmp_path / "x.jpg") == ("read", "not_a_file")


def test_folders_devices_and_sockets_are_no_files(tmp_path, monkeypatch):
    """Nothing but a regular file is read."""
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.jpg")
        assert {verdict(name) for name in ("zero.jpg", "s.jpg", ".")} == {("read", "not_a_file")}


def test_a_link_to_itself_is_a_loop(tmp_path):
    """A loop is not called missing."""
    (tmp_path / "x").symlink_to("x")
    assert verdict(tmp_path / "x") == ("read", "link_loop")


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EACCES, "permission"), (errno.EIO, "io_error"), (errno.ESTALE, "io_error")]
)
def test_errors_of_the_system_have_codes(tmp_path, monkeypatch, number, code):
    """Permission and I/O errors, told by a stand-in for `os.open`: root may read everything."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(reading.os, "open", refuse)
    assert verdict(tmp_path / "x") == ("read", code)


def test_an_error_while_reading_is_an_io_error(tmp_path, monkeypatch):
    """A disk that fails in the middle of a file."""

    def fail(*_):
        raise OSError(errno.EIO, "bad sector")

    (tmp_path / "x").write_bytes(b"abc")
    monkeypatch.setattr(reading.os, "pread", fail)
    assert verdict(tmp_path / "x") == ("read", "io_error")


def appending(path, times: int):
    """A stand-in for `os.pread` that lets the file grow while it is read, so many times."""
    left = [times]

    def pread(descriptor, size, offset):
        data = os.pread(descriptor, size, offset)
        if left[0] and offset == 0:
            left[0] -= 1
            with path.open("ab") as file:
                file.write(b"+")
        return data

    return types.SimpleNamespace(**{**vars(os), "pread": pread})


def test_a_file_that_changes_once_is_read_again(tmp_path, monkeypatch):
    """The second reading is whole."""
    (tmp_path / "x").write_bytes(b"abc")
    monkeypatch.setattr(reading, "os", appending(tmp_path / "x", 1))
    assert read_file(os.fsencode(tmp_path / "x")).data == b"abc+"


def test_a_file_that_keeps_changing_is_unstable(tmp_path, monkeypatch):
    """Twice is enough."""
    (tmp_path / "x").write_bytes(b"abc")
    monkeypatch.setattr(reading, "os", appending(tmp_path / "x", 9))
    assert verdict(tmp_path / "x") == ("read", "unstable")


def test_no_descriptor_stays_open(tmp_path):
    """Neither success nor failure leaks."""
    (tmp_path / "x").write_bytes(b"abc")
    (tmp_path / "empty").touch()
    before = len(os.listdir("/proc/self/fd"))
    for name in ("x", "empty", "gone") * 20:
        try:
            read_file(os.fsencode(tmp_path / name))
        except BadImage:
            continue
    assert len(os.listdir("/proc/self/fd")) == before
    assert stat.S_ISREG((tmp_path / "x").stat().st_mode)
