"""Read parts of a gzip-compressed file: forward is a step, backward begins anew."""

import gzip
import io
import os
import zlib

from boda.sources.base import Blob
from boda.sources.kept import KeptByThread
from boda.sources.reading import bad_read, bad_size, opened
from boda.unreadable import BadImage, Code, Stage

MAGIC = b"\x1f\x8b"


class _Stream:
    """A gzip file on a descriptor of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._file = gzip.GzipFile(fileobj=io.FileIO(self._descriptor, closefd=False), mode="rb")

    def part(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
        os.close(self._descriptor)


_last: KeptByThread[_Stream] = KeptByThread()


def is_gzipped(path: bytes) -> bool:
    """Whether a file begins as gzip does.

    Raises:
        BadImage: it cannot be opened.
    """
    with opened(path) as (descriptor, _):
        return os.pread(descriptor, len(MAGIC), 0) == MAGIC


def read_unpacked(path: bytes, offset: int, size: int) -> Blob:
    """`size` bytes from `offset` of the unpacked content, with the stat of the file itself.

    Raises:
        BadImage: the part is empty, too large or not there; the file cannot be opened, or is damaged before its end.
    """
    error = bad_size(size)
    if error:
        raise error
    with opened(path) as (descriptor, status):
        identity = (path, status.st_ino, status.st_size, status.st_mtime_ns)
        try:
            with _last.use(identity, lambda: _Stream(descriptor)) as stream:
                data = stream.part(offset, size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
            raise BadImage(Stage.READ, Code.CORRUPT, f"damaged gzip file: {damage}") from None
        except OSError as failure:
            raise bad_read(failure) from None
    if len(data) != size:
        raise BadImage(Stage.READ, Code.TRUNCATED, "the unpacked file ends inside this image")
    return Blob(data, status.st_size, status.st_mtime_ns)
