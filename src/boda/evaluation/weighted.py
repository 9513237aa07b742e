"""Statistics as functions of how often each row counts.

A bootstrap round is a row of weights: 0 for rows that were not drawn, 2 for those drawn twice. What does not depend on
the weights (the order of the rows, each row's own error) is computed once, so that a round costs O(n) and no sorting.
With whole weights each statistic equals the plain one on rows repeated so often; with ones, the plain one.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Weights: TypeAlias = npt.NDArray[np.float64]
"""(n,) >= 0: how often each row counts."""
Statistic: TypeAlias = Callable[[Weights], float]
"""One number of the rows as often as they count; NaN where it is not defined."""

_CONSTANT = 1e-12  # variance below this share of the squared values is rounding
_ROUNDING = 1e-13  # values that differ by less than this share of their mean are equal, as in scipy.stats.pearsonr


def ratio(above: Any, below: Any) -> float:
    """NaN where `below` is 0."""
    return float(above / below) if below > 0 else float("nan")


def mean_of(values: Floats, importance: Floats | None = None) -> Statistic:
    """The mean of a number that each row has by itself; rows that are NaN, or of importance 0, are left out."""
    each = np.isfinite(values).astype(np.float64) if importance is None else importance
    total = np.where(each > 0, values, 0.0) * each
    return lambda weights: ratio(weights @ total, weights @ each)


def pearson_of(first: Floats, second: Floats) -> Statistic:
    """Correlation of two columns; NaN where one is constant."""
    one, two = centred(first), centred(second)
    return lambda weights: correlation(one, two, weights)


def centred(values: Floats) -> Floats:
    """(n,) less their mean; all 0 where they differ by rounding only."""
    if not len(values):
        return values
    mean = values.mean()
    off: Floats = values - mean
    return off if np.abs(off).max() > _ROUNDING * abs(mean) else np.zeros_like(off)


def correlation(first: Floats, second: Floats, weights: Weights) -> float:
    """Of two columns whose means are near 0, as often as each row counts; NaN where one is constant."""
    total = weights.sum()
    if total <= 0:
        return float("nan")
    a, b = first - weights @ first / total, second - weights @ second / total
    weighted = weights * a
    variances = weighted @ a, weights @ (b * b)
    squares = weights @ (first * first), weights @ (second * second)
    if any(variance <= _CONSTANT * square for variance, square in zip(variances, squares, strict=True)):
        return float("nan")
    return float(np.clip(weighted @ b / np.sqrt(variances[0] * variances[1]), -1.0, 1.0))


class Ranks:
    """Ranks of rows that count more or less often; equal values share the mean of their ranks."""

    def __init__(self, values: Floats) -> None:
        self.order: npt.NDArray[np.intp] = np.argsort(values, kind="stable")
        ordered = values[self.order]
        first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(values) else np.zeros(0, bool)
        self.starts: npt.NDArray[np.intp] = np.flatnonzero(first)
        self.place: npt.NDArray[np.intp] = np.empty(len(values), np.intp)
        self.place[self.order] = np.cumsum(first) - 1
        self.tied = len(self.starts) < len(values)

    def sums(self, values: Floats) -> Floats:
        """(u,) sums over the rows of each distinct value, lowest first."""
        ordered = values[self.order]
        return np.add.reduceat(ordered, self.starts) if self.tied and len(ordered) else ordered

    def ranks(self, weights: Weights) -> Floats:
        """(n,) mean ranks, less the mean of all."""
        counts = self.sums(weights)
        ranks: Floats = (np.cumsum(counts) - counts / 2)[self.place]
        return ranks


def spearman_of(first: Floats, second: Floats) -> Statistic:
    """Correlation of ranks; NaN where one column is constant."""
    one, two = Ranks(first), Ranks(second)

    return lambda weights: correlation(one.ranks(weights), two.ranks(weights), weights)


def auc_of(scores: Floats, positive: npt.NDArray[np.bool_]) -> Statistic:
    """How often a positive row scores above a negative one, ties as halves; NaN where one side is empty."""
    ranks, is_positive = Ranks(scores), positive.astype(np.float64)

    def statistic(weights: Weights) -> float:
        above, all_of_them = ranks.sums(weights * is_positive), ranks.sums(weights)
        below = all_of_them - above
        pairs = above @ (np.cumsum(below) - below / 2)
        return ratio(pairs, above.sum() * below.sum())

    return statistic


def average_precision_of(scores: Floats, positive: npt.NDArray[np.bool_]) -> Statistic:
    """The sum of precision times the step in recall, from the highest score down; NaN without positives."""
    ranks, is_positive = Ranks(-scores), positive.astype(np.float64)

    def statistic(weights: Weights) -> float:
        found, looked_at = ranks.sums(weights * is_positive), np.cumsum(ranks.sums(weights))
        precision = np.divide(np.cumsum(found), looked_at, out=np.zeros_like(found), where=looked_at > 0)
        return ratio(precision @ found, found.sum())

    return statistic


def mean_of_defined(values: Any) -> float:
    """The mean of those that are not NaN; NaN where none is."""
    numbers = np.asarray(values, dtype=np.float64)
    defined = numbers[~np.isnan(numbers)]
    return float(defined.mean()) if len(defined) else float("nan")
