"""Shared memory in which decoder processes leave pixels: a ring of slots, one batch each.

The memory has no name anywhere: it is a file descriptor that children inherit, so that nothing can remain of it
when processes are killed.
"""

import mmap
import os
import sys
import tempfile
from collections.abc import Sequence

import numpy as np

from boda.arrays import Pixels
from boda.pixels.spec import PixelSpec


class Slots:
    """`count` slots; each holds `batch` images for every spec."""

    def __init__(self, fd: int, count: int, batch: int, specs: Sequence[PixelSpec]) -> None:
        """Map the memory behind a descriptor that has the right size already (`make_slots`)."""
        self.fd, self.count, self.batch = fd, count, batch
        self._shapes = [(batch, *spec.shape, 3) for spec in specs]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self._stride = sum(self._sizes)
        self._map = mmap.mmap(fd, max(1, self._stride * count))

    @property
    def nbytes(self) -> int:
        """Bytes in all."""
        return max(1, self._stride * self.count)

    def pixels(self, slot: int, spec: int) -> Pixels:
        """(batch, h, w, 3): the images of one slot for one spec, no copy."""
        start = slot * self._stride + sum(self._sizes[:spec])
        flat = np.frombuffer(self._map, np.uint8, count=self._sizes[spec], offset=start)
        return flat.reshape(self._shapes[spec])

    def close(self) -> None:
        """Give the descriptor back. The memory goes when the last array on it goes."""
        os.close(self.fd)


def make_slots(count: int, batch: int, specs: Sequence[PixelSpec]) -> Slots:
    """New shared memory for so many slots."""
    if sys.platform == "linux":
        fd = os.memfd_create("boda-slots")
    else:
        with tempfile.TemporaryFile() as unnamed:
            fd = os.dup(unnamed.fileno())
    stride = sum(batch * spec.shape[0] * spec.shape[1] * 3 for spec in specs)
    os.truncate(fd, max(1, stride * count))
    return Slots(fd, count, batch, specs)
