"""Segments: immutable NumPy files with feature rows, named by what is in them.

The name is the first 32 hex digits of SHA-256(digest of the file + digest of the contents its rows belong to), so
equal numbers of other images are another file.
"""

import hashlib
import math
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Damaged
from boda.workspace.atomic import disk_trouble, fsync_folder, open_no_follow, write_named

FOLDER = "features"
FILE_NAME = re.compile(r"[0-9a-f]{1,64}\.npy")
RECIPE_NAME = re.compile(r"[0-9a-f]{1,64}")
HEADER_BYTES = 128
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that was written and waits to be named in the catalogue."""

    file: str
    size: int
    sha256: bytes
    contents: bytes
    """SHA-256 of the contents of its rows, in order; of nothing for files without."""


class _Hashing:
    """A file that hashes what passes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest, self.bytes = file, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        return self.file.write(data)


def write_array(
    root: Path,
    folders: tuple[str, ...],
    blocks: Iterable[npt.NDArray[Any]],
    *,
    shape: tuple[int, ...],
    dtype: str,
    contents: bytes = b"",
) -> Stored:
    """Write one array, block by block, so that a large one never is in memory as a whole.

    Args:
        root: the workspace.
        folders: the way down to where it goes; made if it is not there.
        blocks: C-ordered pieces along the first axis, together of `shape`.
        shape: of the whole.
        dtype: NumPy's name of it.
        contents: digest of the contents that the rows belong to.

    Raises:
        DiskTrouble: the disk is full or failing.
    """
    folder = make_folder(root, *folders)
    kept: list[tuple[int, bytes]] = []

    def write(file: BinaryIO) -> str:
        hashing = _Hashing(file)
        hashing.write(header(dtype, shape))
        for block in blocks:
            hashing.write(np.ascontiguousarray(block, _stored(dtype)).reshape(-1).view(np.uint8))
        kept.append((hashing.bytes, hashing.digest.digest()))
        return f"{hashlib.sha256(hashing.digest.digest() + contents).hexdigest()[:32]}.npy"

    path = write_named(folder, write)
    size, digest = kept[0]
    return Stored(path.name, size, digest, contents)


def make_folder(root: Path, *folders: str) -> Path:
    """Make folders below the workspace, durably, and refuse one that is a link to elsewhere.

    Raises:
        Damaged: something else has its name.
        DiskTrouble: it cannot be made.
    """
    step = root
    with disk_trouble(root):
        for name in folders:
            step = step / name
            try:
                step.mkdir()
                fsync_folder(step.parent)
            except FileExistsError:
                if not stat.S_ISDIR(step.lstat().st_mode):
                    raise Damaged(f"{step}: not a folder; such a workspace is not written to") from None
    return step


def check_name(name: str, pattern: re.Pattern[str], where: Path) -> str:
    """A name from the catalogue, which may be hostile, is ours or refused."""
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise Damaged(f"{where}: boda.db names a file {name!r}, which is not a name of ours")
    return name


def open_array(
    root: Path, parts: tuple[str, ...], *, shape: tuple[int, ...] | None, dtype: str, size: int
) -> npt.NDArray[Any]:
    """Map a file of the workspace, after checking that it is what the catalogue says.

    Args:
        root: the workspace.
        parts: the way to the file.
        shape: that it must have; None for a flat one as long as its file.
        dtype: that it must have.
        size: of the file, in bytes.

    Raises:
        FileNotFoundError: it is not there (any more).
        Damaged: it is something else.
    """
    where = root.joinpath(*parts)
    try:
        file = open_no_follow(root, *parts)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"{where}: cannot be opened: {error.strerror}; see: boda doctor") from error
    with file:
        wanted = _stored(dtype)
        if shape is None:
            shape = ((size - HEADER_BYTES) // wanted.itemsize,)
        actual = os.fstat(file.fileno()).st_size
        described = HEADER_BYTES + wanted.itemsize * math.prod(shape)
        if actual != size or size != described or file.read(HEADER_BYTES) != header(dtype, shape):
            raise Damaged(f"{where}: not the array that boda.db describes; see: boda doctor")
        return np.memmap(file, dtype=wanted, mode="r", offset=HEADER_BYTES, shape=shape, order="C")


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The first bytes of a NumPy file, version 1.0, always of one length.

    What must stand there is known, so it is compared and never parsed: NumPy's parser was made for friendly files.
    """
    text = f"{{'descr': {_stored(dtype).str!r}, 'fortran_order': False, 'shape': {tuple(map(int, shape))!r}, }}"
    magic = b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little")
    return magic + text.ljust(HEADER_BYTES - 11).encode() + b"\n"


def _stored(dtype: str) -> np.dtype[Any]:
    return np.dtype(dtype).newbyteorder("<")


def digest_of(root: Path, parts: tuple[str, ...]) -> bytes:
    """SHA-256 of a file of the workspace.

    Raises:
        OSError: it cannot be read, or is not a plain file.
    """
    digest = hashlib.sha256()
    with open_no_follow(root, *parts) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def row_blocks(array: StoredFeatures, rows: int) -> Iterable[StoredFeatures]:
    """The array in pieces of at most so many rows."""
    return (array[start : start + rows] for start in range(0, len(array), rows))


def check_there(root: Path, parts: tuple[str, ...], size: int) -> None:
    """Look once more, inside the transaction that names a file, that it is there.

    Raises:
        Damaged: it is not, or of another size.
    """
    path = root.joinpath(*parts)
    try:
        kind = path.lstat()
    except OSError as error:
        raise Damaged(f"{path}: gone before it was named; does another program clean this folder?") from error
    if not stat.S_ISREG(kind.st_mode) or kind.st_size != size:
        raise Damaged(f"{path}: changed before it was named; does another program write to this folder?")
