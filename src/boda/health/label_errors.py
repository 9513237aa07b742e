"""Probable label errors, by confident learning: images that models which had not seen them call otherwise, surely.

How sure is sure differs from class to class: the threshold of a class is the mean probability that its own images get
for it. Counting which given label goes with which other class above its threshold gives the joint distribution of given
and true labels; so many images of each given label as that joint has beside the diagonal are taken, those with the
largest margins first ("prune by noise rate").

Source: Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", Journal of
Artificial Intelligence Research 70, 2021.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.errors import Refused

_EPSILON = 1e-6  # a probability may miss its own threshold by so much and still count
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """What out-of-fold probabilities say of n given labels."""

    wrong: npt.NDArray[np.bool_]
    """(n,) probably wrong."""
    suggested: Labels
    """(n,) the likeliest class."""
    margin: Floats
    """(n,) probability of the given label less that of the likeliest other, -1..1; the lowest is the most doubtful."""
    thresholds: Floats
    """(k,) how sure is sure, by class; NaN of classes that no row is given."""
    joint: Counts
    """(k, k) estimated images by given (rows) and true label (columns)."""

    @property
    def rows(self) -> Labels:
        """The probable errors, the most suspicious first."""
        found = np.flatnonzero(self.wrong)
        return found[np.argsort(self.margin[found], kind="stable")].astype(np.int64)


def label_errors(labels: Labels, probabilities: Floats) -> LabelErrors:
    """Find labels that are probably wrong.

    Args:
        labels: (n,) given, 0 to k - 1.
        probabilities: (n, k) by models that had not seen the row; each row adds up to 1.

    Raises:
        Refused: shapes differ, fewer than two classes, labels beyond them, or what is no probability.
    """
    _check(labels, probabilities)
    thresholds = class_thresholds(labels, probabilities)
    joint = confident_joint(labels, probabilities)
    wrong = pruned_by_noise_rate(labels, probabilities, joint)
    return LabelErrors(wrong, probabilities.argmax(axis=1), margins(labels, probabilities), thresholds, joint)


def class_thresholds(labels: Labels, probabilities: Floats) -> Floats:
    """(k,) mean probability of each class over the rows that are given it; NaN where there are none."""
    k = probabilities.shape[1]
    counts = np.bincount(labels, minlength=k)
    sums = np.bincount(labels, weights=self_confidence(labels, probabilities), minlength=k)
    found: Floats = np.divide(sums, counts, out=np.full(k, np.nan), where=counts > 0)
    return found


def self_confidence(labels: Labels, probabilities: Floats) -> Floats:
    """(n,) probability of the given label."""
    found: Floats = probabilities[np.arange(len(labels)), labels]
    return found


def margins(labels: Labels, probabilities: Floats) -> Floats:
    """(n,) probability of the given label less that of the likeliest other class."""
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    found: Floats = self_confidence(labels, probabilities) - others.max(axis=1)
    return found


def confident_joint(labels: Labels, probabilities: Floats) -> Counts:
    """(k, k) images by given and true label, scaled to as many of each given label as there are.

    A row counts for the class above its threshold; of several for the likeliest. Rows without any count for none.
    """
    k = probabilities.shape[1]
    sure = probabilities >= np.nan_to_num(class_thresholds(labels, probabilities), nan=np.inf) - _EPSILON
    some = sure.any(axis=1)
    true = np.where(sure, probabilities, -np.inf).argmax(axis=1)
    counted = np.bincount(labels[some] * k + true[some], minlength=k * k).reshape(k, k)
    return _scaled(counted.astype(np.float64), np.bincount(labels, minlength=k))


def pruned_by_noise_rate(labels: Labels, probabilities: Floats, joint: Counts) -> npt.NDArray[np.bool_]:
    """(n,) of each given and other class so many rows as the joint says, those with the largest margins.

    A row whose given label is the likeliest is never one; nor is the only row of a class.
    """
    wrong = np.zeros(len(labels), bool)
    for given in range(len(joint)):
        rows = np.flatnonzero(labels == given)
        if len(rows) < 2:
            continue
        for other in np.flatnonzero(joint[given]):
            if other != given:
                margin = probabilities[rows, other] - probabilities[rows, given]
                wrong[rows[np.argsort(-margin, kind="stable")[: joint[given, other]]]] = True
    likeliest = self_confidence(labels, probabilities) >= probabilities.max(axis=1)
    found: npt.NDArray[np.bool_] = wrong & ~likeliest
    return found


def _scaled(counted: Floats, given: Counts) -> Counts:
    """Rows that add up to `given`, in whole numbers: rounded down, the largest remainders up."""
    empty = counted.sum(axis=1) == 0
    counted[empty, empty] = 1
    wanted = counted / counted.sum(axis=1, keepdims=True) * given[:, None]
    whole = np.floor(wanted).astype(np.int64)
    for row, short in enumerate(given - whole.sum(axis=1)):
        whole[row, np.argsort(whole[row] - wanted[row], kind="stable")[:short]] += 1
    found: Counts = whole
    return found


def _check(labels: Labels, probabilities: Floats) -> None:
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise Refused(f"labels of shape {labels.shape} do not fit probabilities of shape {probabilities.shape}")
    if probabilities.shape[1] < 2:
        raise Refused("label errors need at least two classes")
    if len(labels) and (labels.min() < 0 or labels.max() >= probabilities.shape[1]):
        raise Refused(f"a label is not among the {probabilities.shape[1]} classes of the probabilities")
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all()):
        raise Refused("a probability is negative, NaN or infinite")
