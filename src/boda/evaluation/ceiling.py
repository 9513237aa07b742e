"""Noise ceiling: the correlation that a perfect predictor of the true mean rating would reach.

The mean of n raters is the mean of all people plus an error of variance s^2 / n. So the variance V of the means over
rows is that of the true means plus the mean error e: the reliability is 1 - e / V, and since a perfect predictor
shares only its true part with what was measured, its Pearson correlation is the root of that (Spearman, American
Journal of Psychology 15, 1904; Lord and Novick 1968). For the correlation of ranks there is no such formula, and
it depends on how the true means lie: that is deconvolved from the measured ones.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from boda.errors import Refused
from boda.evaluation.bootstrap import Interval, draws, interval_around, interval_of
from boda.evaluation.plain import as_plain
from boda.evaluation.rating_metrics import mean_ratings
from boda.evaluation.weighted import Floats, Statistic, Weights, centred, pearson_of, ratio

_GRID = 200
_ROUNDS = 20  # measured on normal, skewed and two-humped means: off by 0.005 at most from 10 raters, by 0.03 from 3
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The best that anything can reach on these ratings, with intervals over rows."""

    pearson: Interval
    spearman: Interval
    reliability: float
    """Share of the variance of the means that is not chance, 0 to 1."""
    halves: float | None
    """The reliability again, from raters split at random in halves (Spearman and Brown); None where only means
    and spreads are known, or counts are no whole numbers."""
    rows: int
    raters: float
    """Median number of raters of a row."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; NaN where nothing varies is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def ceiling_of_counts(
    counts: Floats, levels: Floats, *, rng: np.random.Generator, rounds: int = 200, level: float = 0.9
) -> Ceiling:
    """From how many people gave each rating.

    Rows with one rating have the spread that rows with more have on average; rows without are left out.

    Args:
        counts: (n, r) whole numbers >= 0.
        levels: (r,) what each rating is worth.
        rng: of halves and draws.
        rounds: draws of rows for the intervals.
        level: of the intervals.

    Raises:
        Refused: fewer than 3 rated rows, or no row with two ratings.
    """
    counts = counts[counts.sum(axis=1) > 0]
    raters = counts.sum(axis=1)
    if not (raters > 1).any():
        raise Refused("a noise ceiling needs rows with at least two ratings")
    means = mean_ratings(counts, levels)
    squares = (counts * np.square(levels - means[:, None])).sum(axis=1)
    pooled = squares.sum() / (raters - 1).sum()
    variances = np.where(raters > 1, squares / np.maximum(raters - 1, 1), pooled)
    halves = _reliability_of_halves(counts[raters > 1], levels, rng)
    return _ceiling(means, variances / raters, raters, halves, rng, rounds, level)


def ceiling_of_means(
    means: Floats,
    spreads: Floats,
    raters: Floats,
    *,
    rng: np.random.Generator,
    rounds: int = 200,
    level: float = 0.9,
) -> Ceiling:
    """From the mean, the standard deviation of single ratings and the number of raters of each row.

    Args:
        means: (n,).
        spreads: (n,) standard deviations, not standard errors.
        raters: (n,) > 0.
        rng: of the draws.
        rounds: draws of rows for the intervals.
        level: of the intervals.

    Raises:
        Refused: fewer than 3 rows, shapes that differ, or a row without raters.
    """
    if not means.shape == spreads.shape == raters.shape or means.ndim != 1:
        raise Refused(f"means {means.shape}, spreads {spreads.shape} and raters {raters.shape} must be one column each")
    if not (raters > 0).all() or not np.isfinite([means, spreads, raters]).all():
        raise Refused("a noise ceiling needs a mean, a spread and at least one rater in every row")
    return _ceiling(means, np.square(spreads) / raters, raters, None, rng, rounds, level)


def _ceiling(
    means: Floats,
    errors: Floats,
    raters: Floats,
    halves: float | None,
    rng: np.random.Generator,
    rounds: int,
    level: float,
) -> Ceiling:
    """From the means and the variance of the error of each."""
    n = len(means)
    if n < 3:
        raise Refused(f"a noise ceiling needs at least 3 rated rows, not {n}")
    reliability, spearman = _reliability_of(means, errors), _spearman_of(means, errors)
    metrics: dict[str, Statistic] = {
        "pearson": lambda weights: float(np.sqrt(reliability(weights))),
        "spearman": spearman,
    }
    drawn, once = draws(metrics, n, rng=rng, rounds=rounds), np.ones(n)
    # repeated rows look like true means that lie on top of each other: rounds of the deconvolution are all too high
    ranks = interval_around(spearman(once), drawn["spearman"], units=n, level=level)
    return Ceiling(
        interval_of(float(np.sqrt(reliability(once))), drawn["pearson"], units=n, level=level),
        replace(ranks, low=max(ranks.low, -1.0), high=min(ranks.high, 1.0)),
        reliability(once),
        halves,
        n,
        float(np.median(raters)),
    )


def _reliability_of(means: Floats, errors: Floats) -> Statistic:
    """Share of the variance that is not chance; NaN where all means are equal, 0 where chance explains them all."""
    off = centred(means)

    def statistic(weights: Weights) -> float:
        n = weights.sum()
        variance = (weights @ np.square(off) - np.square(weights @ off) / n) / (n - 1)
        return float(np.maximum(0.0, 1 - ratio(weights @ errors / n, variance)))

    return statistic


def _spearman_of(means: Floats, errors: Floats) -> Statistic:
    """The rank correlation of the true means and those measured, from what both are on a grid.

    How often each true mean occurs is fitted to the measured ones by EM, whose first rounds find the shape and whose
    later ones only sharpen noise (Laird, JASA 73, 1978).
    """
    reliability = _reliability_of(means, errors)
    edges = np.linspace(means.min(), means.max(), _GRID + 1)
    place = np.clip(np.searchsorted(edges, means, side="right") - 1, 0, _GRID - 1)

    def statistic(weights: Weights) -> float:
        share = reliability(weights)
        if not 0 < share < 1:
            return share
        rows = np.bincount(place, weights, _GRID).astype(np.float64)
        blur = _blur(edges, rows, np.bincount(place, weights * errors, _GRID).astype(np.float64))
        there, share_of_true = rows > 0, np.full(_GRID, 1 / _GRID)
        for _ in range(_ROUNDS):
            surplus = rows[there] / np.maximum(share_of_true @ blur[:, there], _TINY)
            share_of_true *= blur[:, there] @ surplus / rows.sum()
        together = share_of_true[:, None] * blur
        one, two = together.sum(axis=1), together.sum(axis=0)
        one_rank, two_rank = np.cumsum(one) - (one + one.sum()) / 2, np.cumsum(two) - (two + two.sum()) / 2
        spread = (one @ np.square(one_rank)) * (two @ np.square(two_rank))
        return ratio(one_rank @ together @ two_rank, np.sqrt(spread))

    return statistic


def _blur(edges: Floats, rows: Floats, errors: Floats) -> Floats:
    """(g, g) how likely a true mean in one cell of the grid is measured in another.

    The error of a true mean is that of measured ones around it: people differ less about the best and the worst.
    """
    from scipy.special import ndtr

    middle, step = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    reach = max(np.sqrt(errors.sum() / rows.sum()), step)
    near = np.exp(-np.square((middle[:, None] - middle) / reach) / 2)
    variance = np.maximum((near @ errors) / np.maximum(near @ rows, _TINY), np.square(step) / 12)
    steps = np.diff(ndtr((edges - middle[:, None]) / np.sqrt(variance)[:, None]), axis=1)
    blur: Floats = steps / steps.sum(axis=1, keepdims=True)
    return blur


def _reliability_of_halves(counts: Floats, levels: Floats, rng: np.random.Generator, times: int = 10) -> float | None:
    """The correlation of two halves of the raters, stepped up to all of them; the mean of several splits."""
    if not (counts == np.rint(counts)).all():
        return None
    raters, found = counts.sum(axis=1), []
    for _ in range(times):
        half = np.floor(raters / 2 + rng.random(len(raters)) * (raters % 2))
        first = _drawn(counts, half, rng)
        one, two = mean_ratings(first, levels), mean_ratings(counts - first, levels)
        found.append(pearson_of(one, two)(np.ones(len(one))))
    correlation = float(np.maximum(0.0, np.mean(found)))
    return 2 * correlation / (1 + correlation)


def _drawn(counts: Floats, size: Floats, rng: np.random.Generator) -> Floats:
    """(n, r) which ratings the raters gave that were drawn, `size` of each row, without putting back."""
    drawn, left, after = np.zeros_like(counts), size.astype(np.int64), counts.sum(axis=1).astype(np.int64)
    for column, here in enumerate(counts.T.astype(np.int64)):
        after = after - here
        drawn[:, column] = rng.hypergeometric(here, after, left)
        left = left - drawn[:, column].astype(np.int64)
    return drawn
