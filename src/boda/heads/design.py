"""Design: prepared inputs as the matrix that a learner sees, in memory or made block by block."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.heads.inputs import Rows

BLOCK = 16_384
"""Rows made at once."""


@dataclass(frozen=True, eq=False)
class Design:
    """(n, d) float32. Learners ask for blocks, so that one larger than memory can be learned from."""

    rows: int
    width: int
    make: Callable[[Rows | slice], npt.NDArray[np.float32]]
    """Rows by their places in this design; float32 (r, d), a view where it is in memory. Not to be written to."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return self.rows, self.width

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """All rows in order, a block at a time."""
        for start in range(0, self.rows, size):
            block = slice(start, min(start + size, self.rows))
            yield block, self.make(block)

    def dense(self) -> npt.NDArray[np.float32]:
        """All of it in memory."""
        return self.make(slice(0, self.rows))

    def take(self, rows: Rows) -> "Design":
        """Only these rows; made when asked for."""
        return Design(len(rows), self.width, lambda part: self.make(rows[part]))

    @classmethod
    def of(cls, array: npt.NDArray[np.float32]) -> "Design":
        """An array that is in memory, (n, d) float32."""
        rows, width = array.shape
        return cls(rows, width, lambda part: array[part])
