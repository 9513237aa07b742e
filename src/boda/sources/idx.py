"""IDX files of images, as MNIST and its kin come, gzip-compressed or not; key `file#row`.

Source: the IDX format of the MNIST database (LeCun, Cortes and Burges): two zero bytes, a type, the number of
dimensions, each dimension as a big-endian 32-bit number, then the values.
"""

import functools
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boda.errors import SourceError
from boda.keys import from_bytes, shown, to_bytes
from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.gzipped import is_gzipped, read_unpacked
from boda.sources.holding import Holder, Holding
from boda.sources.reading import opened, read_part
from boda.unreadable import BadImage, Code, Stage

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"idx[134]-ubyte(\.gz)?$", re.IGNORECASE)
_BYTES = 0x08


@dataclass(frozen=True, slots=True)
class Header:
    """What the beginning of an IDX file says."""

    shape: tuple[int, ...]
    """(n,) labels, (n, h, w) grey or (n, h, w, 3) colour images."""

    @property
    def length(self) -> int:
        """Of the header itself, in bytes."""
        return 4 + 4 * len(self.shape)

    @property
    def holds_images(self) -> bool:
        """Whether the values are images that can be shown."""
        return (len(self.shape) == 3 or (len(self.shape) == 4 and self.shape[3] == 3)) and 0 not in self.shape[1:]

    def as_netpbm(self, row: bytes) -> bytes:
        """One row as the bytes of a PGM or PPM file."""
        magic = b"P5" if len(self.shape) == 3 else b"P6"
        return b"%s %d %d 255\n" % (magic, self.shape[2], self.shape[1]) + row


@dataclass(slots=True)
class IdxSource:
    """One IDX file of images, or all in a folder. Labels beside them (`*-labels-idx1-*`) become the column `label`.

    A row is read as a PGM or PPM file with the same values, so that the common decoder reads it.
    """

    holding: Holding
    ignored: int = field(default=0, init=False, compare=False)

    @classmethod
    def described(cls, description: Description, root: str) -> "IdxSource":
        """The source that this describes, at `root`: the file, or the folder."""
        return cls(Holding.described(description, root))

    @property
    def description(self) -> Description:
        """`kind`, `root`, and `name` or `pattern`."""
        return {"kind": "idx", **self.holding.description}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The rows, file by file.

        Raises:
            NotFound: a file is not there.
            SourceError: a file holds no images.
        """
        self.ignored = 0
        for holder in self._holders():
            header = self._images(holder)
            for row in range(header.shape[0]):
                yield ImageRef(f"{holder.name}#{row}", holder.path, str(row), holder.size, holder.mtime_ns)

    def columns(self) -> "pa.Table | None":
        """`label` of every image, null where a file has no labels beside it; None where none has.

        Raises:
            SourceError: a file of labels does not fit its images.
        """
        import pyarrow as pa

        found = [(holder, self._images(holder).shape[0], self._labels(holder)) for holder in self._holders()]
        if all(labels is None for _, _, labels in found):
            return None
        keys = [pa.array([to_bytes(f"{h.name}#{row}") for row in range(count)], pa.binary()) for h, count, _ in found]
        label = [pa.nulls(n, pa.int64()) if told is None else pa.array(told, pa.int64()) for _, n, told in found]
        return pa.table({"key": pa.chunked_array(keys, pa.binary()), "label": pa.chunked_array(label, pa.int64())})

    def read(self, ref: ImageRef) -> Blob:
        """One row as a PGM or PPM file."""
        path = self.holding.locate(ref.path)
        with opened(path) as (_, status):
            identity = (status.st_ino, status.st_size, status.st_mtime_ns)
        try:
            header = _header_of(path, identity)
        except SourceError as error:
            raise BadImage(Stage.READ, Code.CORRUPT, str(error)) from None
        row, size = int(ref.inner), int(np.prod(header.shape[1:], dtype=object))
        if not header.holds_images or not 0 <= row < header.shape[0]:
            raise BadImage(Stage.READ, Code.MISSING, f"the file has no image {row}; its shape is {header.shape}")
        blob = _read(path, header.length + row * size, size)
        return Blob(header.as_netpbm(blob.data), blob.size, blob.mtime_ns)

    def _holders(self) -> Iterator[Holder]:
        """The files of images; in a folder those of labels are passed over."""
        for holder in self.holding.files():
            if self.holding.name or (is_idx_pair(holder.name) and "idx1" not in holder.name.lower()):
                yield holder

    def _images(self, holder: Holder) -> Header:
        path = self.holding.locate(holder.path)
        header = read_header(path)
        if not header.holds_images:
            what = "labels; give the file of images beside them" if len(header.shape) == 1 else f"shape {header.shape}"
            raise SourceError(f"{shown(from_bytes(path))}: an IDX file of {what}")
        return header

    def _labels(self, holder: Holder) -> npt.NDArray[np.uint8] | None:
        path = _labels_beside(os.fsdecode(self.holding.locate(holder.path)))
        if path is None:
            return None
        header = read_header(os.fsencode(path))
        count = self._images(holder).shape[0]
        if header.shape != (count,):
            raise SourceError(f"{shown(path)}: labels of shape {header.shape} do not fit {count} images")
        return np.frombuffer(_read(os.fsencode(path), header.length, count).data, np.uint8) if count else None


def is_idx_pair(name: str) -> bool:
    """Whether a name is that of an IDX file of images or of labels."""
    return _NAME.search(name) is not None


def is_idx(path: str) -> bool:
    """Whether a file is IDX: by its name, or by a sound header."""
    if is_idx_pair(path):
        return True
    try:
        return 1 <= len(read_header(os.fsencode(path)).shape) <= 4
    except SourceError:
        return False


def read_header(path: bytes) -> Header:
    """The header of an IDX file of bytes.

    Raises:
        SourceError: it is none, or cannot be read.
    """
    where = shown(from_bytes(path))
    try:
        start = _read(path, 0, 4).data
        dimensions = _read(path, 4, 4 * start[3]).data if 1 <= start[3] <= 4 else b""
    except BadImage as error:
        raise SourceError(f"{where}: not an IDX file of bytes: {error.unreadable.reason}") from error
    if start[:2] != b"\0\0" or start[2] != _BYTES or not dimensions:
        raise SourceError(f"{where}: not an IDX file of bytes")
    return Header(struct.unpack(f">{start[3]}I", dimensions))


@functools.lru_cache(maxsize=16)
def _header_of(path: bytes, identity: tuple[int, ...]) -> Header:
    return read_header(path)


def _read(path: bytes, offset: int, size: int) -> Blob:
    return read_unpacked(path, offset, size) if is_gzipped(path) else read_part(path, offset, size)


def _labels_beside(images: str) -> str | None:
    folder, name = os.path.split(images)
    label = re.sub(r"idx[34]", "idx1", re.sub("images", "labels", name))
    plain = label.removesuffix(".gz")
    paths = (os.path.join(folder, name) for name in dict.fromkeys((label, plain, plain + ".gz")))  # noqa: PTH118
    return next((path for path in paths if path != images and os.path.isfile(path)), None)  # noqa: PTH113
