"""Bounds: which rows may have changed their cluster, without computing a distance.

A row keeps an upper bound on the distance to its own centre (Hamerly, "Making k-means even faster", SDM 2010), and for
each of a few groups of centres a lower bound on the distance to all others in it (Ding et al., "Yinyang k-means", ICML
2015). When the centres move, the bounds move by as much; while the upper is below all the lower ones, or below half the
distance from its centre to the nearest other, the row stays where it is. Only rows whose bounds fail are read again,
and their distances computed by one matrix product a block.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from boda.clusters.partition import Labels
from boda.clusters.rows import Float32, Spread

GROUPS = 16
"""Lower bounds a row: as many numbers as a row of a width of 16."""
_MANY = 32
"""Clusters from which on the distance to one centre is looked at before those to all."""
_TOGETHER = 2048
"""Rows summed in float32 before float64 takes over."""
_MOST = 0.6  # of a block's rows fail: reading all of them in their order costs no more than picking these


@dataclass(frozen=True)
class Step:
    """Where the centres are now, and how far each came since the bounds were right."""

    centres: Float32
    """(k, d); those in a group stand side by side."""
    moved: Float32
    """(k,)"""
    half_way: Float32 = field(init=False)
    """(k,): half the distance to the nearest other centre."""

    def __post_init__(self) -> None:
        wide = self.centres.astype(np.float64)
        wide -= wide.mean(axis=0)
        lengths = (wide * wide).sum(axis=1)
        squared = lengths[:, None] - 2 * wide @ wide.T + lengths
        np.fill_diagonal(squared, np.inf)
        object.__setattr__(self, "half_way", 0.5 * np.sqrt(squared.min(axis=1).clip(min=0)).astype(np.float32))


def group_starts(k: int) -> npt.NDArray[np.int64]:
    """(g,) the first centre of each group."""
    return np.arange(0, k, -(-k // GROUPS))


class Change:
    """What a pass changes in the clusters: rows that left one and came to another."""

    def __init__(self, k: int, width: int) -> None:
        self.sums = np.zeros((k, width))
        """(k, d): rows that came, less rows that left; whole once the pass has flushed it."""
        self.counts = np.zeros(k, np.int64)
        """(k,)"""
        self.rows = 0
        """Rows in another cluster than before."""
        self._waiting: list[tuple[Float32, Labels, Labels]] = []
        self._waiting_rows = 0

    def move(self, rows: Float32, before: Labels, after: Labels) -> None:
        """Take rows, (m, d), out of one cluster each (-1: out of none) and put them into another."""
        self._waiting.append((rows, before, after))
        self._waiting_rows += len(rows)
        self.rows += len(rows)
        if self._waiting_rows >= _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Add up what is waiting: one sparse product for the few rows of many blocks."""
        from scipy.sparse import csr_array

        if not self._waiting:
            return
        parts = zip(*self._waiting, strict=True)
        rows, before, after = (one[0] if len(self._waiting) == 1 else np.concatenate(one) for one in parts)
        k, count = len(self.sums), len(rows)
        left = before >= 0
        if left.any():
            to = np.concatenate([after, before[left]])
            which = np.concatenate([np.arange(count), np.flatnonzero(left)])
            signs = np.repeat(np.array([1, -1], np.float32), [count, len(to) - count])
            signed = csr_array((signs, (to, which)), shape=(k, count))
            self.counts -= np.bincount(before[left], minlength=k)
        else:
            starts = np.arange(count + 1, dtype=np.int32)
            signed = csr_array((np.ones(count, np.float32), after, starts), shape=(count, k)).T
        self.sums += signed @ rows
        self.counts += np.bincount(after, minlength=k)
        self._waiting, self._waiting_rows = [], 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The state of each row, changed in place; a thread only touches its own share."""

    labels: Labels
    """(n,); -1 before the first pass."""
    upper: Float32
    """(n,)"""
    lower: Float32
    """(g, n)"""
    starts: npt.NDArray[np.int64]
    """(g,)"""

    @classmethod
    def none(cls, rows: int, k: int) -> "Bounds":
        """Nothing known: every row is read in the first pass."""
        starts = group_starts(k)
        lower = np.zeros((len(starts), rows), np.float32)
        return cls(np.full(rows, -1, np.int32), np.full(rows, np.inf, np.float32), lower, starts)

    def loosen(self, block: slice, step: Step) -> npt.NDArray[np.int64]:
        """Move the bounds of a block with the centres; the rows of the block, from 0, whose bounds fail."""
        labels, upper, lower = self.labels[block], self.upper[block], self.lower[:, block]
        if labels[0] < 0:
            return np.arange(len(labels))
        upper += step.moved[labels]
        lower -= np.maximum.reduceat(step.moved, self.starts)[:, None]
        return np.flatnonzero(upper > np.maximum(lower.min(axis=0), step.half_way[labels]))

    def tighten(self, there: Spread, block: slice, failed: npt.NDArray[np.int64], step: Step, change: Change) -> None:
        """Compute the distances of the rows that failed, and note which of them are in another cluster."""
        whole = len(failed) > _MOST * (block.stop - block.start)
        which: slice | npt.NDArray[np.int64] = block
        if not whole:
            which = failed + block.start
        rows = there.rows.take(which)
        if not isinstance(which, slice) and len(step.centres) >= _MANY:
            still = self._own(rows, which, step)
            rows, which = rows[still], which[still]
        scores, squares = there.scores(rows, step.centres), there.squares[which]
        every = np.arange(len(scores))
        labels = scores.argmin(axis=1).astype(np.int32)
        nearest = scores[every, labels] + squares
        scores[every, labels] = np.inf
        others = np.minimum.reduceat(scores, self.starts, axis=1)
        others += squares[:, None]
        self.upper[which] = np.sqrt(nearest.clip(min=0))
        self.lower[:, which] = np.sqrt(np.maximum(others, 0, out=others), out=others).T
        before = self.labels[which]
        changed = np.flatnonzero(labels != before)
        if len(changed):
            change.move(rows if len(changed) == len(rows) else rows[changed], before[changed], labels[changed])
            self.labels[which] = labels

    def _own(self, rows: Float32, which: npt.NDArray[np.int64], step: Step) -> npt.NDArray[np.int64]:
        """Compute the distances to the own centres alone; the rows, from 0, whose bounds still fail."""
        labels = self.labels[which]
        away = rows - step.centres[labels]
        upper = self.upper[which] = np.sqrt(np.einsum("ij,ij->i", away, away))
        return np.flatnonzero(upper > np.maximum(self.lower[:, which].min(axis=0), step.half_way[labels]))
