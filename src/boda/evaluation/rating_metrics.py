"""Metrics of rating distributions. Rows that nobody rated count for nothing."""

import numpy as np
import numpy.typing as npt

from boda.evaluation.weighted import Floats, Statistic, mean_of, pearson_of, spearman_of


def statistics(counts: Floats, shares: Floats, levels: Floats) -> dict[str, Statistic]:
    """Metrics of (n, r) predicted shares against (n, r) counts of ratings, the r ratings worth `levels`."""
    rated = np.flatnonzero(counts.sum(axis=1) > 0)
    truth, prediction = mean_ratings(counts[rated], levels), mean_ratings(shares[rated], levels)
    distance = earth_movers_distance(shares_of(counts[rated]), shares_of(shares[rated]), levels)
    found = {
        "spearman": spearman_of(truth, prediction),
        "pearson": pearson_of(truth, prediction),
        "emd": mean_of(distance),
        "mae": mean_of(np.abs(truth - prediction)),
    }
    return {name: _on(rated, statistic) for name, statistic in found.items()}


def _on(rows: npt.NDArray[np.intp], statistic: Statistic) -> Statistic:
    return lambda weights: statistic(weights[rows])


def mean_ratings(counts: Floats, levels: Floats) -> Floats:
    """(n,) mean rating of rows with any; summed before it is divided, so that whole ratings tie exactly."""
    means: Floats = (counts @ levels) / counts.sum(axis=1)
    return means


def shares_of(counts: Floats) -> Floats:
    """(n, r) counts as shares of each row; rows without any stay 0."""
    total = counts.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(counts, total, out=np.zeros_like(counts, dtype=np.float64), where=total > 0)
    return shares


def earth_movers_distance(first: Floats, second: Floats, levels: Floats) -> Floats:
    """(n,) how far shares must move on the scale of `levels` to turn one distribution into the other.

    It is the area between the two cumulative distributions: Rubner et al., International Journal of Computer Vision
    40, 2000, on a line.
    """
    order = np.argsort(levels)
    difference = np.cumsum(first[:, order] - second[:, order], axis=1)[:, :-1]
    distance: Floats = np.abs(difference) @ np.diff(levels[order])
    return distance
