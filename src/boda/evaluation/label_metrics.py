"""Metrics of several labels at once. NaN means that nobody said, and such a cell counts for nothing."""

from collections.abc import Callable

import numpy as np

from boda.evaluation.weighted import Floats, Statistic, Weights, auc_of, average_precision_of, mean_of_defined, ratio


def statistics(truth: Floats, probabilities: Floats) -> dict[str, Statistic]:
    """Metrics of (n, l) probabilities against (n, l) of 0, 1 and NaN.

    Labels for which a metric is not defined in the drawn rows are left out of its mean.
    """
    known, positive, said = ~np.isnan(truth), truth == 1, probabilities >= 0.5
    right = (said & positive).astype(np.float64)
    either = ((said & known).astype(np.float64) + positive).astype(np.float64)

    def macro_f1(weights: Weights) -> float:
        return mean_of_defined([ratio(2 * a, b) for a, b in zip(weights @ right, weights @ either, strict=True)])

    def micro_f1(weights: Weights) -> float:
        return ratio(2 * (weights @ right).sum(), (weights @ either).sum())

    return {
        "mean_average_precision": _mean_over_labels(average_precision_of, truth, probabilities),
        "macro_auc": _mean_over_labels(auc_of, truth, probabilities),
        "micro_f1": micro_f1,
        "macro_f1": macro_f1,
    }


def _mean_over_labels(metric: Callable[..., Statistic], truth: Floats, probabilities: Floats) -> Statistic:
    """The mean over labels of a metric of scores and positives, each on the rows where that label is known."""
    rows = [np.flatnonzero(~np.isnan(column)) for column in truth.T]
    each = [metric(probabilities[known, one], truth[known, one] == 1) for one, known in enumerate(rows)]
    return lambda weights: mean_of_defined(
        [statistic(weights[known]) for statistic, known in zip(each, rows, strict=True)]
    )
