"""Clusters beside a column of labels: the table, how far they agree, and which class a new image has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.clusters.agreement import Labels
from boda.clusters.classes import (
    DESCRIBED,
    ClassTable,
    agreement_with_classes,
    class_table,
    describe,
)
from boda.clusters.clustering import Clustering
from boda.clusters.grouping import WAYS, ClassGroups, group_classes
from boda.clusters.predicting import ClassMap, HeldOut, How, held_out, learn_classes
from boda.errors import Refused
from boda.evaluation.bootstrap import Interval
from boda.evaluation.copies import group_copies
from boda.evaluation.folds import split
from boda.evaluation.plain import as_plain
from boda.heads import columns
from boda.keys import from_text, shown
from boda.workspace.workspace import Workspace

FOLDS = 5
MOST = 500
"""Classes; a column of more values is no column of classes."""
_FEW = 20
"""Classes that need not have two rows each on average."""

Numbers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Truth:
    """The class of each row, which no cluster was told."""

    column: str
    names: tuple[str, ...]
    """(c,) in order."""
    codes: Numbers
    """(n,) places in `names`, -1 where nobody said."""
    copies: Numbers
    """(n,) rows of one file have one number: they are never on both sides of a test."""


def read_truth(workspace: Workspace, column: str, keys: Sequence[str]) -> Truth:
    """The classes of these rows.

    Args:
        workspace: whose columns.
        column: of classes.
        keys: (n,) of the rows.

    Raises:
        NotFound: no such column; names near ones.
        Refused: it has one value, or so many that they are no classes.
    """
    table = workspace.frame()
    row_of = {from_text(key): row for row, key in enumerate(table["key"].to_pylist())}
    rows = [row_of[key] for key in keys]
    said = columns.texts(table, column)[rows]
    names = sorted({one for one in said if one is not None}, key=_order)
    known = sum(one is not None for one in said)
    if len(names) < 2 or len(names) > min(MOST, max(_FEW, known // 2)):
        raise Refused(
            f"column {shown(column)!r} has {len(names):,} different values in {known:,} rows: --labels takes a column "
            f"of classes, from 2 to {MOST} of them"
        )
    place = {name: number for number, name in enumerate(names)}
    codes = np.array([-1 if one is None else place[one] for one in said], np.int64)
    contents = table["content"].to_pylist()
    copies = group_copies([contents[row] for row in rows], None).groups
    return Truth(column, tuple(names), codes, copies)


def _order(name: str) -> tuple[int, str]:
    """Numbers by size and before words."""
    return (int(name), name) if name.isdecimal() and len(name) < 10 else (10**9, name)


@dataclass(frozen=True, eq=False)
class Classes:
    """One clustering beside the classes of its rows."""

    truth: Truth
    table: ClassTable
    agreement: dict[str, Interval]
    """`accuracy`, `nmi` and `ari`."""
    described: npt.NDArray[np.float64]
    """(c, 8) of the cluster numbers of each class."""
    groups: ClassGroups | None
    """None where no row with a class is in a cluster, as for the next."""
    class_map: ClassMap | None
    held_out: HeldOut | None
    """None where too few rows have a class."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        names = self.truth.names
        described = {
            name: dict(zip(DESCRIBED, as_plain(row), strict=True))
            for name, row in zip(names, self.described, strict=True)
        }
        return {
            "column": self.truth.column,
            "table": self.table.as_json(),
            "agreement": {name: one.as_json() for name, one in self.agreement.items()},
            "described": described,
            "groups": None if self.groups is None else _named_groups(self.groups, names),
            "map": None if self.class_map is None else self.class_map.as_json(),
            "held_out": None if self.held_out is None else self.held_out.as_json(),
        }


def _named_groups(groups: ClassGroups, names: Sequence[str]) -> dict[str, Any]:
    """Groups as lists of names, by each way."""
    by = {
        way: [
            [names[one] for one in np.flatnonzero(np.array(numbers) == group).tolist()]
            for group in range(max(numbers) + 1)
        ]
        for way, numbers in groups.groups.items()
    }
    return {"by": by, "ways": dict(WAYS), "trivial": groups.trivial, "notes": list(groups.notes)}


def compare_with(clustering: Clustering, truth: Truth, *, groups: int | None, how: How, seed: int) -> Classes:
    """Put a clustering beside the classes of its rows.

    Args:
        clustering: with its labels.
        truth: of the same rows.
        groups: how many groups of classes; None: as many as clusters.
        how: classes are learned from clusters.
        seed: of folds, bootstrap and starts.
    """
    labels, codes, k, names = clustering.labels, truth.codes, clustering.k, truth.names
    table = class_table(labels, codes, names, k=k)
    rng = np.random.default_rng([seed, 11])
    agreement = agreement_with_classes(labels, codes, k=k, classes=len(names), groups=truth.copies, rng=rng)
    there = bool(table.counts.any())
    return Classes(
        truth,
        table,
        agreement,
        describe(labels, codes, classes=len(names)),
        group_classes(table.counts, groups or max(k, 1), rng=rng) if there else None,
        learn_classes(labels, codes, names, k=k, how=how, column=truth.column) if there else None,
        _held_out(labels, truth, k, how, seed) if there else None,
    )


def _held_out(labels: Labels, truth: Truth, k: int, how: How, seed: int) -> HeldOut | None:
    """Each fifth of the rows by what the others say; None where the rows or their files are too few for that."""
    known = np.flatnonzero(truth.codes >= 0)
    if len(np.unique(truth.copies[known])) < 2 * FOLDS:
        return None
    rng = np.random.default_rng([seed, 12])
    codes, copies = truth.codes[known], truth.copies[known]
    folds = split(len(known), folds=FOLDS, strata=codes, groups=copies, rng=rng)
    inside = labels[known] >= 0
    if any(not inside[folds != fold].any() for fold in range(FOLDS)):
        return None
    return held_out(labels[known], codes, folds, truth.names, k=k, how=how, groups=copies)
