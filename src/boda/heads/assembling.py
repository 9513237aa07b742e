"""Assembling: rows of a workspace become the inputs of a head."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound, Refused
from boda.heads import columns
from boda.heads.inputs import CategoryInput, FeatureInput, Input, Inputs, NumberInput, Rows, Scaling
from boda.keys import from_text, shown
from boda.recipe import Recipe
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

_FEW = 8
"""Views that a message names."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One input that was asked for."""

    name: str
    """Of the column, or how the feature set was called."""
    recipe: Recipe | None = None
    """Of a feature set; None for a column."""
    scaling: Scaling = "standardised"
    category: bool = False
    """A column of names rather than numbers."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` undoes it."""
        recipe = self.recipe.as_json() if self.recipe else None
        return {"name": self.name, "recipe": recipe, "scaling": self.scaling, "category": self.category}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Wanted":
        """What `as_json` wrote."""
        recipe = Recipe.from_json(record["recipe"]) if record["recipe"] else None
        return cls(record["name"], recipe, record["scaling"], record["category"])


@dataclass(frozen=True, slots=True)
class Unit:
    """Several images that are one thing: the rooms of a house, the exposures of a field."""

    column: str
    """Images that agree here are one row."""
    view: str | None = None
    """The column that tells the images of a unit apart; their features stand side by side. None: they are averaged."""
    views: tuple[str, ...] = ()
    """Of a head that exists, in its order."""


