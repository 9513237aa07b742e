"""Kin: which labelled rows are new to a head, and which are too much like what it learned from to test it.

Another photograph of a patient it knows, or one that it knows saved again, was not in its training and is no test of
it either: in training both would have been on one side of every fold. So rows of a group that it was trained on are
kin to it, and copies (see `evaluation/copies.py`) of training rows or of such kin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.evaluation.groups import join, sharing
from boda.evaluation.weighted import Floats
from boda.heads import columns
from boda.heads.answers import points_of
from boda.heads.asking import read_target
from boda.heads.assembling import Assembled, assemble
from boda.heads.head import Head
from boda.heads.target import Target
from boda.keys import shown
from boda.pipelines.heads.material import copies_of
from boda.workspace.workspace import Workspace

_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tested:
    """n labelled rows that a head was not trained on, and what it says of them."""

    head: Head
    assembled: Assembled
    target: Target
    points: Floats
    """As `Answers.points`."""
    of_group: _Flags
    """(n,) of a group that it was trained on."""
    copied: _Flags
    """(n,) of no such group, but copies of rows that it was trained on, or of such a group."""
    groups: npt.NDArray[np.int64]
    """(n,) rows that say nearly the same: copies, or of one group where the head was trained by groups."""
    trained_on: int
    """Labelled rows besides these, which it was trained on."""
    warnings: tuple[str, ...] = ()
    """What could not be looked for, and why."""

    @property
    def kin(self) -> _Flags:
        """(n,)."""
        return self.of_group | self.copied

    @property
    def unseen(self) -> _Flags:
        """(n,)."""
        return ~self.kin


def tell_apart(workspace: Workspace, head: Head) -> Tested:
    """The labelled rows of a workspace as a head knows them.

    Copies are looked for among all rows with features that it was trained on, labelled or not, by the cached features.

    Raises:
        NotFound: the workspace has no features of the head's recipes, or lacks a column.
        Refused: no labelled row has all inputs.
    """
    everything = assemble(workspace, workspace.frame(), head.wanted, head.unit)
    rows, target = read_target(everything.table, head.asked, head.target.tree)
    trained = head.trained.seen(everything.keys, everything.contents)
    fresh = np.zeros(len(everything), bool)
    fresh[rows] = ~trained[rows]
    of_group, copied, warnings = _kin(head, everything, trained, fresh)
    places = np.flatnonzero(~trained[rows])
    tested = everything.take(rows[places])
    return Tested(
        head,
        tested,
        target.take(places),
        points_of(head.target, head.outputs(tested.inputs), head.calibration),
        of_group[rows[places]],
        copied[rows[places]],
        _groups(head, tested),
        len(rows) - len(places),
        warnings,
    )


def _kin(head: Head, everything: Assembled, trained: _Flags, fresh: _Flags) -> tuple[_Flags, _Flags, tuple[str, ...]]:
    """Which rows are of a known group, which fresh ones of no such group are copies, and what was not looked for."""
    nobody = np.zeros(len(everything), bool)
    if not fresh.any():
        return nobody, nobody, ()
    if not head.trained.known:
        return nobody, nobody, ("it came without its rows: any of these may be among them, or kin to them",)
    absent = head.trained.absent(everything.keys, everything.contents)
    of_group, no_groups = _of_known_group(head, everything, trained, absent)
    copied, not_compared = _copied(everything, trained | of_group, fresh)
    far = ""
    if absent and head.recipes:
        far = (
            f"{absent:,} of the {len(head.trained.keys):,} rows it was trained on are not in this workspace: "
            "near-duplicates of them were not looked for"
        )
    return of_group, copied, tuple(why for why in (no_groups, far, not_compared) if why)


def _of_known_group(head: Head, everything: Assembled, trained: _Flags, absent: int) -> tuple[_Flags, str]:
    """(n,) whether a row is of a group that the head was trained on; and why that is not known of all, "" if it is.

    A unit of images is a group of its own: with another photograph it is still the same house.
    """
    named = set(head.trained.keys) if head.unit is not None else set()
    of_group = np.array([key in named for key in everything.keys], bool)
    column = _group_column(head)
    if column is None:
        return of_group, ""
    if column not in everything.table.column_names:
        why = (
            f"there is no column {shown(column)!r} here: which rows are of a group that it was trained on is not known"
        )
        return of_group, why
    values = _texts(everything, column)
    known = set(head.trained.groups or ())
    known.update(value for row in np.flatnonzero(trained).tolist() for value in values[row])
    known -= {None, ""}
    of_group |= np.array([not known.isdisjoint(of_row) for of_row in values], bool)
    if absent and head.trained.groups is None:
        why = (
            f"it does not say which groups of {shown(column)!r} it was trained on: only those of the training rows "
            "that are here are known; train it again"
        )
        return of_group, why
    return of_group, ""


def _texts(assembled: Assembled, column: str) -> Sequence[tuple[str | None, ...]]:
    """(n,) what a column says of the images that each row is made of."""
    if assembled.unit is None or assembled.images is None:
        return [(value,) for value in columns.texts(assembled.table, column)]
    values = columns.texts(assembled.images, column)
    return [tuple(values[image] for image in images) for images in assembled.members]


def _copied(everything: Assembled, known: _Flags, fresh: _Flags) -> tuple[_Flags, str]:
    """(n,) whether a fresh row that is not known is a copy of one that is; and why copies were not looked for."""
    copied = np.zeros(len(everything), bool)
    if not known.any() or not fresh.any():
        return copied, ""
    rows = np.concatenate([np.flatnonzero(fresh & ~known), np.flatnonzero(known)])
    groups, not_compared = copies_of(everything.take(rows), new=int((fresh & ~known).sum()))
    copied[rows] = np.isin(groups, groups[known[rows]])
    return copied & fresh & ~known, not_compared


def _groups(head: Head, assembled: Assembled) -> npt.NDArray[np.int64]:
    """(n,) rows that are one draw: copies, as in training, and rows of one value of its column of groups."""
    same_file = sharing(assembled.files())
    copies = join(same_file, copies_of(assembled)[0]) if len(assembled) else same_file
    column = _group_column(head)
    if column is None or column not in assembled.table.column_names:
        return copies
    return join(copies, columns.texts(assembled.table, column))


def _group_column(head: Head) -> str | None:
    """The column of groups that a head was trained with."""
    column: str | None = head.evaluation.get("folds", {}).get("by")
    return None if column == "rows" and head.trained.groups is None else column  # `rows` is said where there is none
