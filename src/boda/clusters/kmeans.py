"""k-means: many restarts on a sample, the best of them on all rows, the last pass exact.

Small data are not sampled: every restart goes to its local optimum on all rows. Of large data a sample tells good
restarts from bad ones, at a fraction of the cost; the best few that differ are improved on all rows.
"""

from dataclasses import dataclass

import numpy as np

from boda.arrays import StoredFeatures
from boda.clusters.assigning import assign, nearest_centres
from boda.clusters.bounds import Change
from boda.clusters.lloyd import Counts, Placing, Solution, improve, means
from boda.clusters.partition import Labels, Partition
from boda.clusters.rows import Float32, Float64, Rows, Spread, refuse_few_different, refuse_not_finite, spread
from boda.clusters.seeding import seeds
from boda.clusters.team import Team, alone, team
from boda.errors import Refused

__all__ = ["kmeans", "nearest_centres"]

SAMPLE, SAMPLE_PER_CLUSTER = 4_000, 80
"""Rows of the sample: so many, and so many a cluster. Data of less than twice that are not sampled."""
ROUNDS, FEW_CLUSTERS, AGAIN = 3, 40, 3
"""The restarts that are asked for are drawn up to three times over, the more the fewer clusters there are, until the
best solution has come three times (where a round is less than three, that often)."""
KEPT = (3, 1e-4), (1, 1e-5)
"""Different solutions of the sample that go on on all rows, and how far: until a pass lowers the inertia by a smaller
share. Small data go on to the local optimum."""
SAMPLE_TOLERANCE = 1e-4
_SAME = 0.005  # mean squared way between the centres of two solutions, as a share of the mean squared distance of rows
_LAST_PASSES = 20


@dataclass(frozen=True, slots=True)
class Starts:
    """How often is started, and what for."""

    k: int
    a_round: int
    rounds: int
    placing: Placing


def kmeans(features: StoredFeatures, k: int, *, restarts: int = 10, rng: np.random.Generator) -> Partition:
    """Find k clusters whose rows lie as near to their mean as can be found: the smallest sum of squared distances.

    Args:
        features: (n, d), finite; float16 or float32. A memory map is read block by block, never as a whole.
        k: how many clusters; at most as many as there are different rows. None stays empty.
        restarts: how many starts to choose from, >= 1, each by k-means++. Up to three times as many are
            drawn where clusters are few and the best solution does not come again.
        rng: decides the sample and the starts.

    Returns:
        Partition: `labels` are exactly the nearest of its `centres`, `inertia` is summed in float64 over all rows.

    Raises:
        Refused: k < 1, restarts < 1, there are fewer than k different rows, or a value is NaN or infinite.

    Source: Lloyd 1982; Arthur and Vassilvitskii 2007 (seeding); Hamerly 2010, Ding et al. 2015 (bounds).

    >>> rows = np.array([[0.0], [1.0], [9.0], [10.0], [11.0]], np.float32)
    >>> found = kmeans(rows, 2, rng=np.random.default_rng(0))
    >>> sorted(found.centres.ravel().tolist()), found.inertia
    ([0.5, 10.0], 2.5)
    """
    return partition(Rows(features), k, restarts=restarts, rng=rng, placing=means)


