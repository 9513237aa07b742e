"""Permutation importance: how much worse a metric gets when an input no longer belongs to its row.

Rows that a model had not seen get the block of another held-out row of the same fold, and everything else stays. All
columns of a block move together, so that an image is one block and so is a category. Inputs that say the same can
stand in for each other: both then seem unimportant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.evaluation.bootstrap import Difference, Groups, paired_difference
from boda.evaluation.metrics import Metric
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import Floats, Statistic, Weights


@dataclass(frozen=True, slots=True)
class Importance:
    """What one block of inputs is worth to a metric."""

    block: str
    metric: str
    loss: Difference
    """How much worse the metric is without it, whichever way is better; in units of the metric."""
    repeats: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def permutation_importance(
    predict: Callable[[str, npt.NDArray[np.int64]], Floats],
    blocks: Sequence[str],
    metric: Metric,
    statistic: Callable[[Floats], Statistic],
    prediction: Floats,
    folds: npt.NDArray[np.int64],
    *,
    rng: np.random.Generator,
    repeats: int = 5,
    groups: Groups | None = None,
    rounds: int = 1000,
    level: float = 0.9,
) -> tuple[Importance, ...]:
    """The importance of each block, the most important first.

    Args:
        predict: the out-of-fold prediction where block `name` of row i is that of row `donors[i]`, which is a row of
            the same fold. The model is the one that had not seen the fold.
        blocks: names that `predict` knows.
        metric: which way is better.
        statistic: from a prediction to the metric, as `metrics.statistics(...)[metric.name]` does.
        prediction: out of fold, with nothing moved.
        folds: (n,).
        rng: of the permutations and the draws.
        repeats: permutations of each block; their losses are averaged before the interval is taken.
        groups: (n,); whole groups are drawn in the bootstrap.
        rounds: draws of the bootstrap.
        level: of the interval.

    Source: Breiman, Machine Learning 45, 2001; Fisher, Rudin and Dominici, JMLR 20, 2019.
    """
    whole = statistic(prediction)
    found = []
    for block in blocks:
        moved = _mean_of([statistic(predict(block, _donors(folds, rng))) for _ in range(repeats)])
        first, second = (whole, moved) if metric.higher_is_better else (moved, whole)
        loss = paired_difference(first, second, len(folds), groups=groups, rng=rng, rounds=rounds, level=level)
        found.append(Importance(block, metric.name, loss, repeats))
    return tuple(sorted(found, key=lambda one: -one.loss.value))


def _donors(folds: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    donors = np.arange(len(folds))
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        donors[rows] = rng.permutation(rows)
    return donors


def _mean_of(statistics: Sequence[Statistic]) -> Statistic:
    def mean(weights: Weights) -> float:
        return float(np.mean([statistic(weights) for statistic in statistics]))

    return mean
