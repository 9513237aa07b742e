"""k-means: many restarts on a sample, the best of them on all rows, the last pass exact.

Small data are not sampled: every restart goes to its local optimum on all rows. Of large data a sample tells good
restarts from bad ones, at a fraction of the cost; the best few that differ are improved on all rows.
"""

from dataclasses import dataclass

import numpy as np

from boda.arrays import StoredFeatures
from boda.clusters.assigning import assign, nearest_centres
from boda.clusters.bounds import Change, add_rows
from boda.clusters.lloyd import Placing, Solution, improve, means
from boda.clusters.partition import Labels, Partition
from boda.clusters.rows import Float32, Float64, Rows, Spread, refuse_not_finite, spread
from boda.clusters.seeding import seeds
from boda.clusters.team import Team, team
from boda.errors import Refused

__all__ = ["kmeans", "nearest_centres"]

SAMPLE, SAMPLE_PER_CLUSTER = 6_000, 120
"""Rows of the sample: so many at least, and so many a cluster. Data of less than twice that are not sampled."""
DRAWS = 2
"""Restarts on the sample for each that is asked for."""
KEPT = 4
"""Different solutions of the sample that are improved on all rows."""
SAMPLE_TOLERANCE, TOLERANCE = 1e-4, 1e-5
"""Improving ends when a pass lowers the inertia by a smaller share; without a sample at the local optimum."""
_SAME = 0.005  # mean squared way between the centres of two solutions, as a share of the mean squared distance of rows
_LAST_PASSES = 100


def kmeans(features: StoredFeatures, k: int, *, restarts: int = 10, rng: np.random.Generator) -> Partition:
    """k clusters whose rows lie as near to their mean as can be found: the smallest sum of squared distances.

    Args:
        features: (n, d), finite; float16 or float32. A memory map is read block by block, never as a whole.
        k: how many clusters; at most as many as there are different rows. None stays empty.
        restarts: how many starts to choose from, >= 1, each by k-means++; on large data twice as many on a sample.
        rng: decides the sample and the starts.

    Returns:
        Partition: `labels` are exactly the nearest of its `centres`, `inertia` is summed in float64 over all rows.

    Raises:
        Refused: k < 1, restarts < 1, there are fewer than k different rows, or a value is NaN or infinite.

    Source: Lloyd 1982; Arthur and Vassilvitskii 2007 (seeding); Hamerly 2010 (bounds).

    >>> rows = np.array([[0.0], [1.0], [9.0], [10.0], [11.0]], np.float32)
    >>> found = kmeans(rows, 2, rng=np.random.default_rng(0))
    >>> sorted(found.centres.ravel().tolist()), found.inertia
    ([0.5, 10.0], 2.5)
    """
    return partition(Rows(features), k, restarts=restarts, rng=rng, placing=means)


def partition(rows: Rows, k: int, *, restarts: int, rng: np.random.Generator, placing: Placing) -> Partition:
    """`kmeans` of any rows, with any rule for where the centre of a cluster is."""
    _check(rows, k, restarts)
    size = max(SAMPLE, SAMPLE_PER_CLUSTER * k)
    sampled = 2 * size < len(rows)
    draws = restarts * DRAWS if sampled else restarts
    with team(len(rows), tasks=draws, size=KEPT * k * rows.width * 8) as threads:
        some = np.sort(rng.choice(len(rows), min(size, len(rows)), replace=False))
        there = spread(rows, threads, _middle(rows, some))
        few = there.sample(some) if sampled else there
        drawn = _draw(few, k, draws, rng, placing, threads, SAMPLE_TOLERANCE if sampled else 0.0)
        if sampled:
            drawn = [Solution(there, one.centres, placing) for one in _different(drawn)]
            del few
            improve(drawn, there, threads, tolerance=TOLERANCE)
        best = min(drawn, key=lambda one: one.inertia)
        return _finish(best, there, threads)


