"""Rows: features as the passes of k-means see them, block by block in float32, whatever holds them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.clusters.team import Team
from boda.cores import BLOCK
from boda.errors import Refused

Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
Which: TypeAlias = slice | npt.NDArray[np.int64]

_BLOCK_VALUES = 2**20  # 4 MiB of float32: a block is read again by the next product while it is in the cache


@dataclass(frozen=True, slots=True)
class Rows:
    """(n, d) features that are cast, and given unit length where asked, only in the blocks that are read."""

    features: StoredFeatures
    """(n, d) float16, float32 or float64; a memory map stays one."""
    lengths: Float32 | None = None
    """(n,) what each row is divided by; None for the rows as they are."""

    def __len__(self) -> int:
        return len(self.features)

    @property
    def width(self) -> int:
        """Numbers a row, d."""
        return int(self.features.shape[1])

    def take(self, which: Which) -> Float32:
        """Some rows, (m, d) float32."""
        taken = np.asarray(self.features[which], dtype=np.float32)
        return taken if self.lengths is None else taken / self.lengths[which, None]

    def blocks(self, share: slice) -> Iterator[slice]:
        """The rows of a share, a block at a time; the same blocks however many shares there are."""
        step = min(BLOCK, 1 << max(6, (_BLOCK_VALUES // max(1, self.width)).bit_length() - 1))
        for start in range(share.start, share.stop, step):
            yield slice(start, min(start + step, share.stop))


@dataclass(frozen=True, slots=True)
class Spread:
    """Rows, and their squared distances from one place in their middle.

    |x - c|^2 = |x - m|^2 - 2 x.(c - m) + 2 m.(c - m) + |c - m|^2: with a middle m the products of a pass lose no digits
    to what all rows have in common, and no row has to be changed for that.
    """

    rows: Rows
    middle: Float64
    """(d,): m, near the mean."""
    squares: Float32
    """(n,): |x - m|^2."""
    total: float
    """Their sum, in float64."""

    def scores(self, block: Float32, centres: Float32) -> Float32:
        """(m, d) rows and (k, d) centres to (m, k): |x - c|^2 - |x - m|^2, by one matrix product."""
        shifted = centres - self.middle
        product: Float32 = block @ (-2 * shifted).astype(np.float32).T
        product += (2 * shifted @ self.middle + (shifted * shifted).sum(axis=1)).astype(np.float32)
        return product

    def sample(self, which: Which) -> "Spread":
        """Some rows, in memory."""
        squares = self.squares[which]
        return Spread(Rows(self.rows.take(which)), self.middle, squares, float(squares.sum(dtype=np.float64)))


def spread(rows: Rows, team: Team, middle: Float32) -> Spread:
    """One pass: measure how far the rows lie from a middle, (d,).

    Raises:
        Refused: a value is NaN or infinite, or the rows are so large or so small that float32 cannot square them.
    """
    squares = np.empty(len(rows), np.float32)

    def measure(share: slice) -> float:
        for block in rows.blocks(share):
            away = rows.take(block) - middle
            np.einsum("ij,ij->i", away, away, out=squares[block])
        return float(squares[share].sum(dtype=np.float64))

    with np.errstate(all="ignore"):
        total = sum(team.each(measure, team.shares))
    if not np.isfinite(total):
        refuse_not_finite(rows, np.flatnonzero(~np.isfinite(squares)))
    if total > 1e30 or (total < 1e-30 and _differ(rows)):
        raise Refused(f"squared distances sum up to {total:.1g}, for which float32 is too narrow: scale the features")
    return Spread(rows, middle.astype(np.float64), squares, total)


def refuse_not_finite(rows: Rows, suspects: npt.NDArray[np.int64]) -> None:
    """Name the first row that is not finite; large ones are finite, and only their squares are not."""
    for row in suspects:
        if not np.isfinite(rows.features[row]).all():
            raise Refused(f"row {row} of the features holds NaN or infinity: leave it out")
    raise Refused("the features are too large for float32: scale them")


def different_rows(rows: Rows, most: int) -> int:
    """How many different rows there are; no more than `most` are counted."""
    different: set[bytes] = set()
    for block in rows.blocks(slice(0, len(rows))):
        different.update(row.tobytes() for row in rows.take(block) + np.float32(0))  # -0.0 is 0.0
        if len(different) >= most:
            return most
    return len(different)


def refuse_few_different(rows: Rows, k: int) -> None:
    """Refuse to cut rows into more groups than there are different rows: equal rows belong together."""
    different = different_rows(rows, k)
    if different < k:
        if different < 2:
            raise Refused("all rows are equal: there is nothing to group")
        raise Refused(f"{k} clusters of {different} different rows: ask for at most {different}")


def _differ(rows: Rows) -> bool:
    return any(bool((rows.features[block] != rows.features[0]).any()) for block in rows.blocks(slice(0, len(rows))))
