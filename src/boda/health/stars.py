"""Groups that do not chain: every member is near the group's middle, not only near somebody who is."""

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Star:
    """A row and those near it."""

    middle: int
    members: tuple[int, ...]
    """Without the middle, in order; at least one."""


def stars(n: int, pairs: Rows) -> list[Star]:
    """Groups of near rows: again and again the row with the most near rows that are still free, and all of these.

    With single linkage A and C are together because both are near B, and so on without end. Here C is left over where
    it is not near the middle. Of rows with equally many near rows the first is taken.

    Args:
        n: how many rows.
        pairs: (p, 2) rows that are near each other, each pair once, in any order.

    Returns:
        Groups in the order of their middles; a row is in one at most.

    >>> stars(5, np.array([[0, 1], [1, 2], [2, 3]]))
    [Star(middle=1, members=(0, 2))]
    """
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    ends = np.searchsorted(both[:, 0], np.arange(n + 1))
    free = np.ones(n, bool)
    queue = [(-int(ends[row + 1] - ends[row]), int(row)) for row in np.unique(both[:, 0])]
    heapq.heapify(queue)
    found = []
    while queue:
        promised, row = heapq.heappop(queue)
        if not free[row]:
            continue
        near = both[ends[row] : ends[row + 1], 1]
        near = near[free[near]]
        if len(near) < -promised:  # others were taken meanwhile: its turn comes later, or never
            if len(near):
                heapq.heappush(queue, (-len(near), row))
            continue
        free[near], free[row] = False, False
        found.append(Star(row, tuple(np.sort(near).tolist())))
    return sorted(found, key=lambda star: star.middle)