def _check(rows: Rows, k: int, restarts: int) -> None:
    if rows.features.ndim != 2 or not rows.width:
        raise Refused(f"features have the shape {rows.features.shape}: k-means takes rows of numbers, (n, d)")
    if k < 1:
        raise Refused(f"k is {k}: ask for at least 1 cluster")
    if restarts < 1:
        raise Refused(f"restarts is {restarts}: at least 1 start is needed")
    different: set[bytes] = set()
    for block in rows.blocks(slice(0, len(rows))):
        different.update(row.tobytes() for row in rows.take(block) + np.float32(0))  # -0.0 is 0.0
        if len(different) >= k:
            return
    raise Refused(f"{k} clusters of {len(different)} different rows: ask for at most {len(different)}")


def _middle(rows: Rows, some: np.ndarray) -> Float32:
    """(d,) the mean of some rows, finite or refused."""
    middle = rows.take(some).mean(axis=0, dtype=np.float64).astype(np.float32)
    if not np.isfinite(middle).all():
        refuse_not_finite(rows, np.arange(len(rows)))
    return middle


def _draw(
    few: Spread, k: int, draws: int, rng: np.random.Generator, placing: Placing, threads: Team, tolerance: float
) -> list[Solution]:
    """Solutions from independent starts, a thread each."""

    def draw(seed: int) -> Solution:
        found = Solution(few, seeds(few, k, np.random.default_rng(seed)), placing)
        improve([found], few, threads.alone(len(few.rows)), tolerance=tolerance)
        return found

    return list(threads.each(draw, rng.integers(2**63, size=draws).tolist()))


def _different(drawn: list[Solution]) -> list[Solution]:
    """The best few, of those that ended at the same place only the best."""
    kept: list[Solution] = []
    for one in sorted(drawn, key=lambda one: one.inertia):
        bar = _SAME * one.inertia / len(one.labels)
        if all(_apart(one.centres, other.centres) > bar for other in kept):
            kept.append(one)
        if len(kept) == KEPT:
            break
    return kept


def _apart(first: Float32, second: Float32) -> float:
    """Mean squared way from the centres of one solution to the nearest of the other."""
    return float(np.square(first[:, None] - second).sum(axis=2).min(axis=1).mean())


def _finish(solution: Solution, there: Spread, threads: Team) -> Partition:
    """Centres summed in float64 over the rows as they are labelled, then every row to the nearest, exactly."""
    labels, k = solution.labels, len(solution.centres)
    for _ in range(_LAST_PASSES):
        centres = solution.placing(*_sums(there.rows, labels, k, threads)).astype(np.float32)
        labels, squared = assign(there.rows, centres, threads)
        empty = np.flatnonzero(np.bincount(labels, minlength=k) == 0)
        if not len(empty):
            break
        _refill(labels, squared, empty)
    return Partition(labels, centres, float(squared.sum()), solution.passes)


def _sums(rows: Rows, labels: Labels, k: int, threads: Team) -> tuple[Float64, np.ndarray]:
    """Sums (k, d) and counts (k,) of the rows of each cluster, in float64."""

    def add(share: slice) -> Change:
        change = Change(np.zeros((k, rows.width)), np.zeros(k, np.int64))
        for block in rows.blocks(share):
            one = labels[block]
            add_rows(change, rows.take(block).astype(np.float64), np.full_like(one, -1), one)
        return change

    changes = list(threads.each(add, threads.shares))
    return sum(one.sums for one in changes), sum(one.counts for one in changes)


def _refill(labels: Labels, squared: Float64, empty: np.ndarray) -> None:
    """Give each empty cluster the row farthest from its centre whose cluster has others; in place."""
    counts = np.bincount(labels)
    farthest = iter(np.argsort(-squared, kind="stable"))
    for cluster in empty:
        row = next(row for row in farthest if counts[labels[row]] > 1)
        counts[labels[row]] -= 1
        labels[row] = cluster
