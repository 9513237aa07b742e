"""Predicting: classes from clusters, by a map that is learned on training rows only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.clusters.agreement import Labels, matching
from boda.clusters.classes import class_table
from boda.errors import Refused
from boda.evaluation.bootstrap import Groups
from boda.evaluation.plain import as_plain
from boda.evaluation.proportion import Share, share_of

How: TypeAlias = Literal["majority", "matched"]

HOW: dict[How, str] = {
    "majority": "each cluster is the class of most of its training rows",
    "matched": "clusters and classes are matched one to one (Hungarian), so that most training rows are right",
}


@dataclass(frozen=True, eq=False)
class ClassMap:
    """Which class each cluster is."""

    how: How
    column: str
    """The labels it was learned from."""
    names: tuple[str, ...]
    """(c,) the classes."""
    of: tuple[int, ...]
    """(k,) the class of each cluster; -1 for a cluster without one: no training row in it, or none left to match."""

    def __call__(self, labels: Labels) -> npt.NDArray[np.int64]:
        """(n,) the class of rows by their clusters; -1 where there is none."""
        return np.array([*self.of, -1], np.int64)[labels]  # the last is for rows in no cluster

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` undoes it."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "ClassMap":
        """The map that `as_json` wrote.

        Raises:
            ValueError: it makes no sense.
        """
        names, of = tuple(record["names"]), tuple(record["of"])
        if record["how"] not in HOW or not all(isinstance(one, int) and -1 <= one < len(names) for one in of):
            raise ValueError("a map from clusters to classes makes no sense")
        return cls(record["how"], str(record["column"]), tuple(str(name) for name in names), of)


def learn_classes(
    labels: Labels, truth: Labels, names: tuple[str, ...], *, k: int, how: How = "majority", column: str = "class"
) -> ClassMap:
    """Learn which class each cluster is.

    Args:
        labels: (n,) the cluster of each training row, -1 for none.
        truth: (n,) its class, -1 where it is not known.
        names: (c,) of the classes.
        k: how many clusters.
        how: `majority` or `matched`.
        column: where the classes are from.

    Raises:
        Refused: labels and classes are not of the same rows, or no class is known in any cluster.
    """
    if how not in HOW:
        raise Refused(f"classes cannot be learned by {how!r}: choose one of {', '.join(HOW)}")
    counts = class_table(labels, truth, names, k=k).counts
    if not counts.any():
        raise Refused("no row of a cluster has a class to learn from")
    found = matching(counts) if how == "matched" else counts.argmax(axis=0)
    return ClassMap(how, column, names, tuple(np.where(counts.any(axis=0), found, -1).tolist()))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How good the classes are of rows whose own class was not looked at for the map."""

    accuracy: Share
    """Right rows; a row without a predicted class is wrong."""
    baseline: Share
    """Of the same rows those that are right when each is said to be of the largest class of the training rows."""
    without: int
    """Rows for which there was no class to say."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def held_out(
    labels: Labels,
    truth: Labels,
    folds: npt.NDArray[np.int64],
    names: tuple[str, ...],
    *,
    k: int,
    how: How = "majority",
    groups: Groups | None = None,
) -> HeldOut:
    """Predict each row by the map that the rows of other folds give, and compare.

    The clusters themselves were found in all rows, without their classes.

    Args:
        labels: (n,) the cluster of each row, -1 for none.
        truth: (n,) its class, -1 where it is not known: such rows neither teach nor count.
        folds: (n,) the fold that holds each row out; at least two.
        names: (c,) of the classes.
        k: how many clusters.
        how: `majority` or `matched`.
        groups: (n,) of rows that say nearly the same, for the intervals.

    Raises:
        Refused: as `learn_classes`; fewer than two folds.
    """
    if len(np.unique(folds)) < 2:
        raise Refused("rows cannot be held out of one fold: give at least two")
    said, usual = np.full(len(truth), -1), np.full(len(truth), -1)
    for fold in np.unique(folds):
        inside = folds == fold
        said[inside] = learn_classes(labels[~inside], truth[~inside], names, k=k, how=how)(labels[inside])
        rest = truth[~inside]
        usual[inside] = np.bincount(rest[rest >= 0], minlength=len(names)).argmax()
    known = truth >= 0
    kin = None if groups is None else groups[known]
    return HeldOut(
        share_of((said == truth)[known], groups=kin),
        share_of((usual == truth)[known], groups=kin),
        int((said[known] < 0).sum()),
    )
