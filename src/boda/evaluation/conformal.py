"""Conformal prediction: intervals and sets that hold the truth as often as they say, whatever the model.

Both rest on out-of-fold predictions: how far off these were for rows that their models had not seen is how far off the
next one will be. The prediction itself comes from the model of all rows, so the models of the folds need not be kept;
that is the "CV" form of Barber et al., Annals of Statistics 49(1), 2021, whose guarantee supposes that the model of
all rows is about as good as those of the folds. CV+ needs no such supposition but every fold's model for every
prediction. Instead the coverage is measured: fold by fold, with the quantile of the other folds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.plain import as_plain
from boda.evaluation.proportion import Share, share_of
from boda.evaluation.weighted import Floats

_Folds = npt.NDArray[np.int64]
_TIE = 1e-12  # sums of probabilities that differ by less are equal


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often the truth was inside, measured on rows that neither model nor quantile had seen."""

    level: float
    """What was asked for, of 1."""
    share: Share
    size: float
    """Mean width of the intervals, or mean number of classes, or of yes and no, in a set."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; an infinite size is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain


@dataclass(frozen=True, slots=True)
class Intervals:
    """Prediction plus and minus the same half width, or the same multiple of each row's difficulty."""

    level: float
    half_width: float
    """In units of the target, or of the difficulty; infinite where there were too few rows for the level."""
    by_difficulty: bool = False

    def of(self, prediction: Floats, difficulty: Floats | None = None) -> tuple[Floats, Floats]:
        """(n,) low and (n,) high ends.

        Raises:
            Refused: a difficulty is missing, or given to intervals fitted without.
        """
        if (difficulty is not None) != self.by_difficulty:
            raise Refused("these intervals were fitted " + ("by" if self.by_difficulty else "without") + " difficulty")
        half = self.half_width * (np.ones(len(prediction)) if difficulty is None else _positive(difficulty))
        return prediction - half, prediction + half

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; an infinite half width is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Intervals":
        """The intervals that `as_json` wrote."""
        half = record["half_width"]
        return cls(record["level"], np.inf if half is None else half, record["by_difficulty"])


