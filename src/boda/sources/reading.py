"""Read the bytes of one file, or of a part of one, and know that they belong together.

The one place that opens local files for sources. A file is opened without waiting (a pipe would hang), must be a
regular file, and must not change while it is read; what goes wrong becomes a stage, a code and a reason.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from boda.sources.base import Blob
from boda.unreadable import BadImage, Code, Stage

LARGEST = 512 << 20
"""Bytes; a larger image file is not read at all."""

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_CODES = {
    errno.ENOENT: Code.MISSING,
    errno.ENOTDIR: Code.MISSING,
    errno.ENAMETOOLONG: Code.MISSING,
    errno.EACCES: Code.PERMISSION,
    errno.EPERM: Code.PERMISSION,
    errno.ELOOP: Code.LINK_LOOP,
    errno.ENXIO: Code.NOT_A_FILE,
}


def bad_read(error: OSError) -> BadImage:
    """What an error of the operating system says about an image."""
    code = _CODES.get(error.errno or 0, Code.IO_ERROR)
    return BadImage(Stage.READ, code, os.strerror(error.errno) if error.errno else str(error))


def bad_size(size: int) -> BadImage | None:
    """Why so many bytes are not read as one image, or None where they are."""
    if size == 0:
        return BadImage(Stage.READ, Code.EMPTY, "zero bytes")
    if size > LARGEST:
        return BadImage(Stage.READ, Code.TOO_LARGE, f"{size} bytes; the limit is {LARGEST}")
    return None


@contextmanager
def opened(path: bytes) -> Iterator[tuple[int, os.stat_result]]:
    """A file descriptor of a regular file, with its stat; closed at the end.

    Raises:
        BadImage: it is not there, is no regular file, or may not be opened.
    """
    if b"\0" in path:
        raise BadImage(Stage.READ, Code.MISSING, "no file can have this name")
    try:
        descriptor = os.open(path, _OPEN)
    except OSError as error:
        raise bad_read(error) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadImage(Stage.READ, Code.NOT_A_FILE, "not a regular file")
        yield descriptor, status
    finally:
        os.close(descriptor)


def read_file(path: bytes) -> Blob:
    """All bytes of a file.

    Raises:
        BadImage: empty, missing, no permission, too large, changing while it is read (twice), or an I/O error.
    """
    return _read_twice(path, _whole)


def read_part(path: bytes, offset: int, size: int) -> Blob:
    """`size` bytes of a file from `offset`, with the stat of the whole file.

    Raises:
        BadImage: as `read_file`; also where the file ends before the part does.
    """

    def part(descriptor: int, status: os.stat_result) -> bytes | None:
        if offset + size > status.st_size:
            raise BadImage(Stage.READ, Code.TRUNCATED, f"the file ends at byte {status.st_size}, inside this image")
        return _exactly(descriptor, offset, size)

    error = bad_size(size)
    if error:
        raise error
    return _read_twice(path, part)


def _read_twice(path: bytes, read: Callable[[int, os.stat_result], bytes | None]) -> Blob:
    """Read; once more where the file changed meanwhile."""
    for _ in range(2):
        with opened(path) as (descriptor, before):
            try:
                data = read(descriptor, before)
                after = os.fstat(descriptor)
            except OSError as error:
                raise bad_read(error) from None
        unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if data is not None and unchanged:
            return Blob(data, after.st_size, after.st_mtime_ns)
    raise BadImage(Stage.READ, Code.UNSTABLE, "changed while it was read, twice")


def _whole(descriptor: int, status: os.stat_result) -> bytes | None:
    error = bad_size(status.st_size)
    if error:
        raise error
    data = _exactly(descriptor, 0, status.st_size)
    grown = os.pread(descriptor, 1, status.st_size)
    return None if grown else data


def _exactly(descriptor: int, offset: int, size: int) -> bytes | None:
    """`size` bytes from `offset`; None where the file has become shorter."""
    data = os.pread(descriptor, size, offset)
    if len(data) == size:
        return data
    parts = [data]
    have = len(data)
    while have < size and parts[-1]:
        parts.append(os.pread(descriptor, size - have, offset + have))
        have += len(parts[-1])
    return b"".join(parts) if have == size else None
