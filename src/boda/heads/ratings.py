"""Ratings: from counts of each rating to the whole distribution, one linear score a rating and a softmax.

Every row that anybody rated weighs the same, however many rated it. Ratings of one image are independent draws only
from its own distribution, which no linear score meets: with the 78 to 549 ratings of an image of AVA the miss of the
model is many times the noise of the raters, so weights by counts would buy no accuracy and tilt the model towards
images that were shown more often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.rating_metrics import shares_of
from boda.heads.design import Design
from boda.heads.learner import Outputs
from boda.heads.scores import LinearScores, Near, fit_scores
from boda.heads.target import Target

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ratings:
    """Learn the shares of ratings.

    - "likelihood": minus the mean log likelihood of a rating (multinomial logistic regression on shares); convex.
    - "emd": the squared difference of the cumulative shares, summed over the steps of the scale, each as long as it
      is, in units of the whole scale. Hou, Yu and Samaras, "Squared Earth Mover's Distance-based Loss", 2016; with
      equal steps r / (r - 1) times the square of what Talebi and Milanfar (2018) minimise.
    """

    loss: Literal["likelihood", "emd"] = "likelihood"
    penalties: tuple[float, ...] | None = None
    """Of |W|^2 / 2, beside the sum over rows; None: `scores.PENALTIES`."""

    def fit(
        self, design: Design, target: Target, *, groups: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> "RatingsModel":
        """Learn from all rows; the penalty is chosen by inner folds.

        Raises:
            Refused: the target is not of ratings, or no row was rated.
        """
        if target.kind != "ratings":
            raise Refused(f"target {target.name!r} is a {target.kind}; this learner takes ratings")
        if not target.values.sum():
            raise Refused(f"target {target.name!r}: nobody rated any row")
        loss = ShareLoss.of(target.values) if self.loss == "likelihood" else EmdLoss.of(target.values, target.levels)
        fitted = fit_scores(design, [loss], self.penalties, groups=groups, rng=rng)
        return RatingsModel(fitted.scores, {"loss": self.loss, **fitted.settings()})


@dataclass(frozen=True, eq=False)
class RatingsModel:
    """One score a rating; softmax gives the predicted shares."""

    kind: ClassVar[str] = "ratings"
    scores: LinearScores
    learned: Mapping[str, Any]
    """The loss, the penalty and how it was chosen."""

    def outputs(self, x: npt.NDArray[np.float32]) -> Outputs:
        """(n, d) prepared to (n, r) scores."""
        return self.scores(x)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """`weights` (d, r) and `offset` (r,)."""
        return {"weights": self.scores.weights, "offset": self.scores.offset}

    def settings(self) -> Mapping[str, Any]:
        """How it was learned."""
        return self.learned

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "RatingsModel":
        """What `tensors` and `settings` describe."""
        return cls(LinearScores(tensors["weights"], tensors["offset"]), dict(settings))


def shares(outputs: Outputs) -> Floats:
    """(n, r) predicted shares of each rating, from the outputs of a model."""
    from scipy.special import softmax

    return np.asarray(softmax(outputs, axis=1))


def mean(distribution: Floats, levels: tuple[float, ...]) -> Floats:
    """(n,) mean ratings of (n, r) shares."""
    return np.asarray(distribution @ np.array(levels))


def spread(distribution: Floats, levels: tuple[float, ...]) -> Floats:
    """(n,) standard deviations, in rating units, of (n, r) shares."""
    away = np.array(levels) - mean(distribution, levels)[:, None]
    return np.asarray(np.sqrt((distribution * away**2).sum(axis=1)))


@dataclass(frozen=True, eq=False)
class ShareLoss:
    """Minus the log likelihood of one rating drawn from each row; a `scores.Loss`."""

    shares: Floats
    told: npt.NDArray[np.bool_]
    """(n,) rows that anybody rated."""
    start: Floats
    stiffness: Floats
    curvature: Floats

    @classmethod
    def of(cls, counts: Floats) -> "ShareLoss":
        """From (n, r) counts."""
        found, rated = shares_of(counts), counts.sum(axis=1) > 0
        pooled = _pooled(found, rated)
        bends = pooled * (1 - pooled)
        return cls(found, rated, np.log(pooled), np.ones(len(bends)), bends)

    def take(self, rows: npt.NDArray[np.intp]) -> "ShareLoss":
        """Only these rows."""
        return replace(self, shares=self.shares[rows], told=self.told[rows])

    def __call__(self, rows: slice, scores: Floats) -> Near:
        """Loss, slopes and second derivatives of these rows."""
        from scipy.special import log_softmax

        logs, true = log_softmax(scores, axis=1), self.shares[rows]
        predicted = np.exp(logs)
        return Near(-float((true * logs).sum()), predicted - true, lambda direction: _swing(predicted, direction))


@dataclass(frozen=True, eq=False)
class EmdLoss:
    """The squared difference of cumulative shares over the scale; a `scores.Loss`."""

    shares: Floats
    told: npt.NDArray[np.bool_]
    """(n,) rows that anybody rated."""
    order: npt.NDArray[np.intp]
    """Ratings from the lowest level to the highest."""
    steps: Floats
    """(r - 1,) between levels, adding up to 1."""
    start: Floats
    stiffness: Floats
    curvature: Floats

    @classmethod
    def of(cls, counts: Floats, levels: tuple[float, ...]) -> "EmdLoss":
        """From (n, r) counts of ratings that are worth so much.

        Raises:
            Refused: all levels are equal.
        """
        worth, order = np.array(levels), np.argsort(levels, kind="stable")
        if np.ptp(worth) <= 0:
            raise Refused(f"ratings that are all worth {levels[0]:g} have no distance")
        steps = np.diff(worth[order]) / np.ptp(worth)
        found, rated = shares_of(counts), counts.sum(axis=1) > 0
        pooled = _pooled(found, rated)
        ordered = pooled[order]
        lifts = ordered * (np.tri(len(worth)) - np.cumsum(ordered)[:, None])
        bends = np.empty(len(worth))
        bends[order] = 2 * steps @ lifts[:-1] ** 2
        return cls(found, rated, order, steps, np.log(pooled), np.ones(len(worth)), bends)

    def take(self, rows: npt.NDArray[np.intp]) -> "EmdLoss":
        """Only these rows."""
        return replace(self, shares=self.shares[rows], told=self.told[rows])

    def __call__(self, rows: slice, scores: Floats) -> Near:
        """Loss, slopes and second derivatives of these rows."""
        from scipy.special import softmax

        predicted = softmax(scores, axis=1)
        ahead = self._ahead(predicted - self.shares[rows])
        pull = self._back(2 * self.steps * ahead)
        beyond = pull - (predicted * pull).sum(axis=1, keepdims=True)

        def curved(direction: Floats) -> Floats:
            change = _swing(predicted, direction)
            pulled = _swing(predicted, self._back(2 * self.steps * self._ahead(change)))
            turned = change * beyond - predicted * (change * pull).sum(axis=1, keepdims=True)
            return np.asarray(turned + pulled)

        return Near(float((self.steps * ahead**2).sum()), predicted * beyond, curved)

    def _ahead(self, shares: Floats) -> Floats:
        """(n, r - 1) cumulative from the lowest level on."""
        return np.asarray(np.cumsum(shares[:, self.order], axis=1)[:, :-1])

    def _back(self, slopes: Floats) -> Floats:
        """(n, r) slopes in the shares from those in their cumulative ones."""
        found = np.zeros((len(slopes), len(self.order)))
        found[:, self.order[:-1]] = np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1]
        return found


def _swing(shares: Floats, direction: Floats) -> Floats:
    """How shares of a softmax change where scores change so."""
    return np.asarray(shares * (direction - (shares * direction).sum(axis=1, keepdims=True)))


def _pooled(distribution: Floats, rated: npt.NDArray[np.bool_]) -> Floats:
    """(r,) mean shares of the rows that were rated; never 0, for their logarithms."""
    return np.asarray(np.maximum(distribution[rated].mean(axis=0), 1e-6))
