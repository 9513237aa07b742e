"""Calibration: whether what is said with 80 % comes true in 80 of 100 cases, and the little that makes it so.

Classes get one temperature (Guo et al., ICML 2017), which changes no decision; several labels get a slope and an
offset each (Platt 1999, with his smoothed targets), since a label can be rarer than its scores say. Both are fitted on
out-of-fold scores. What is reported is cross-fitted: each fold's probabilities come from the other folds' fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import Floats

_COLDEST, _HOTTEST = 0.1, 1e3
"""Temperatures are sought between these: scores that say nothing, or nothing wrong, have none."""
_PULL = 2.0
"""Of (log T)^2 beside the summed log loss, as if log T were known to be normal around 0 with a deviation of a half. A
few rows that are nearly all right would ask for any temperature; some hundred mistakes outweigh it."""


def softmax(scores: Floats) -> Floats:
    """(n, k) scores to probabilities that sum to 1."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def sigmoid(scores: Floats) -> Floats:
    """Scores to probabilities, one by one."""
    probabilities: Floats = np.exp(-np.logaddexp(0.0, -scores))
    return probabilities


@dataclass(frozen=True, slots=True)
class Temperature:
    """Scores are divided by it before the softmax: above 1 for a head that is too sure."""

    value: float = 1.0

    def probabilities(self, scores: Floats) -> Floats:
        """(n, k) scores to (n, k) probabilities."""
        return softmax(scores / self.value)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Temperature":
        """The temperature that `as_json` wrote."""
        return cls(record["value"])


@dataclass(frozen=True, slots=True)
class Platt:
    """Each label's score times its slope plus its offset, before the sigmoid."""

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]

    def probabilities(self, scores: Floats) -> Floats:
        """(n, l) scores to (n, l) probabilities."""
        return sigmoid(scores * np.array(self.slopes) + np.array(self.offsets))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Platt":
        """The slopes and offsets that `as_json` wrote."""
        return cls(tuple(record["slopes"]), tuple(record["offsets"]))


def fit_temperature(scores: Floats, truth: npt.NDArray[np.int64]) -> Temperature:
    """The temperature of the lowest log loss, pulled towards 1 where few rows say which.

    Args:
        scores: (n, k) before the softmax, out of fold.
        truth: (n,) classes.

    Raises:
        Refused: lengths differ.

    Source: Guo, Pleiss, Sun and Weinberger, ICML 2017.
    """
    _check(scores, truth)
    if not len(truth):
        return Temperature()
    from scipy.optimize import brentq

    of_truth = scores[np.arange(len(truth)), truth]

    def loss(log: float) -> float:
        scaled = scores * np.exp(-log)
        peak = scaled.max(axis=1)
        sums = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
        return float((sums - of_truth * np.exp(-log)).sum() + _PULL * log**2)

    def slope(log: float) -> float:
        expected = (softmax(scores * np.exp(-log)) * scores).sum(axis=1)
        return float((of_truth - expected).sum() * np.exp(-log) + 2 * _PULL * log)

    ladder = np.linspace(np.log(_COLDEST), np.log(_HOTTEST), 25)  # over all of it there can be more than one valley
    lowest = int(np.argmin([loss(log) for log in ladder]))
    low, high = ladder[max(0, lowest - 1)], ladder[min(len(ladder) - 1, lowest + 1)]
    if slope(low) >= 0 or slope(high) <= 0:  # at an end
        return Temperature(float(np.exp(ladder[lowest])))
    return Temperature(float(np.exp(brentq(slope, low, high, xtol=1e-12))))


def fit_platt(scores: Floats, truth: Floats) -> Platt:
    """A slope and an offset for each label; 1 and 0 for one that is known of no row, or always the same.

    Args:
        scores: (n, l) before the sigmoid, out of fold.
        truth: (n, l) of 0, 1 and NaN where nobody said.

    Raises:
        Refused: shapes differ.

    Source: Platt 1999; solved as in Lin, Lin and Weng, Machine Learning 68, 2007.
    """
    _check(scores, truth)
    fitted = []
    for column, known in zip(scores.T, truth.T, strict=True):
        rows = np.flatnonzero(~np.isnan(known))
        positive = known[rows] == 1
        both = positive.any() and not positive.all()
        fitted.append(_platt(column[rows], positive) if both else (1.0, 0.0))
    return Platt(tuple(slope for slope, _ in fitted), tuple(offset for _, offset in fitted))


def _platt(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Newton's method with halved steps, on standardised scores and targets that are not quite 0 and 1."""
    above, below = positive.sum(), (~positive).sum()
    target = np.where(positive, (above + 1) / (above + 2), 1 / (below + 2))
    middle, spread = scores.mean(), scores.std() or 1.0
    columns = np.stack([(scores - middle) / spread, np.ones(len(scores))], axis=1)

    def loss(at: Floats) -> float:
        said = columns @ at
        return float((np.logaddexp(0.0, said) - target * said).sum())

    at = np.array([0.0, np.log((above + 1) / (below + 1))])
    for _ in range(100):
        said = sigmoid(columns @ at)
        gradient = columns.T @ (said - target)
        curvature = (columns * (said * (1 - said))[:, None]).T @ columns + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while loss(at - step) > loss(at) and np.abs(step).max() > 1e-12:
            step /= 2
        at = at - step
        if np.abs(step).max() <= 1e-10:
            break
    slope = float(at[0] / spread)
    return slope, float(at[1] - slope * middle)


def cross_fitted(scores: Floats, truth: npt.NDArray[Any], folds: npt.NDArray[np.int64]) -> Floats:
    """Probabilities of each fold's rows, calibrated on the other folds.

    Args:
        scores: (n, k) of classes or (n, l) of labels, out of fold.
        truth: (n,) classes, or (n, l) labels.
        folds: (n,).
    """
    return calibrated(scores, folds, fold_fits(scores, truth, folds))


def fold_fits(scores: Floats, truth: npt.NDArray[Any], folds: npt.NDArray[np.int64]) -> dict[int, Temperature | Platt]:
    """Of each fold, what fits the others; arguments are those of `cross_fitted`."""
    _check(scores, truth)
    fit = fit_temperature if truth.ndim == 1 else fit_platt
    return {int(fold): fit(scores[folds != fold], truth[folds != fold]) for fold in np.unique(folds)}


def calibrated(scores: Floats, folds: npt.NDArray[np.int64], fits: Mapping[int, Temperature | Platt]) -> Floats:
    """Probabilities of scores, those of each fold by its own fit."""
    probabilities = np.empty(scores.shape)
    for fold, fit in fits.items():
        rows = folds == fold
        probabilities[rows] = fit.probabilities(scores[rows])
    return probabilities


def _check(scores: Floats, truth: npt.NDArray[Any]) -> None:
    if scores.ndim != 2 or truth.shape not in {scores.shape, scores.shape[:1]}:
        raise Refused(f"scores of shape {scores.shape} cannot be calibrated on a truth of {truth.shape}")
