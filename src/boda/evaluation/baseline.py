"""The trivial predictor: what a model that ignores its inputs would say of the same rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.evaluation.metrics import Kind, metrics_of
from boda.evaluation.metrics import statistics as metric_statistics
from boda.evaluation.rating_metrics import shares_of
from boda.evaluation.weighted import Floats, Statistic, mean_of_defined


def predict(
    kind: Kind,
    truth: npt.NDArray[Any],
    folds: npt.NDArray[np.int64] | None,
    *,
    classes: int = 0,
    questions: Mapping[str, slice] | None = None,
) -> Floats:
    """For the rows of each fold, what is true on average of the others.

    The mean of a number; the shares of classes; of labels, where known; the mean distribution of ratings; the
    fractions of all votes of each question, even ones where nobody voted.

    Args:
        kind: of the target.
        truth: (n,) or (n, o), as `Target.values` has it.
        folds: (n,) the fold that holds each row out. None: the same of every row, what is true on average of all of
            them. Nobody knows that before a test, so it is if anything too good: of all that say one thing of every
            row none has a smaller squared error, log loss or Brier score.
        classes: how many, of a class.
        questions: of votes: name, and which columns are its answers.

    Returns:
        (n,) of a number, else (n, o), in the form of a prediction (see `metrics`).
    """
    width: tuple[int, ...] = (classes,) if kind == "class" else truth.shape[1:]
    prediction = np.empty((len(truth), *width))
    if folds is None:
        prediction[:] = typical(kind, truth, classes=classes, questions=questions)
        return prediction
    for fold in np.unique(folds):
        held_out = folds == fold
        prediction[held_out] = typical(kind, truth[~held_out], classes=classes, questions=questions)
    return prediction


def typical(
    kind: Kind, truth: npt.NDArray[Any], *, classes: int = 0, questions: Mapping[str, slice] | None = None
) -> Floats:
    """(o,) what is true of these rows on average, or () of a number; arguments are those of `predict`."""
    if kind == "number":
        return np.asarray(truth.mean(), np.float64)
    if kind == "class":
        shares: Floats = np.bincount(truth, minlength=classes) / max(1, len(truth))
        return shares
    fractions: Floats = np.empty(truth.shape[1])
    if kind == "labels":
        fractions[:] = [mean_of_defined(column) for column in truth.T]
        return np.where(np.isnan(fractions), 0.5, fractions)
    if kind == "ratings":
        rated = truth.sum(axis=1) > 0
        fractions[:] = shares_of(truth).sum(axis=0) / rated.sum() if rated.any() else 1 / truth.shape[1]
        return fractions
    for columns in (questions or {}).values():
        total = truth[:, columns].sum(axis=0)
        fractions[columns] = total / total.sum() if total.sum() else 1 / len(total)
    return fractions


def statistics(
    kind: Kind,
    truth: npt.NDArray[Any],
    folds: npt.NDArray[np.int64] | None,
    *,
    classes: int = 0,
    levels: Sequence[float] = (),
    questions: Mapping[str, slice] | None = None,
) -> dict[str, Statistic]:
    """Each metric of the trivial predictor, as a function of how often each row counts; arguments as of `predict`.

    Metrics that only look at order get what a constant is worth: a correlation of 0, an area of 0.5, a precision of
    the share of positives. Their value on `predict` would be no baseline, since the mean of the other folds is low
    just where a fold is high: left one by one, it correlates with the truth by exactly -1.
    """
    averages = predict(kind, truth, folds, classes=classes, questions=questions)
    constant = predict(kind, truth, None, classes=classes, questions=questions)
    by_fold = metric_statistics(kind, truth, averages, levels=levels, questions=questions)
    by_order = metric_statistics(kind, truth, constant, levels=levels, questions=questions)
    worth = {metric.name: metric.of_constant for metric in metrics_of(kind, classes=classes).values()}
    found: dict[str, Statistic] = {}
    for name, statistic in by_fold.items():
        value = worth.get(name)
        if value is not None:
            found[name] = lambda weights, value=value: value  # type: ignore[misc]
        elif name.endswith("average_precision"):
            found[name] = by_order[name]
        else:
            found[name] = statistic
    return found
