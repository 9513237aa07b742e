"""Lloyd's algorithm from several starts at once: rows to the nearest centre, centres to where their rows are.

Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2), 1982; with the bounds of
`bounds.py`. Every block of rows that has to be read is read for all solutions, one after the other.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from boda.clusters.bounds import Bounds, Change, Step
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


def in_groups(centres: Float32) -> npt.NDArray[np.int64]:
    """An order of the centres, (k,), in which near ones stand side by side.

    Halved again and again, across the way from their mean to the farthest.
    """
    order, parts = [], [np.arange(len(centres))]
    while parts:
        part = parts.pop()
        away = centres[part] - centres[part].mean(axis=0)
        if len(part) > 2:
            with np.errstate(all="ignore"):  # OpenBLAS raises flags for finite numbers too (numpy issue 28967)
                along = away @ away[(away * away).sum(axis=1).argmax()]
            part = part[np.argsort(along, kind="stable")]
            parts += [part[len(part) // 2 :], part[: len(part) // 2]]
        else:
            order.append(part)
    return np.concatenate(order)


class Solution:
    """One partition on its way to a local optimum; `pass_over` reads rows, `settle` then moves the centres."""

    def __init__(self, there: Spread, centres: Float32, placing: Placing) -> None:
        self.there, self.placing = there, placing
        self.step = Step(centres[in_groups(centres)], np.zeros(len(centres), np.float32))
        self.bounds = Bounds.none(len(there.rows), len(centres))
        self.sums: Float64 = np.zeros((len(centres), centres.shape[1]))
        self.counts = np.zeros(len(centres), np.int64)
        self.inertia = np.inf
        self.passes = 0
        self.fall = np.inf
        """The share by which the last pass lowered the inertia; 0 at the local optimum."""

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
        return Change(len(self.sums), self.sums.shape[1])

    def settle(self, changes: Sequence[Change]) -> None:
        """Move the centres to where their rows are now."""
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
        ended = not changed or self.inertia >= before or self.passes == PASSES
        self.fall = 0.0 if ended else before / self.inertia - 1 if self.inertia else np.inf
        moved = exact - self.step.centres
        self.step = Step(exact.astype(np.float32), np.sqrt((moved * moved).sum(axis=1)).astype(np.float32))

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
        change.move(self.there.rows.take(row), bounds.labels[row], np.array([cluster], np.int32))
        change.flush()
        bounds.labels[row], bounds.upper[row], bounds.lower[:, row] = cluster, 0, 0
        self.sums += change.sums
        self.counts += change.counts


def improve(solutions: Sequence[Solution], there: Spread, team: Team, *, tolerance: float) -> None:
    """Pass over the rows until no row changes its cluster, or a pass lowers the inertia by no more than a share.

    Args:
        solutions: changed in place; they go on from where they are.
        there: (n, d) rows.
        team: threads, each with a share of them.
        tolerance: the share; 0 goes on to the local optimum.
    """
    while going := [solution for solution in solutions if solution.fall > tolerance]:

        def pass_over(share: slice, going: list[Solution] = going) -> list[Change]:
            changes = [solution.nothing() for solution in going]
            for block in there.rows.blocks(share):
                for solution, change in zip(going, changes, strict=True):
                    failed = solution.bounds.loosen(block, solution.step)
                    if len(failed):
                        solution.bounds.tighten(there, block, failed, solution.step, change)
            for change in changes:
                change.flush()
            return changes

        by_share = list(team.each(pass_over, team.shares))
        for place, solution in enumerate(going):
            solution.settle([changes[place] for changes in by_share])
