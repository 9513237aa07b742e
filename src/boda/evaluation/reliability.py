"""Reliability: what was said against what happened, in bins of equally many rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.plain import as_plain
from boda.evaluation.proportion import Share, share_of
from boda.evaluation.weighted import Floats


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of nearly the same probability."""

    said: float
    """Its mean."""
    happened: Share
    """How often it came true, with its interval and the number of rows."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """The reliability curve, and its mean distance from the diagonal."""

    bins: tuple[Bin, ...]
    error: float
    """Expected calibration error, 0 to 1: the mean over rows of the distance between said and happened of their bin.
    Chance alone makes it larger than 0, the more so the fewer rows a bin has."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def reliability_of(
    probability: Floats,
    happened: npt.NDArray[np.bool_],
    *,
    bins: int = 10,
    groups: npt.NDArray[np.int64] | None = None,
    level: float = 0.9,
) -> Reliability:
    """Bins of equally many rows; equal probabilities are in one bin, so there may be fewer.

    Args:
        probability: (n,) as it was said, 0 to 1.
        happened: (n,) whether it came true.
        bins: at most how many.
        groups: (n,) of rows that belong together; widen the intervals.
        level: of the intervals.

    Raises:
        Refused: shapes differ.

    Source: Naeini, Cooper and Hauskrecht, AAAI 2015; bins of equal mass as in Nixon et al., CVPR Workshops 2019.
    """
    if probability.shape != happened.shape or probability.ndim != 1:
        raise Refused(f"probabilities of shape {probability.shape} cannot be compared with {happened.shape} events")
    if not len(probability):
        return Reliability((), float("nan"))
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins))
    place = np.searchsorted(edges, probability, side="right")
    found = []
    for one in np.unique(place):
        rows = place == one
        share = share_of(happened[rows], groups=None if groups is None else groups[rows], level=level)
        found.append(Bin(float(probability[rows].mean()), share))
    error = sum(one.happened.rows * abs(one.said - one.happened.value) for one in found) / len(probability)
    return Reliability(tuple(found), float(error))


def of_classes(truth: npt.NDArray[np.int64], probabilities: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What `reliability_of` takes, from (n, k) probabilities: of the second of two classes, else of the class named."""
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], truth == 1
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == truth


def of_labels(truth: Floats, probabilities: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What `reliability_of` takes, from (n, l) probabilities: all known labels together; a column alone is (n, 1)."""
    known = ~np.isnan(truth)
    return probabilities[known], truth[known] == 1
