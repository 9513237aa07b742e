"""Lloyd's algorithm from several starts at once: rows to the nearest centre, centres to where their rows are.

Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2), 1982; with the bounds of
`bounds.py`. Every block of rows that has to be read is read for all solutions, one after the other.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from boda.clusters.bounds import Bounds, Change, Step, add_rows
from boda.clusters.partition import Labels
from boda.clusters.rows import Float32, Float64, Spread
from boda.clusters.team import Team

Counts: TypeAlias = npt.NDArray[np.int64]
Placing: TypeAlias = Callable[[Float64, Counts], Float64]
"""Sums of the rows of each cluster, (k, d), and their counts, (k,), to centres, (k, d)."""

PASSES = 300


def means(sums: Float64, counts: Counts) -> Float64:
    """The centre of a cluster is the mean of its rows."""
    return sums / counts[:, None]


class Solution:
    """One partition on its way to a local optimum; `pass_over` reads rows, `settle` then moves the centres."""

    def __init__(self, there: Spread, centres: Float32, placing: Placing) -> None:
        self.there, self.placing = there, placing
        self.step = Step(centres, np.zeros(len(centres)))
        self.bounds = Bounds.none(len(there.rows))
        self.sums = np.zeros(centres.shape)
        self.counts = np.zeros(len(centres), np.int64)
        self.inertia = np.inf
        self.passes = 0
        self.done = False

    @property
    def centres(self) -> Float32:
        """(k, d)."""
        return self.step.centres

    @property
    def labels(self) -> Labels:
        """(n,)."""
        return self.bounds.labels

    def nothing(self) -> Change:
        """A change to be filled by a pass."""
        return Change(np.zeros_like(self.sums), np.zeros_like(self.counts))

    def settle(self, changes: Sequence[Change], tolerance: float) -> None:
        """Move the centres, and see whether that is the end."""
        changed = 0
        for change in changes:
            self.sums += change.sums
            self.counts += change.counts
            changed += change.rows
        while not self.counts.all():
            self._refill(int(self.counts.argmin()))
        exact = self.placing(self.sums, self.counts)
        before, self.inertia = self.inertia, self._inertia(exact)
        self.passes += 1
        self.done = not changed or before - self.inertia <= tolerance * self.inertia or self.passes == PASSES
        moved = exact - self.step.centres
        self.step = Step(exact.astype(np.float32), np.sqrt((moved * moved).sum(axis=1)))

    def _inertia(self, centres: Float64) -> float:
        """Sum of squared distances, from what is known of the clusters alone."""
        shifted, sums = centres - self.there.middle, self.sums - self.counts[:, None] * self.there.middle
        within = self.counts @ (shifted * shifted).sum(axis=1) - 2 * (shifted * sums).sum()
        return max(0.0, float(self.there.total + within))

    def _refill(self, cluster: int) -> None:
        """Give an empty cluster the row that is farthest from its centre, the first of equals."""
        bounds = self.bounds
        upper = np.where(self.counts[bounds.labels] > 1, bounds.upper, -1)
        row = np.array([int(upper.argmax())])
        change = self.nothing()
        add_rows(change, self.there.rows.take(row), bounds.labels[row], np.array([cluster], np.int32))
        bounds.labels[row], bounds.upper[row], bounds.lower[row] = cluster, 0, 0
        self.sums += change.sums
        self.counts += change.counts


def improve(solutions: Sequence[Solution], there: Spread, team: Team, *, tolerance: float) -> None:
    """Pass over the rows until no row changes its cluster, or a pass lowers the inertia by no more than a share.

    Args:
        solutions: changed in place, each until it is done.
        there: (n, d) rows.
        team: threads, each with a share of them.
        tolerance: the share; 0 goes on to the local optimum.
    """
    while going := [solution for solution in solutions if not solution.done]:

        def pass_over(share: slice, going: list[Solution] = going) -> list[Change]:
            changes = [solution.nothing() for solution in going]
            ways = [(one.step.others_moved(), one.step.half_way()) for one in going]
            for block in there.rows.blocks(share):
                for solution, change, (others, half_way) in zip(going, changes, ways, strict=True):
                    failed = solution.bounds.loosen(block, solution.step, others, half_way)
                    if len(failed):
                        solution.bounds.tighten(there, block, failed, solution.step, change)
            return changes

        by_share = list(team.each(pass_over, team.shares))
        for place, solution in enumerate(going):
            solution.settle([changes[place] for changes in by_share], tolerance)
