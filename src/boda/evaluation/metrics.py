"""Metrics of each kind of target: what they are called, which way is better, and how they are computed.

A metric of rows is prepared once (`statistics`) and is then a function of how often each row counts, which is what
intervals are made of; `measure` counts every row once.

Predictions are, per kind: number (n,); class (n, k) probabilities; labels (n, l) probabilities; ratings (n, r) shares;
votes (n, a) fractions of each question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation import class_metrics, label_metrics, number_metrics, rating_metrics, vote_metrics
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import Floats, Statistic

Kind: TypeAlias = Literal["number", "class", "labels", "ratings", "votes"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric's name means."""

    name: str
    better: Literal["higher", "lower"]
    meaning: str
    undefined: str
    """When it is NaN."""
    of_constant: float | None = None
    """What a prediction that says the same of every row is worth, for metrics that only look at order."""

    @property
    def higher_is_better(self) -> bool:
        """Whether more is better."""
        return self.better == "higher"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


_CONSTANT = "the truth or the prediction is constant"
_ONE_SIDE = "only one class is there"
_EMPTY = "no row is known"

_METRICS: dict[Kind, tuple[Metric, ...]] = {
    "number": (
        Metric("r2", "higher", "share of the variance that is predicted", "the truth is constant"),
        Metric("spearman", "higher", "correlation of the ranks", _CONSTANT, 0.0),
        Metric("pearson", "higher", "linear correlation", _CONSTANT, 0.0),
        Metric("mae", "lower", "mean absolute error, in units of the target", _EMPTY),
        Metric("rmse", "lower", "root mean squared error, in units of the target", _EMPTY),
    ),
    "class": (
        Metric("accuracy", "higher", "share of rows whose most probable class is right", _EMPTY),
        Metric("balanced_accuracy", "higher", "mean over classes of the share found", _EMPTY),
        Metric("macro_f1", "higher", "mean over classes of F1", _EMPTY),
        Metric("log_loss", "lower", "minus the mean log probability of the truth, in nats", _EMPTY),
        Metric("brier", "lower", "mean squared error of the probabilities; halved for two classes", _EMPTY),
        Metric(
            "auc", "higher", "area under the ROC curve; more classes: mean of each against the rest", _ONE_SIDE, 0.5
        ),
    ),
    "labels": (
        Metric(
            "mean_average_precision", "higher", "mean over labels of average precision", "no label has a positive row"
        ),
        Metric("macro_auc", "higher", "mean over labels of the area under the ROC curve", _ONE_SIDE, 0.5),
        Metric("micro_f1", "higher", "F1 of all labels together, at probability 0.5", "nothing is positive"),
        Metric("macro_f1", "higher", "mean over labels of F1, at probability 0.5", "nothing is positive"),
    ),
    "ratings": (
        Metric("spearman", "higher", "correlation of the ranks of the mean rating", _CONSTANT, 0.0),
        Metric("pearson", "higher", "linear correlation of the mean rating", _CONSTANT, 0.0),
        Metric("emd", "lower", "mean earth mover's distance of the distributions, in units of the ratings", _EMPTY),
        Metric("mae", "lower", "mean absolute error of the mean rating", _EMPTY),
    ),
    "votes": (
        Metric("mae", "lower", "mean absolute error of the fractions, weighted by votes, mean over questions", _EMPTY),
        Metric("confident_accuracy", "higher", "share of confident votes predicted, mean over questions", _EMPTY),
    ),
}
_AVERAGE_PRECISION = Metric(
    "average_precision", "higher", "precision over recall, of the second class", "the second class is not there"
)


def metrics_of(kind: Kind, *, classes: int = 0, questions: Sequence[str] = ()) -> dict[str, Metric]:
    """The metrics of a kind of target by name, the first one to be quoted first.

    Args:
        kind: of the target.
        classes: how many, of a class; two have `average_precision` too.
        questions: of votes, by name; each has its own `mae:NAME` and `confident_accuracy:NAME` too.
    """
    metrics = list(_METRICS[kind]) + ([_AVERAGE_PRECISION] if kind == "class" and classes == 2 else [])
    for base in _METRICS["votes"] if kind == "votes" else ():
        meaning = base.meaning.removesuffix(", mean over questions")
        metrics += [
            Metric(f"{base.name}:{name}", base.better, meaning, "nobody was asked, or nobody was confident")
            for name in questions
        ]
    return {metric.name: metric for metric in metrics}


def statistics(
    kind: Kind,
    truth: npt.NDArray[Any],
    prediction: Floats,
    *,
    levels: Sequence[float] = (),
    questions: Mapping[str, slice] | None = None,
) -> dict[str, Statistic]:
    """Each metric of a kind as a function of how often each row counts.

    Args:
        kind: of the target.
        truth: (n,) or (n, o), as `Target.values` has it.
        prediction: (n,) of a number, else (n, o), see above.
        levels: (r,) what each rating is worth; of ratings only.
        questions: of votes only: its name, and which columns are its answers.

    Raises:
        Refused: shapes that do not belong together (nothing broadcasts), or a prediction that is not finite.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction, dtype=np.float64)
    _check(kind, truth, prediction)
    if kind == "number":
        return number_metrics.statistics(truth.astype(np.float64), prediction)
    if kind == "class":
        return class_metrics.statistics(truth.astype(np.int64), prediction)
    if kind == "labels":
        return label_metrics.statistics(truth.astype(np.float64), prediction)
    if kind == "ratings":
        if len(levels) != truth.shape[1]:
            raise Refused(f"{truth.shape[1]} ratings need as many levels, but have {len(levels)}")
        return rating_metrics.statistics(truth.astype(np.float64), prediction, np.asarray(levels, np.float64))
    if not questions:
        raise Refused("votes need their questions: a name, and which columns are its answers")
    return vote_metrics.statistics(truth.astype(np.float64), prediction, questions)


def measure(
    kind: Kind,
    truth: npt.NDArray[Any],
    prediction: Floats,
    *,
    levels: Sequence[float] = (),
    questions: Mapping[str, slice] | None = None,
) -> dict[str, float]:
    """Each metric of a kind, by name; NaN where it is not defined, `metrics_of` says when that is.

    Arguments and errors are those of `statistics`.

    >>> {name: round(value, 3) for name, value in measure("number", np.arange(4.0), np.array([0, 1, 3, 2])).items()}
    {'r2': 0.6, 'spearman': 0.8, 'pearson': 0.8, 'mae': 0.5, 'rmse': 0.707}
    """
    once = np.ones(len(truth))
    prepared = statistics(kind, truth, prediction, levels=levels, questions=questions)
    return {name: statistic(once) for name, statistic in prepared.items()}


def _check(kind: Kind, truth: npt.NDArray[Any], prediction: Floats) -> None:
    expected = truth.ndim if kind in {"number", "class"} else 2
    fits = len(truth) == len(prediction) and truth.ndim == expected
    if kind == "number":
        fits = fits and truth.shape == prediction.shape and truth.ndim == 1
    elif kind == "class":
        fits = fits and truth.ndim == 1 and prediction.ndim == 2
    else:
        fits = fits and truth.shape == prediction.shape
    if not fits:
        raise Refused(f"a truth of shape {truth.shape} cannot be compared with a prediction of {prediction.shape}")
    if not np.isfinite(prediction).all():
        row = int(np.flatnonzero(~np.isfinite(prediction.reshape(len(prediction), -1)).all(axis=1))[0])
        raise Refused(f"the prediction of row {row} is not finite")
