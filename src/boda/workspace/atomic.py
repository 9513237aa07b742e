"""Files are written whole or not at all, and opened without following links.

Nothing else in boda writes files that somebody will read: a temporary file in the same folder, fsync, rename,
fsync of the folder. After a crash there is the old file, or the new one, and at most a temporary file that the
next run sweeps away. A failed fsync is final: the kernel may have dropped the data, so trying again would lie.
"""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from boda.errors import DiskTrouble

TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.part")
"""Names of files that are being written, or were when a process died."""


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that is there completely or not at all; an older file of that name is replaced.

    Args:
        path: of the result; its folder is there.
        write: gets the open file, and writes it from start to end. What it raises passes through, and the
            file at `path` is as before.

    Raises:
        DiskTrouble: the disk is full or failing, or does not take the file.
    """

    def named(file: BinaryIO) -> str:
        write(file)
        return path.name

    write_named(path.parent, named)


def write_named(folder: Path, write: Callable[[BinaryIO], str]) -> Path:
    """Write a file whose name is known only once it is written (a digest of it, say).

    Args:
        folder: where it goes.
        write: gets the open file, writes it, and returns its name.

    Returns:
        The path of the result.

    Raises:
        DiskTrouble: as `write_whole`.
    """
    temporary = folder / f".{secrets.token_hex(8)}.part"
    with disk_trouble(folder):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                path = folder / write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        fsync_folder(folder)
    return path


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Only file systems that know no such thing (EINVAL) may pass."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_trouble(where: Path) -> Iterator[None]:
    """Turn errors of the operating system into one line that names the place.

    Raises:
        DiskTrouble: instead of an `OSError` that has a number; others pass.
    """
    try:
        yield
    except DiskTrouble:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        place = error.filename if isinstance(error.filename, str) else str(where)
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        advice = "make room and run again" if full else "look at the disk or mount, then run again"
        raise DiskTrouble(f"{place}: {os.strerror(error.errno)}; {advice}. What was committed stays") from error


def open_no_follow(root: Path, *parts: str) -> BinaryIO:
    """Open a regular file below a folder for reading; no part below `root` may be a link, a pipe or a device.

    Args:
        root: trusted, as the user gave it.
        parts: names, one for each step down; none may hold a slash or be a dot name.

    Raises:
        OSError: it is not there, or not a plain file (ELOOP, ENOTDIR, EINVAL).
    """
    if not parts or any("/" in part or part in {"", ".", ".."} for part in parts):
        raise OSError(errno.EINVAL, "not a plain name", "/".join(parts))
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = below
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(parts[-1], flags, dir_fd=folder)
    finally:
        os.close(folder)
    if not _is_regular(descriptor):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(root.joinpath(*parts)))
    return os.fdopen(descriptor, "rb")


def _is_regular(descriptor: int) -> bool:
    return (os.fstat(descriptor).st_mode & 0o170000) == 0o100000