@dataclass(frozen=True, slots=True)
class Sets:
    """The most probable classes, until their probabilities together exceed `mass`; never none.

    Adaptive prediction sets of Romano, Sesia and Candes, NeurIPS 2020, with the probability of all classes before one
    as its score, which needs no randomisation: the most probable class has 0 and is always in. (With its own
    probability added, sets that would be empty get a class, and cover more than asked: 0.94 for 0.90 on noisy digits,
    with 4.1 classes a set in place of 3.1.)
    """

    level: float
    mass: float

    def of(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """(n, k) which classes are in the set of each row."""
        inside: npt.NDArray[np.bool_] = _mass_before(probabilities) <= self.mass + _TIE
        return inside

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; an infinite mass (all classes) is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Sets":
        """The sets that `as_json` wrote."""
        return cls(record["level"], np.inf if record["mass"] is None else record["mass"])


@dataclass(frozen=True, slots=True)
class LabelSets:
    """Of each label no, yes or both: the likelier one, and the other where it cannot be ruled out.

    No and yes have a mass each, as `Sets` of two classes, fitted on the rows of which they are true. So labels that are
    rare are found as often as the level says; with one mass for both it would be reached by never saying them.
    """

    level: float
    masses: tuple[tuple[float, float], ...]
    """Of each label, of no and of yes."""

    def of(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """(n, l, 2) whether no, and whether yes, is in the set of each label, from (n, l) probabilities of yes.

        Raises:
            Refused: not as many labels as masses.
        """
        if probabilities.ndim != 2 or probabilities.shape[1] != len(self.masses):
            raise Refused(f"sets of {len(self.masses)} labels do not fit probabilities of {probabilities.shape}")
        found = np.ones((*probabilities.shape, 2), bool)
        for label, masses in enumerate(self.masses):
            found[:, label] = _mass_before(_no_and_yes(probabilities[:, label])) <= np.array(masses) + _TIE
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; an infinite mass (it is in every set) is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "LabelSets":
        """The sets that `as_json` wrote."""
        masses = [[np.inf if one is None else one for one in pair] for pair in record["masses"]]
        return cls(record["level"], tuple((no, yes) for no, yes in masses))


def fit_intervals(
    truth: Floats, prediction: Floats, *, difficulty: Floats | None = None, level: float = 0.9
) -> Intervals:
    """Intervals from out-of-fold predictions.

    Args:
        truth: (n,).
        prediction: (n,), each by a model that had not seen the row.
        difficulty: (n,) > 0 how far off each prediction is expected to be, in any unit; the width follows it.
        level: how often the truth should be inside.

    Raises:
        Refused: shapes differ, a difficulty is not above 0, or the level is no share.

    Source: Barber et al. 2021 (see above); Lei et al., JASA 113, 2018, for the difficulty.
    """
    if truth.shape != prediction.shape or truth.ndim != 1:
        raise Refused(f"a truth of shape {truth.shape} has no intervals around predictions of {prediction.shape}")
    off = np.abs(truth - prediction)
    scores = off if difficulty is None else off / _positive(difficulty)
    return Intervals(level, _quantile(scores, level), difficulty is not None)


def fit_sets(truth: npt.NDArray[np.int64], probabilities: Floats, *, level: float = 0.9) -> Sets:
    """Sets from out-of-fold probabilities.

    Args:
        truth: (n,) classes.
        probabilities: (n, k), each row by a model that had not seen it; calibrated ones give smaller sets.
        level: how often the truth should be in the set.

    Raises:
        Refused: lengths differ, or the level is no share.
    """
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1]:
        raise Refused(f"a truth of shape {truth.shape} has no sets of probabilities of {probabilities.shape}")
    return Sets(level, _quantile(_mass_before(probabilities)[np.arange(len(truth)), truth], level))


def fit_label_sets(truth: Floats, probabilities: Floats, *, level: float = 0.9) -> LabelSets:
    """Sets of labels from out-of-fold probabilities.

    Args:
        truth: (n, l) of 0, 1 and NaN where nobody said.
        probabilities: (n, l) of yes, each row by a model that had not seen it; calibrated ones give smaller sets.
        level: how often no should be in the set of those that are not, and yes in the set of those that are.

    Raises:
        Refused: shapes differ, or the level is no share.

    Source: Vovk, Lindsay, Nouretdinov and Gammerman, "Mondrian confidence machine", 2003, for a quantile a class.
    """
    if truth.ndim != 2 or truth.shape != probabilities.shape:
        raise Refused(f"a truth of shape {truth.shape} has no sets of probabilities of {probabilities.shape}")
    found = []
    for said, yes in zip(truth.T, probabilities.T, strict=True):
        before = _mass_before(_no_and_yes(yes))
        found.append((_quantile(before[said == 0, 0], level), _quantile(before[said == 1, 1], level)))
    return LabelSets(level, tuple(found))


def interval_coverage(
    truth: Floats,
    prediction: Floats,
    folds: _Folds,
    *,
    difficulty: Floats | None = None,
    groups: npt.NDArray[np.int64] | None = None,
    level: float = 0.9,
) -> Coverage:
    """How often such intervals hold the truth: each fold's rows in intervals fitted on the other folds.

    Args:
        truth: (n,).
        prediction: (n,) out of fold.
        folds: (n,) the fold that held each row out.
        difficulty: as of `fit_intervals`.
        groups: (n,) of rows that belong together; widen the interval of the share.
        level: as of `fit_intervals`.
    """
    part = (lambda rows: None) if difficulty is None else (lambda rows: difficulty[rows])

    def held_out(others: npt.NDArray[np.bool_], rows: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
        fitted = fit_intervals(truth[others], prediction[others], difficulty=part(others), level=level)
        low, high = fitted.of(prediction[rows], part(rows))
        return (low <= truth[rows]) & (truth[rows] <= high), high - low

    return _crossed(held_out, folds, groups, level)


def set_coverage(
    truth: npt.NDArray[np.int64],
    probabilities: Floats,
    folds: _Folds,
    *,
    groups: npt.NDArray[np.int64] | None = None,
    level: float = 0.9,
) -> Coverage:
    """How often such sets hold the truth, fold by fold; arguments as of `interval_coverage`."""

    def held_out(others: npt.NDArray[np.bool_], rows: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
        sets = fit_sets(truth[others], probabilities[others], level=level).of(probabilities[rows])
        return sets[np.arange(len(sets)), truth[rows]], sets.sum(axis=1)

    return _crossed(held_out, folds, groups, level)


def label_set_coverage(
    truth: Floats,
    probabilities: Floats,
    folds: _Folds,
    *,
    groups: npt.NDArray[np.int64] | None = None,
    level: float = 0.9,
) -> tuple[Coverage, tuple[Coverage, ...]]:
    """How often such sets hold what is known, fold by fold: of all labels together, and of each.

    Args:
        truth: as of `fit_label_sets`; what nobody said counts nowhere.
        probabilities: (n, l) out of fold.
        folds: (n,) the fold that held each row out.
        groups: (n,) of rows that belong together; labels of one row always do.
        level: as of `fit_label_sets`.
    """
    inside, size = np.zeros(truth.shape, bool), np.zeros(truth.shape)
    for fold in np.unique(folds):
        rows = folds == fold
        sets = fit_label_sets(truth[~rows], probabilities[~rows], level=level).of(probabilities[rows])
        inside[rows] = np.where(truth[rows] == 1, sets[..., 1], sets[..., 0])
        size[rows] = sets.sum(axis=2)
    known = ~np.isnan(truth)
    teams = np.arange(len(truth)) if groups is None else groups

    def measured(columns: slice) -> Coverage:
        said = known[:, columns]
        belongs = np.broadcast_to(teams[:, None], said.shape)[said]
        mean = float(size[:, columns][said].mean()) if said.any() else float("nan")
        return Coverage(level, share_of(inside[:, columns][said], groups=belongs), mean)

    return measured(slice(None)), tuple(measured(slice(label, label + 1)) for label in range(truth.shape[1]))


def _crossed(
    held_out: Callable[[npt.NDArray[np.bool_], npt.NDArray[np.bool_]], tuple[Any, Any]],
    folds: _Folds,
    groups: npt.NDArray[np.int64] | None,
    level: float,
) -> Coverage:
    inside, size = np.zeros(len(folds), bool), np.zeros(len(folds))
    for fold in np.unique(folds):
        rows = folds == fold
        inside[rows], size[rows] = held_out(~rows, rows)
    return Coverage(level, share_of(inside, groups=groups), float(size.mean()))


def _quantile(scores: Floats, level: float) -> float:
    """The score that one more row stays below with probability `level`; infinite where n rows cannot say."""
    if not 0 < level < 1:
        raise Refused(f"a level of {level} is no share: choose one between 0 and 1, such as 0.9")
    place = int(np.ceil((len(scores) + 1) * level - _TIE))
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else float("inf")


def _mass_before(probabilities: Floats) -> Floats:
    """(n, k) for each class, the probability of all that are more probable."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ordered = np.take_along_axis(probabilities, order, axis=1)
    mass = np.zeros_like(probabilities)
    np.put_along_axis(mass, order[:, 1:], np.cumsum(ordered[:, :-1], axis=1), axis=1)
    return mass


def _no_and_yes(probabilities: Floats) -> Floats:
    """(n, 2) from (n,) probabilities of yes."""
    return np.stack([1 - probabilities, probabilities], axis=1)


def _positive(difficulty: Floats) -> Floats:
    if not (np.isfinite(difficulty).all() and (difficulty > 0).all()):
        raise Refused("a difficulty must be above 0 in every row")
    return difficulty
