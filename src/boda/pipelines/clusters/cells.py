"""Cells of the class x cluster table: which images are in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boda.clusters.classes import rows_in
from boda.clusters.clustering import Clustering
from boda.errors import NotFound, Refused
from boda.keys import shown, to_json
from boda.pipelines.clusters.classes import Truth, read_truth
from boda.pipelines.clusters.keeping import load_clustering
from boda.pipelines.places import Where, opened

NONE = "none"
"""What "in no cluster" is called."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A cell as somebody asked for it."""

    text: str
    label: str | None
    """None: of any class."""
    cluster: int
    """-1: in no cluster."""


def asked_cell(text: str) -> Asked:
    """`CLASS,CLUSTER`; `CLUSTER` alone is all of it. A class may have commas.

    Raises:
        Refused: the cluster is no number.

    >>> asked_cell("bag, large,3")
    Asked(text='bag, large,3', label='bag, large', cluster=3)
    >>> asked_cell("none")
    Asked(text='none', label=None, cluster=-1)
    """
    label, comma, cluster = text.rpartition(",")
    cluster = cluster.strip()
    if cluster != NONE and not cluster.isdecimal():
        raise Refused(f"{shown(text)!r} is no cell: give CLASS,CLUSTER, such as bag,3, or a cluster alone, or none")
    return Asked(text, label.strip() if comma else None, -1 if cluster == NONE else int(cluster))


@dataclass(frozen=True, slots=True)
class Cell:
    """The images of one cell."""

    clustering: str
    label: str | None
    cluster: int
    keys: tuple[str, ...]

    @property
    def words(self) -> str:
        """What it is."""
        where = "in no cluster" if self.cluster < 0 else f"in cluster {self.cluster}"
        return f"{self.clustering}, {'all' if self.label is None else shown(self.label)} {where}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `cluster` is null for none."""
        return {
            "clustering": self.clustering,
            "class": self.label,
            "cluster": None if self.cluster < 0 else self.cluster,
            "keys": [to_json(key) for key in self.keys],
        }


@dataclass(frozen=True, slots=True)
class Cells:
    """The images of cells of a clustering that is kept."""

    workspace: str
    cells: tuple[Cell, ...]

    def as_json(self) -> dict[str, Any]:
        """`{"workspace", "cells": [{"clustering", "class", "cluster", "keys"}]}`."""
        return {"workspace": to_json(self.workspace), "cells": [one.as_json() for one in self.cells]}


def cells_of(name: str, clustering: Clustering, truth: Truth | None, asked: Sequence[Asked]) -> list[Cell]:
    """The cells that this clustering has, of those that are asked for.

    Raises:
        NotFound: no such class.
        Refused: a class of a clustering without classes.
    """
    return [_cell(name, clustering, truth, one) for one in asked if one.cluster < clustering.k]


def _cell(name: str, clustering: Clustering, truth: Truth | None, asked: Asked) -> Cell:
    one = None
    if asked.label is not None:
        if truth is None:
            raise Refused(f"{shown(asked.text)!r} is a cell of a table with classes: say which column with --labels")
        if asked.label not in truth.names:
            names = ", ".join(map(shown, truth.names[:12]))
            raise NotFound(f"column {shown(truth.column)!r} has no {shown(asked.label)!r}. There is: {names}")
        one = truth.names.index(asked.label)
    codes = np.full(len(clustering.labels), -1) if truth is None else truth.codes
    rows = rows_in(clustering.labels, codes, cluster=asked.cluster, one=one)
    return Cell(name, asked.label, asked.cluster, tuple(clustering.keys[row] for row in rows.tolist()))


def refuse_unknown(asked: Sequence[Asked], clusterings: Sequence[Clustering]) -> None:
    """Refuse clusters that there are not.

    Raises:
        NotFound: names the cluster, and how many there are.
    """
    most = max(one.k for one in clusterings)
    for one in asked:
        if one.cluster >= most:
            raise NotFound(f"{shown(one.text)!r}: there is no cluster {one.cluster}, only 0 to {most - 1}")


def kept_cells(workspace: Where, name: str, cells: Sequence[str], *, labels: str | None = None) -> Cells:
    """The images of cells of a clustering that is kept in a workspace; nothing is computed.

    Args:
        workspace: which.
        name: of the clustering.
        cells: each `CLASS,CLUSTER`, or `CLUSTER` alone.
        labels: the column of classes; None: the one the clustering was compared with.

    Raises:
        NotFound: no such clustering, column, class or cluster.
        Refused: a cell makes no sense, or an image is no longer in the workspace.
    """
    asked = [asked_cell(cell) for cell in cells]
    there = opened(workspace)
    clustering, _ = load_clustering(name, there)
    refuse_unknown(asked, [clustering])
    column = labels or (clustering.class_map.column if clustering.class_map is not None else None)
    truth = None
    if column is not None and any(one.label is not None for one in asked):
        there.refs(clustering.keys)  # says which image is no longer there
        truth = read_truth(there, column, clustering.keys)
    return Cells(str(there.path), tuple(cells_of(name, clustering, truth, asked)))
