"""Silhouette: how much nearer rows are to their own cluster than to the next one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from boda.arrays import StoredFeatures
from boda.clusters.agreement import Labels
from boda.clusters.space import Floats, Space
from boda.evaluation.bootstrap import Interval, intervals
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import mean_of

SAMPLE = 2_000
"""Rows drawn; all pairs of them are compared."""


@dataclass(frozen=True, eq=False)
class Silhouette:
    """The mean over a sample of rows, -1 to 1, with its interval; of all, and of each cluster."""

    mean: Interval | None
    """None where it is not defined: fewer than two clusters, or no cluster with two rows."""
    clusters: tuple[Interval | None, ...]
    """(k,) None where no row was drawn."""
    rows: int
    """Drawn, of those in a cluster."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; what is not defined is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def silhouette(
    features: StoredFeatures,
    labels: Labels,
    *,
    k: int,
    rng: np.random.Generator,
    space: Space | None = None,
    sample: int = SAMPLE,
    rounds: int = 500,
    level: float = 0.9,
) -> Silhouette:
    """The silhouette of a sample of rows, whose distances are to one another.

    s = (b - a) / max(a, b), with a the mean distance of a row to the others of its cluster, b the smallest mean
    distance to another cluster; 0 for a row that is alone. Rows in no cluster are left out. It compares clusterings
    of one data set in one space; on its own it says little, since anything cut in two has a positive one.

    Args:
        features: (n, d), finite.
        labels: (n,) the cluster of each row.
        k: how many clusters.
        rng: of the sample and the bootstrap.
        space: where distances are Euclidean; None: rows as they are.
        sample: rows drawn, without replacement.
        rounds: of the bootstrap.
        level: share of intervals that should hold the value of all rows.

    Source: Rousseeuw, Journal of Computational and Applied Mathematics 20, 1987.
    """
    inside = np.flatnonzero(labels >= 0)
    rows = np.sort(rng.choice(inside, min(sample, len(inside)), replace=False))
    drawn = labels[rows]
    if not 2 <= len(np.unique(drawn)) < len(rows):
        return Silhouette(None, (None,) * k, len(rows))
    from sklearn.metrics import silhouette_samples

    points = (space or Space()).of(np.asarray(features[rows], np.float32))
    each = silhouette_samples(points.astype(np.float64), drawn)
    return Silhouette(
        _interval(each, rng, rounds, level),
        tuple(_interval(each[drawn == cluster], rng, rounds, level) for cluster in range(k)),
        len(rows),
    )


def _interval(values: Floats, rng: np.random.Generator, rounds: int, level: float) -> Interval | None:
    if not len(values):
        return None
    return intervals({"mean": mean_of(values)}, len(values), rng=rng, rounds=rounds, level=level)["mean"]