def partition(rows: Rows, k: int, *, restarts: int, rng: np.random.Generator, placing: Placing) -> Partition:
    """`kmeans` of any rows, with any rule for where the centre of a cluster is."""
    _check(rows, k, restarts)
    size = SAMPLE + SAMPLE_PER_CLUSTER * k
    sampled = 2 * size < len(rows)
    with team(len(rows), tasks=restarts, size=KEPT[0][0] * k * rows.width * 8) as threads:
        some = np.sort(rng.choice(len(rows), min(size, len(rows)), replace=False))
        there = spread(rows, threads, _middle(rows, some[:: -(-len(some) // SAMPLE)]))
        starts = Starts(k, restarts, max(1, min(ROUNDS, FEW_CLUSTERS // k)), placing)
        if sampled:
            drawn = _draw(there.sample(some), starts, threads, rng, SAMPLE_TOLERANCE)
            for kept, tolerance in KEPT:
                drawn = _different(drawn)[:kept]
                if drawn[0].there is not there:
                    drawn = [Solution(there, one.centres, placing) for one in drawn]
                improve(drawn, there, threads, tolerance=tolerance)
        else:
            drawn = _draw(there, starts, threads, rng, 0.0)
        return _finish(min(drawn, key=lambda one: one.inertia), there, threads)


def _check(rows: Rows, k: int, restarts: int) -> None:
    if rows.features.ndim != 2 or not rows.width:
        raise Refused(f"features have the shape {rows.features.shape}: k-means takes rows of numbers, (n, d)")
    if k < 1:
        raise Refused(f"k is {k}: ask for at least 1 cluster")
    if not len(rows):
        raise Refused("there are no rows to cluster")
    if restarts < 1:
        raise Refused(f"restarts is {restarts}: at least 1 start is needed")
    refuse_few_different(rows, k)


def _middle(rows: Rows, some: np.ndarray) -> Float32:
    """(d,) the mean of some rows, finite or refused."""
    middle: Float32 = rows.take(some).mean(axis=0, dtype=np.float64).astype(np.float32)
    if not np.isfinite(middle).all():
        refuse_not_finite(rows, np.arange(len(rows)))
    return middle


def _draw(few: Spread, starts: Starts, threads: Team, rng: np.random.Generator, tolerance: float) -> list[Solution]:
    """Solutions from independent starts, a thread each, best first."""

    def draw(seed: int) -> Solution:
        found = Solution(few, seeds(few, starts.k, np.random.default_rng(seed)), starts.placing)
        improve([found], few, alone(len(few.rows)), tolerance=tolerance)
        return found

    drawn: list[Solution] = []
    for _ in range(starts.rounds):
        drawn += threads.each(draw, rng.integers(2**63, size=starts.a_round).tolist())
        drawn.sort(key=lambda one: one.inertia)
        if sum(_same(drawn[0], one) for one in drawn) >= min(AGAIN, starts.a_round):
            break
    return drawn


def _different(drawn: list[Solution]) -> list[Solution]:
    """Best first, and of those that ended at the same place only the best."""
    kept: list[Solution] = []
    for one in sorted(drawn, key=lambda one: one.inertia):
        if not any(_same(one, other) for other in kept):
            kept.append(one)
    return kept


def _same(one: Solution, other: Solution) -> bool:
    """Whether the centres of one solution lie at those of another."""
    _, squared = assign(Rows(one.centres), other.centres, alone(len(one.centres)))
    return bool(squared.mean() <= _SAME * one.inertia / len(one.labels))


def _finish(solution: Solution, there: Spread, threads: Team) -> Partition:
    """Centres summed in float64 over the rows as they are labelled, then every row to the nearest, exactly."""
    labels, k = solution.labels, len(solution.centres)
    for _ in range(_LAST_PASSES):
        centres = solution.placing(*_sums(there.rows, labels, k, threads)).astype(np.float32)
        labels, squared = assign(there.rows, centres, threads)
        empty = np.flatnonzero(np.bincount(labels, minlength=k) == 0)
        if not len(empty):
            return Partition(labels, centres, float(squared.sum()), solution.passes)
        _refill(labels, squared, empty)
    raise Refused(f"some of {k} clusters stay empty, so little do the rows differ: ask for fewer")


def _sums(rows: Rows, labels: Labels, k: int, threads: Team) -> tuple[Float64, Counts]:
    """Sums (k, d) and counts (k,) of the rows of each cluster, in float64."""

    def add(share: slice) -> Change:
        change = Change(k, rows.width)
        for block in rows.blocks(share):
            one = labels[block]
            change.move(rows.take(block).astype(np.float64), np.full_like(one, -1), one)
            change.flush()
        return change

    changes = list(threads.each(add, threads.shares))
    sums, counts = np.zeros((k, rows.width)), np.zeros(k, np.int64)
    for change in changes:
        sums += change.sums
        counts += change.counts
    return sums, counts


def _refill(labels: Labels, squared: Float64, empty: np.ndarray) -> None:
    """Give each empty cluster the row farthest from its centre whose cluster has others; in place."""
    counts = np.bincount(labels)
    farthest = iter(np.argsort(-squared, kind="stable"))
    for cluster in empty:
        row = next(row for row in farthest if counts[labels[row]] > 1)
        counts[labels[row]] -= 1
        labels[row] = cluster