@dataclass(frozen=True, eq=False)
class Assembled:
    """Rows with all inputs, in the order of the frame."""

    keys: tuple[str, ...]
    """(n,) of images; of units their names."""
    contents: tuple[bytes | None, ...]
    """(n,); equal where the files are."""
    inputs: Inputs
    table: "pa.Table"
    """(n) rows of the frame; of a unit its first image's."""
    unit: Unit | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Why images of the frame are no rows, and how many."""
    members: tuple[tuple[int, ...], ...] = ()
    """(n,) of units: the rows of `images` that each is made of; () where a row is one image."""
    images: "pa.Table | None" = None
    """Of units: the rows of the frame that have features, one an image."""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Rows) -> "Assembled":
        """Only these rows."""
        keys, contents = (tuple(values[row] for row in rows.tolist()) for values in (self.keys, self.contents))
        members = tuple(self.members[row] for row in rows.tolist()) if self.unit is not None else ()
        inputs, table = self.inputs.take(rows), self.table.take(rows)
        return Assembled(keys, contents, inputs, table, self.unit, self.left_out, members, self.images)

    def files(self) -> list[tuple[str | None, ...]]:
        """(n,) digests of the image files that each row is made of."""
        if self.unit is None or self.images is None:
            return [(one,) for one in self.table["content"].to_pylist()]
        contents = self.images["content"].to_pylist()
        return [tuple(contents[image] for image in images) for images in self.members]

    def refuse_disagreement(self, name: str) -> None:
        """A column that is the target or the groups must say one thing of one unit.

        Raises:
            Refused: it says two; names the unit.
        """
        if self.unit is not None and self.images is not None and name in self.images.column_names:
            _refuse_disagreement(self.images, name, dict(zip(self.keys, self.members, strict=True)), self.unit)


def wanted_inputs(
    workspace: Workspace, table: "pa.Table", names: Sequence[str] = (), scaling: Scaling = "standardised"
) -> list[Wanted]:
    """What the names of inputs mean in a workspace: feature sets first, then columns; none: the latest feature set.

    Args:
        workspace: where feature sets are.
        table: its frame.
        names: of feature sets (name, id or beginning of an id) and columns; `COLUMN:category` for numbers that are
            names, as zip codes.
        scaling: of features.

    Raises:
        NotFound: neither a feature set nor a column; names near ones.
    """
    if not names:
        recipe = workspace.recipe()
        return [Wanted(recipe.name or recipe.id, recipe, scaling)]
    return [_wanted(workspace, table, name.strip(), scaling) for name in names]


def _wanted(workspace: Workspace, table: "pa.Table", name: str, scaling: Scaling) -> Wanted:
    try:
        recipe = workspace.recipe(name)
    except NotFound as error:
        bare, _, kind = name.rpartition(":")
        if kind == "category" and bare in table.column_names:
            return Wanted(bare, category=True)
        try:
            if name in table.column_names:
                return Wanted(name, category=not columns.is_number(columns.column(table, name)))
            columns.numbers(table, name)
        except NotFound as missing:
            raise NotFound(f"{error}; and {missing}") from missing
        return Wanted(name)
    return Wanted(name, recipe, scaling)


def assemble(
    workspace: Workspace,
    table: "pa.Table",
    wanted: Sequence[Wanted],
    unit: Unit | None = None,
    *,
    may_be_empty: bool = False,
) -> Assembled:
    """The rows that have features of every set that is wanted; columns may be missing, features not.

    Args:
        workspace: whose features.
        table: its frame, or some rows of it.
        wanted: inputs, in order.
        unit: what a row is, where it is not one image.
        may_be_empty: no row at all is an answer too.

    Raises:
        NotFound: no such features or column.
        Refused: no row has all of them.
    """
    places, arrays = _feature_places(workspace, table, wanted)
    rows = np.flatnonzero((places >= 0).all(axis=0))
    left_out = {"no features": table.num_rows - len(rows)} if len(rows) < table.num_rows else {}
    if not len(rows) and not may_be_empty:
        sets = ", ".join(one.name for one in wanted if one.recipe)
        raise Refused(f"{workspace.path}: no image has features of {sets}; make them with: boda embed")
    here = table.take(rows)
    places = places[:, rows]
    if unit is None:
        blocks = _blocks(here, wanted, arrays, places)
        keys = tuple(from_text(key) for key in here["key"].to_pylist())
        contents = tuple(bytes.fromhex(one) if one else None for one in here["content"].to_pylist())
        return Assembled(keys, contents, Inputs(blocks), here, None, left_out)
    assembled = _assemble_units(here, wanted, arrays, places, unit, left_out)
    if not len(assembled) and not may_be_empty:
        if unit.view is None:
            raise Refused(f"no image has a value of {shown(unit.column)!r}: give another --unit")
        views = assembled.unit.views if assembled.unit else ()
        named = ", ".join(map(shown, views[:_FEW])) + (f" and {len(views) - _FEW:,} more" if len(views) > _FEW else "")
        raise Refused(f"no {shown(unit.column)} has all its views: {named or 'there are none'}")
    return assembled


def _feature_places(
    workspace: Workspace, table: "pa.Table", wanted: Sequence[Wanted]
) -> tuple[npt.NDArray[np.intp], list[Any]]:
    """For each feature set, the row of every image of the table in its array, -1 where it has none."""
    keys = [from_text(key) for key in table["key"].to_pylist()]
    places, arrays = [np.zeros(len(keys), np.intp)], []
    for one in wanted:
        if one.recipe is None:
            continue
        features = workspace.features(one.recipe)
        arrays.append(features.array)
        if len(features.keys) == len(keys) and features.keys == keys:
            places.append(np.arange(len(keys)))
        else:
            row_of = {key: row for row, key in enumerate(features.keys)}
            places.append(np.array([row_of.get(key, -1) for key in keys], np.intp))
    return np.stack(places), arrays


def _blocks(
    table: "pa.Table", wanted: Sequence[Wanted], arrays: Sequence[Any], places: npt.NDArray[np.intp]
) -> tuple[Input, ...]:
    blocks: list[Input] = []
    sets = 0
    for one in wanted:
        if one.recipe is not None:
            index = places[sets + 1]
            whole = len(index) == len(arrays[sets]) and bool((index == np.arange(len(index))).all())
            blocks.append(
                FeatureInput(one.name, one.recipe.id, arrays[sets], None if whole else index, scaling=one.scaling)
            )
            sets += 1
        else:
            blocks.append(_column(table, one))
    return tuple(blocks)


def _column(table: "pa.Table", one: Wanted) -> NumberInput | CategoryInput:
    if one.category:
        return CategoryInput(one.name, columns.texts(table, one.name))
    return NumberInput(one.name, columns.numbers(table, one.name))


def _assemble_units(
    table: "pa.Table",
    wanted: Sequence[Wanted],
    arrays: Sequence[Any],
    places: npt.NDArray[np.intp],
    unit: Unit,
    left_out: dict[str, int],
) -> Assembled:
    members = _members(table, unit)
    views = unit.views
    if unit.view is not None:
        named = columns.texts(table, unit.view)
        views = views or tuple(sorted({str(view) for view in named if view is not None}))
        images = _by_view(members, named, views)
        short = sum(1 for rows in images.values() if rows is None)
        left_out = left_out | ({"a view is missing": short} if short else {})
        complete = {name: rows for name, rows in images.items() if rows is not None}
    else:
        complete = dict(members)
    firsts = np.array([rows[0] for rows in complete.values()], np.intp)
    for one in wanted:
        if one.recipe is None:
            _refuse_disagreement(table, one.name, members, unit)
    blocks: list[Input] = []
    sets = 0
    for one in wanted:
        if one.recipe is None:
            blocks.append(_column(table.take(firsts), one))
            continue
        array, index = arrays[sets], places[sets + 1]
        sets += 1
        if unit.view is None:
            means = np.zeros((len(complete), array.shape[1]))
            for row, rows_of_one in enumerate(complete.values()):
                means[row] = array[index[rows_of_one]].mean(axis=0, dtype=np.float64)
            blocks.append(FeatureInput(one.name, one.recipe.id, means.astype(np.float32), scaling=one.scaling))
        for place, view in enumerate(views if unit.view is not None else ()):
            at = np.array([index[rows[place]] for rows in complete.values()], np.intp)
            blocks.append(FeatureInput(f"{one.name}@{view}", one.recipe.id, array, at, scaling=one.scaling))
    contents = columns.column(table, "content").to_pylist()
    files = [[str(contents[row]) for row in rows] for rows in complete.values()]
    ordered = files if unit.view is not None else map(sorted, files)  # an average knows no order
    digests = tuple(hashlib.sha256("".join(one).encode()).digest() for one in ordered)
    settled = Unit(unit.column, unit.view, views)
    of_units = tuple(map(tuple, complete.values()))
    first_images = table.take(firsts)
    return Assembled(tuple(complete), digests, Inputs(tuple(blocks)), first_images, settled, left_out, of_units, table)


def _members(table: "pa.Table", unit: Unit) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for row, name in enumerate(columns.texts(table, unit.column)):
        if name is not None:
            members.setdefault(name, []).append(row)
    return members


def _by_view(
    members: Mapping[str, list[int]], named: npt.NDArray[np.object_], views: Sequence[str]
) -> dict[str, list[int] | None]:
    """The first image of each view, in the order of the views; None for a unit that lacks one."""
    found: dict[str, list[int] | None] = {}
    for name, rows in members.items():
        seen: dict[str, int] = {}
        for row in rows:
            seen.setdefault(named[row], row)
        found[name] = [seen[view] for view in views] if all(view in seen for view in views) else None
    return found


def _refuse_disagreement(table: "pa.Table", column: str, members: Mapping[str, Sequence[int]], unit: Unit) -> None:
    """A column must say the same for all images of one unit."""
    values: Sequence[Any] | npt.NDArray[Any]
    if column not in table.column_names:
        values = columns.numbers(table, column)
    elif columns.is_list(table[column]):
        values = columns.lists(table, column)
    else:
        values = columns.texts(table, column)
    for name, rows in members.items():
        said = {str(values[row]) for row in rows}
        if len(said) > 1:
            a, b, *_ = sorted(said)
            raise Refused(
                f"column {shown(column)!r} says both {shown(a)} and {shown(b)} of {shown(unit.column)} {shown(name)}: "
                "input, target and groups must say one thing of one unit"
            )
