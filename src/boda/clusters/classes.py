"""Classes: how clusters relate to labels that they were not told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.clusters.agreement import Labels, adjusted_rand, matched_accuracy, mutual_information
from boda.clusters.space import Floats
from boda.errors import Refused
from boda.evaluation.bootstrap import Groups, Interval, draws, interval_around
from boda.evaluation.plain import as_plain
from boda.evaluation.proportion import share_of
from boda.evaluation.weighted import Statistic, Weights

Counts: TypeAlias = npt.NDArray[np.int64]

DESCRIBED = ("count", "mean", "std", "min", "25%", "50%", "75%", "max")
"""Columns of a description."""
_ALL_RIGHT = 1 - 1e-9


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Rows of each class in each cluster."""

    classes: tuple[str, ...]
    counts: Counts
    """(c, k)"""
    unclustered: Counts
    """(c,) rows in no cluster."""
    unlabelled: int
    """Rows whose class is not known; they are in no cell."""

    @property
    def shares(self) -> Floats:
        """(c, k) how the clustered rows of each class are spread over the clusters; 0 for a class without any."""
        totals = self.counts.sum(axis=1, keepdims=True)
        shares: Floats = np.divide(self.counts, totals, out=np.zeros(self.counts.shape), where=totals > 0)
        return shares

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def class_table(labels: Labels, truth: Labels, classes: Sequence[str], *, k: int) -> ClassTable:
    """Count the rows of each class in each cluster.

    Args:
        labels: (n,) the cluster of each row, -1 for none.
        truth: (n,) the class of each row, -1 where it is not known.
        classes: (c,) names.
        k: how many clusters.

    Raises:
        Refused: labels and classes are not of the same rows, or a number is beyond c or k.
    """
    _check(labels, truth, len(classes), k)
    known = truth >= 0
    cells = truth[known].astype(np.int64) * (k + 1) + labels[known] + 1
    counts = np.bincount(cells, minlength=len(classes) * (k + 1)).reshape(len(classes), k + 1)
    return ClassTable(tuple(classes), counts[:, 1:], counts[:, 0], int((~known).sum()))


def rows_in(labels: Labels, truth: Labels, *, cluster: int | None = None, one: int | None = None) -> Counts:
    """The rows of a cell of the table: of one class, of one cluster, or of both; -1 is no cluster, or no class."""
    inside = np.ones(len(labels), bool) if cluster is None else labels == cluster
    return np.flatnonzero(inside if one is None else inside & (truth == one))


def _check(labels: Labels, truth: Labels, classes: int, k: int) -> None:
    if labels.shape != truth.shape or labels.ndim != 1:
        raise Refused(f"clusters of shape {labels.shape} and classes of shape {truth.shape} are not of the same rows")
    if labels.max(initial=-1) >= k or truth.max(initial=-1) >= classes:
        raise Refused(f"a row is beyond the {k} clusters or the {classes} classes there are")


def agreement_with_classes(
    labels: Labels,
    truth: Labels,
    *,
    k: int,
    classes: int,
    rng: np.random.Generator,
    groups: Groups | None = None,
    rounds: int = 500,
) -> dict[str, Interval]:
    """How far clusters are the classes: `accuracy` (matched one to one), `nmi` and `ari`, with bootstrap intervals.

    Of the rows whose class is known. Rows in no cluster are a group of their own to NMI and ARI, and wrong to the
    accuracy. The intervals say what other rows of the same clustering would give, not another clustering.

    Args:
        labels: (n,) the cluster of each row, -1 for none.
        truth: (n,) the class of each row, -1 where it is not known.
        k: how many clusters.
        classes: how many classes.
        rng: of the bootstrap.
        groups: (n,) of rows that say nearly the same; whole groups are drawn.
        rounds: of the bootstrap.

    Raises:
        Refused: labels and classes are not of the same rows, or no class is known.
    """
    _check(labels, truth, classes, k)
    known = truth >= 0
    if not known.any():
        raise Refused("no row has a class to compare clusters with")
    cells = truth[known].astype(np.int64) * (k + 1) + labels[known] + 1

    def table(weights: Weights) -> Floats:
        counts: Floats = np.bincount(cells, weights=weights, minlength=classes * (k + 1)).astype(np.float64)
        return counts.reshape(classes, k + 1)

    def accuracy(weights: Weights) -> float:
        counts = table(weights)
        return (
            matched_accuracy(counts[:, 1:]) * float(counts[:, 1:].sum() / counts.sum()) if counts[:, 1:].any() else 0.0
        )

    statistics: dict[str, Statistic] = {
        "accuracy": accuracy,
        "nmi": lambda weights: mutual_information(table(weights)),
        "ari": lambda weights: adjusted_rand(table(weights)),
    }
    kept, rows = None if groups is None else groups[known], int(known.sum())
    drawn = draws(statistics, rows, groups=kept, rng=rng, rounds=rounds)
    units = rows if kept is None else len(np.unique(kept))
    once = np.ones(rows)
    found = {name: interval_around(of(once), drawn[name], units=units) for name, of in statistics.items()}
    return {name: _possible(one, units, least=-1.0 if name == "ari" else 0.0) for name, one in found.items()}


def _possible(interval: Interval, units: int, *, least: float) -> Interval:
    """Without values that the figure cannot have; and where all is right in every round, with Wilson's lower end."""
    low, high = max(interval.low, least), min(interval.high, 1.0)
    if low > _ALL_RIGHT:
        low = share_of(np.ones(units, bool), level=interval.level).low
    return replace(interval, low=low, high=high)


def describe(labels: Labels, truth: Labels, *, classes: int) -> Floats:
    """(c, 8) of each class the `DESCRIBED` of the cluster *numbers* of its rows, as `groupby.describe` of pandas.

    The deviation is that of a sample (n - 1), NaN for one row; quartiles are interpolated. Rows in no cluster are left
    out. What it says depends on how clusters happen to be numbered: see `grouping`.
    """
    found = np.full((classes, len(DESCRIBED)), np.nan)
    for one in range(classes):
        numbers = labels[(truth == one) & (labels >= 0)].astype(np.float64)
        found[one, 0] = len(numbers)
        if len(numbers):
            deviation = numbers.std(ddof=1) if len(numbers) > 1 else np.nan
            found[one, 1:] = numbers.mean(), deviation, *np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1])
    return found
