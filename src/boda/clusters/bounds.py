"""Bounds: which rows may have changed their cluster, without computing a distance.

Hamerly, "Making k-means even faster", SDM 2010. A row keeps an upper bound on the distance to its own centre and a lower
one on the distance to every other. When the centres move, the bounds move by as much; while the upper is below the
lower, or below half the distance from its centre to the nearest other, the row stays where it is. Only rows whose
bounds fail are read again, and their distances computed by one matrix product a block.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.clusters.partition import Labels
from boda.clusters.rows import Float32, Float64, Spread

_MOST = 0.6  # of a block's rows fail: reading all of them in their order costs no more than picking these


@dataclass(frozen=True, slots=True)
class Step:
    """Where the centres are now, and how far each came since the bounds were right."""

    centres: Float32
    """(k, d)"""
    moved: Float64
    """(k,)"""

    def others_moved(self) -> Float32:
        """(k,): the furthest that any other centre came."""
        if len(self.moved) == 1:
            return np.zeros(1, np.float32)
        furthest = int(self.moved.argmax())
        others = np.full(len(self.moved), self.moved[furthest])
        others[furthest] = np.delete(self.moved, furthest).max()
        return others.astype(np.float32)

    def half_way(self) -> Float32:
        """(k,): half the distance to the nearest other centre."""
        if len(self.centres) == 1:
            return np.full(1, np.inf, np.float32)
        wide = self.centres.astype(np.float64)
        wide -= wide.mean(axis=0)
        lengths = (wide * wide).sum(axis=1)
        squared = lengths[:, None] - 2 * wide @ wide.T + lengths
        np.fill_diagonal(squared, np.inf)
        return (0.5 * np.sqrt(squared.min(axis=1).clip(min=0))).astype(np.float32)


@dataclass(slots=True)
class Change:
    """What a pass changed in the clusters."""

    sums: Float64
    """(k, d): rows that came, less rows that left."""
    counts: npt.NDArray[np.int64]
    """(k,)"""
    rows: int = 0
    """Rows in another cluster than before."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The state of each row, changed in place; a thread only touches its own share."""

    labels: Labels
    """(n,); -1 before the first pass."""
    upper: Float32
    """(n,)"""
    lower: Float32
    """(n,)"""

    @classmethod
    def none(cls, rows: int) -> "Bounds":
        """Nothing known: every row is read in the first pass."""
        return cls(np.full(rows, -1, np.int32), np.full(rows, np.inf, np.float32), np.zeros(rows, np.float32))

    def loosen(self, block: slice, step: Step, others: Float32, half_way: Float32) -> npt.NDArray[np.int64]:
        """Move the bounds of a block with the centres; the rows of the block, from 0, whose bounds fail."""
        labels, upper, lower = self.labels[block], self.upper[block], self.lower[block]
        if labels[0] < 0:
            return np.arange(len(labels))
        upper += step.moved.astype(np.float32)[labels]
        lower -= others[labels]
        return np.flatnonzero(upper > np.maximum(lower, half_way[labels]))

    def tighten(self, there: Spread, block: slice, failed: npt.NDArray[np.int64], step: Step, change: Change) -> None:
        """Compute the distances of the rows that failed, and note which of them are in another cluster."""
        whole = len(failed) > _MOST * (block.stop - block.start)
        which = block if whole else failed + block.start
        rows = there.rows.take(which)
        scores, squares = there.scores(rows, step.centres), there.squares[which]
        every = np.arange(len(scores))
        labels = scores.argmin(axis=1).astype(np.int32)
        nearest = scores[every, labels] + squares
        scores[every, labels] = np.inf
        self.upper[which] = np.sqrt(nearest.clip(min=0))
        self.lower[which] = np.sqrt((scores.min(axis=1) + squares).clip(min=0))
        before = self.labels[which]
        changed = np.flatnonzero(labels != before)
        if len(changed):
            add_rows(change, rows if len(changed) == len(rows) else rows[changed], before[changed], labels[changed])
            self.labels[which] = labels


def add_rows(change: Change, rows: Float32, before: Labels, after: Labels) -> None:
    """Take rows, (m, d), out of one cluster each (-1: out of none) and put them into another."""
    from scipy.sparse import csr_array

    k, count = len(change.sums), len(rows)
    left = before >= 0
    if left.any():
        to = np.concatenate([after, before[left]])
        signs = np.concatenate([np.ones(count, np.float32), np.full(int(left.sum()), -1, np.float32)])
        which = np.concatenate([np.arange(count), np.flatnonzero(left)])
        signed = csr_array((signs, (to, which)), shape=(k, count))
        change.counts -= np.bincount(before[left], minlength=k)
    else:
        starts = np.arange(count + 1, dtype=np.int32)
        signed = csr_array((np.ones(count, np.float32), after, starts), shape=(count, k)).T
    change.sums += signed @ rows
    change.counts += np.bincount(after, minlength=k)
    change.rows += count
