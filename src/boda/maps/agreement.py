"""What chance did to a map: how far the neighbours of each point differ between maps from other random starts.

Neighbours are compared, and not places: another start turns, mirrors and rearranges the groups, which a map of this
kind does not mean to show, and would make every point look lost (so Procrustes distances do). What it does mean to show
is who lies beside whom. Starts are random and independent: from a start that they share, such as principal components,
maps take the same layout, and agree for that reason.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.maps.graph import Rows, nearest_others

_Floats = npt.NDArray[np.float64]


def disagreement(maps: Sequence[npt.NDArray[np.floating[Any]]], k: int) -> _Floats:
    """How far the k nearest on the map differ, per point: 0 where all maps have the same, 1 where no two share one.

    One less the Jaccard index of the two sets, and of that the mean over all pairs of maps.

    Args:
        maps: two or more, (n, 2) or (n, 3) each.
        k: below n.

    Returns:
        (n,) float64.
    """
    near = [nearest_others(np.asarray(places, np.float32), k).rows for places in maps]
    differing = [1 - _jaccard(first, second) for first, second in combinations(near, 2)]
    mean: _Floats = np.mean(differing, axis=0)
    return mean


def by_chance(n: int, k: int) -> float:
    """The disagreement to be expected of maps that have nothing in common: about this, for k small beside n.

    >>> round(by_chance(1000, 15), 3)
    0.992
    """
    shared = k * k / (n - 1)
    return 1 - shared / (2 * k - shared)


def _jaccard(first: Rows, second: Rows) -> _Floats:
    """(n,): shared neighbours of those that at least one has."""
    k = first.shape[1]
    both = np.sort(np.concatenate([first, second], axis=1), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
    return np.asarray(shared / (2 * k - shared), np.float64)
