"""Metrics of numbers."""

import numpy as np

from boda.evaluation.weighted import Floats, Statistic, Weights, centred, mean_of, pearson_of, ratio, spearman_of


def statistics(truth: Floats, prediction: Floats) -> dict[str, Statistic]:
    """Metrics of (n,) predictions."""
    error = prediction - truth
    squared = mean_of(error * error)
    return {
        "r2": r2_of(truth, prediction),
        "spearman": spearman_of(truth, prediction),
        "pearson": pearson_of(truth, prediction),
        "mae": mean_of(np.abs(error)),
        "rmse": lambda weights: float(np.sqrt(squared(weights))),
    }


def r2_of(truth: Floats, prediction: Floats) -> Statistic:
    """1 - residual over total sum of squares, the total around the mean of the rows drawn."""
    off = centred(truth)
    squares, errors = off * off, np.square(truth - prediction)

    def statistic(weights: Weights) -> float:
        total = weights @ squares
        spread = total - ratio(np.square(weights @ off), weights.sum())
        return 1 - ratio(weights @ errors, spread if spread > 1e-12 * total else 0.0)

    return statistic
