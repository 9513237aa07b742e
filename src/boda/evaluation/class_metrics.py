"""Metrics of classes. With two classes the second one is the positive one."""

import numpy as np
import numpy.typing as npt

from boda.evaluation.weighted import (
    Floats,
    Statistic,
    Weights,
    auc_of,
    average_precision_of,
    mean_of,
    mean_of_defined,
)

_SMALLEST = float(np.finfo(np.float64).eps)  # as scikit-learn clips probabilities for the log loss


def statistics(truth: npt.NDArray[np.int64], probabilities: Floats) -> dict[str, Statistic]:
    """Metrics of (n, k) probabilities against (n,) classes.

    Classes that no drawn row has, in truth or prediction, are left out of means over classes.
    """
    rows, classes = probabilities.shape
    said = probabilities.argmax(axis=1)
    cells = truth * classes + said

    def confusion(weights: Weights) -> Floats:
        counts: Floats = np.bincount(cells, weights=weights, minlength=classes * classes).astype(np.float64)
        return counts.reshape(classes, classes)

    of_truth = np.clip(probabilities[np.arange(rows), truth], _SMALLEST, 1 - _SMALLEST)
    squares = np.square(probabilities - (truth[:, None] == np.arange(classes))).sum(axis=1)
    found: dict[str, Statistic] = {
        "accuracy": mean_of((said == truth).astype(np.float64)),
        "balanced_accuracy": lambda weights: _balanced_accuracy(confusion(weights)),
        "macro_f1": lambda weights: _macro_f1(confusion(weights)),
        "log_loss": mean_of(-np.log(of_truth)),
        "brier": mean_of(squares / 2 if classes == 2 else squares),
        "auc": macro_auc_of(truth, probabilities),
    }
    if classes == 2:
        found["average_precision"] = average_precision_of(probabilities[:, 1], truth == 1)
    return found


def _balanced_accuracy(confusion: Floats) -> float:
    right, all_of_them = np.diag(confusion), confusion.sum(axis=1)
    there = all_of_them > 0
    return mean_of_defined(right[there] / all_of_them[there])


def _macro_f1(confusion: Floats) -> float:
    right, either = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    there = either > 0
    return mean_of_defined(2 * right[there] / either[there])


def macro_auc_of(truth: npt.NDArray[np.int64], probabilities: Floats) -> Statistic:
    """Two classes: the second against the first. More: the mean over classes of each against the rest."""
    classes = probabilities.shape[1]
    if classes == 2:
        return auc_of(probabilities[:, 1], truth == 1)
    each = [auc_of(probabilities[:, one], truth == one) for one in range(classes)]
    return lambda weights: mean_of_defined([statistic(weights) for statistic in each])
