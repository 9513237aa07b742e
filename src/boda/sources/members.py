"""What a tar holds, header by header. Nothing is ever unpacked, no member is trusted, and memory stays flat."""

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from boda.errors import SourceError
from boda.keys import shown, to_bytes
from boda.sources.base import Blob, ImageRef
from boda.sources.gzipped import MAGIC, is_gzipped, read_unpacked
from boda.sources.reading import opened, read_part
from boda.sources.walking import is_ignored
from boda.unreadable import BadImage, Code, Stage, Unreadable

END = "#end"
"""The name given to what a damaged archive lost: nobody knows what was there."""

_BLOCK = 512
_MOST_HEADER = 16 << 20
_DAMAGE = (
    *(tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError, EOFError),
    *(zlib.error, gzip.BadGzipFile),
)


@dataclass(frozen=True, slots=True)
class Member:
    """One member that is no folder."""

    name: str
    start: int = 0
    """Of its headers, in bytes from the beginning of the (unpacked) archive."""
    offset: int = 0
    """Of its data."""
    size: int = 0
    unreadable: Unreadable | None = None
    """Why it can be no image: a link, a device, a sparse file, damage."""

    @property
    def inner(self) -> str:
        """As `ImageRef.inner` has it."""
        return f"{self.start}:{self.offset}:{self.size}"

    @property
    def is_ignored(self) -> bool:
        """Whether its name, or a folder of it, is passed over, as in a folder."""
        parts = to_bytes(self.name).split(b"/")
        return any(is_ignored(part) for part in parts if part not in {b".", b".."}) or not self.name


class _Guarded:
    """The file that tarfile sees: no header may ask for more than 16 MiB, nor lead back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def opened_tar(path: bytes) -> Iterator[BinaryIO]:
    """An archive on this machine as a seekable file, unpacked as it is read where it is gzip-compressed.

    Raises:
        BadImage: it cannot be opened.
    """
    with opened(path) as (descriptor, _):
        raw = io.FileIO(descriptor, closefd=False)
        if os.pread(descriptor, len(MAGIC), 0) == MAGIC:
            with gzip.GzipFile(fileobj=raw) as file:
                yield cast("BinaryIO", file)
        else:
            yield cast("BinaryIO", raw)


def members(file: BinaryIO, where: str) -> Iterator[Member]:
    """The members in their order, folders left out. Where the archive is damaged or cut, the last one is `END`.

    Raises:
        SourceError: it is no tar archive at all.
    """
    try:
        tar = _tar(file)
    except _DAMAGE as damage:
        raise SourceError(f"{shown(where)}: not a tar archive: {damage}") from None
    reached = -1
    try:
        while (info := tar.next()) is not None:
            cast("Any", tar).members.clear()  # tarfile would keep them all
            if info.size < 0 or info.offset <= reached:
                raise tarfile.ReadError("a member that leads back")
            reached = info.offset
            if not info.isdir():
                yield _member(info)
        file.seek(tar.offset)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise tarfile.ReadError("no end mark")
    except _DAMAGE as damage:
        reason = f"the archive is cut or damaged after byte {max(reached, 0)} ({damage}): what followed is not known"
        yield Member(END, unreadable=Unreadable(Stage.READ, Code.TRUNCATED, reason))


def read_member(path: bytes, ref: ImageRef, is_named: Callable[[str], bool]) -> Blob:
    """The bytes of a member. Where the archive has changed since it was listed, its header must still be the one.

    Args:
        path: of the archive.
        ref: the member; its `inner` is `start:offset:size`.
        is_named: whether a member's name is that of this image.

    Raises:
        BadImage: the bytes cannot be had, or are another member's now.
    """
    start, offset, size = (int(number) for number in ref.inner.split(":"))
    blob = read_unpacked(path, offset, size) if is_gzipped(path) else read_part(path, offset, size)
    if (blob.size, blob.mtime_ns) != (ref.size, ref.mtime_ns):
        with opened_tar(path) as file:
            info = _first(file, start)
        if info is None or not is_named(info.name) or (info.offset_data, info.size) != (offset, size):
            raise BadImage(Stage.READ, Code.UNSTABLE, "the archive changed since it was listed, and the image moved")
    return blob


def _tar(file: BinaryIO) -> tarfile.TarFile:
    guarded = cast("BinaryIO", _Guarded(file))
    return tarfile.TarFile(fileobj=guarded, encoding="utf-8", errors="surrogateescape")


def _first(file: BinaryIO, start: int) -> tarfile.TarInfo | None:
    try:
        file.seek(start)
        return _tar(file).next()
    except _DAMAGE:
        return None


def _member(info: tarfile.TarInfo) -> Member:
    if info.isreg() and not info.issparse():
        return Member(info.name, info.offset, info.offset_data, info.size)
    what = "a link" if info.islnk() or info.issym() else "a sparse file" if info.isreg() else "no regular file"
    return Member(info.name, unreadable=Unreadable(Stage.LIST, Code.NOT_A_FILE, f"{what} in an archive"))
