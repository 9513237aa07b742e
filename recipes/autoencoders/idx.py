"""Fashion-MNIST as it comes, in IDX files (see `boda.sources.idx`), and its first rows as a smaller one."""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound
from runs.receipt import write


@dataclass(frozen=True, slots=True)
class Idx:
    """A file of images with its labels beside it."""

    images: Path
    labels: Path

    def pixels(self) -> npt.NDArray[np.uint8]:
        """(n, 28, 28)."""
        return _values(self.images)

    def classes(self) -> npt.NDArray[np.uint8]:
        """(n,) 0 to 9."""
        return _values(self.labels)


def found(folder: Path, name: str) -> Idx:
    """The files of `train` or `t10k`, compressed or not.

    Raises:
        NotFound: they are not there.
    """
    return Idx(*(_found(folder, f"{name}-{what}-ubyte") for what in ("images-idx3", "labels-idx1")))


def first_rows(whole: Idx, count: int | None, to: Path) -> Idx:
    """So many rows in files of their own in the folder `to`; None: the files as they are."""
    if count is None:
        return whole
    part = Idx(*(to / file.name.removesuffix(".gz") for file in (whole.images, whole.labels)))
    for file, values in ((part.images, whole.pixels()), (part.labels, whole.classes())):
        kept = values[:count]
        head = struct.pack(f">HBB{kept.ndim}I", 0, 8, kept.ndim, *kept.shape)
        data = head + kept.tobytes()
        if not file.is_file() or file.read_bytes() != data:
            write(file, data)
    return part


def _found(folder: Path, name: str) -> Path:
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise NotFound(f"{folder / name}[.gz]: not there; give the folder of data that has fashion_mnist/")


def _values(file: Path) -> npt.NDArray[np.uint8]:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    (dimensions,) = struct.unpack(">3xB", data[:4])
    shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
