"""What is asked of a table: columns become a target."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.heads import columns
from boda.heads.inputs import Rows
from boda.heads.target import Kind, Target, first_bad
from boda.keys import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from boda.heads.vote_tree import VoteTree

_MOST_CLASSES = 20
"""Whole numbers with at most so many values are taken for classes, unless somebody says otherwise."""
_REST = "other"


@dataclass(frozen=True, slots=True)
class Asked:
    """A target as somebody wrote it; with a table it becomes a `Target`."""

    text: str
    """A column; `log10(COLUMN)`; `COLUMN=VALUE` for one class against the rest; several columns, with commas between or
    by a pattern (`count_*`), for labels, ratings or votes."""
    kind: Kind | None = None
    """None: told by the values."""
    tree: str | None = None
    """Of votes: gz2, decals, nine, or a TOML file."""
    total: str | None = None
    """Of votes that are fractions: the column that says how many people were asked."""
    names: tuple[str, ...] = ()
    """Of a head that exists: its classes, labels, ratings or answers, in its order; others are refused."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"names": list(self.names)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Asked":
        """What `as_json` wrote."""
        return cls(**{**record, "names": tuple(record["names"])})


def read_target(table: "pa.Table", asked: Asked, tree: "VoteTree | None" = None) -> tuple[Rows, Target]:
    """The rows of a table whose target is known, and the target of these.

    Args:
        table: of rows.
        asked: what is read from it.
        tree: of a head that exists: its own, whatever is in the file that it came from by now.

    Raises:
        NotFound: no such column.
        Refused: no row is known, the values do not suit the kind, or only one class is there.
    """
    kind = asked.kind or _kind(table, asked)
    rows, target = _votes(table, asked, tree) if kind == "votes" else _READERS[kind](table, asked)
    if not len(rows):
        raise Refused(f"target {shown(asked.text)!r}: no image has a value of it; join labels with: boda label")
    if target.kind == "class" and not asked.names and len(np.unique(target.values)) < 2:
        raise Refused(f"target {shown(asked.text)!r}: all rows are {target.names[0]!r}; there is nothing to learn")
    if target.kind == "number" and not asked.names and len(rows) > 1 and np.ptp(target.values) == 0:
        raise Refused(f"target {shown(asked.text)!r}: all rows are {target.values[0]:g}; there is nothing to learn")
    return rows, target


def columns_asked(table: "pa.Table", asked: Asked) -> list[str]:
    """The columns of a table that a target is read from; of votes none is named one by one."""
    bare = [asked.text, asked.text.partition("=")[0], columns.inside(asked.text)]
    found = next((name for name in bare if name in table.column_names), None)
    if found is not None:
        return [found]
    return [] if asked.tree is not None else columns.matching(table, asked.text)


def _kind(table: "pa.Table", asked: Asked) -> Kind:
    if asked.tree is not None:
        return "votes"
    text = asked.text
    if text not in table.column_names:
        if "=" in text and text.partition("=")[0] in table.column_names:
            return "class"
        if any(sign in text for sign in ",*?"):
            return _kind_of_many(table, columns.matching(table, text))
        if "(" in text:
            return "number"
    values = columns.column(table, text)
    if columns.is_list(values):
        first: list[object] = next((row for row in values.to_pylist() if row), [])
        return "ratings" if all(isinstance(one, int | float) for one in first) else "labels"
    if not columns.is_number(values):
        return "class"
    plain = columns.numbers(table, text)
    known = plain[~np.isnan(plain)]
    whole = bool((known == np.floor(known)).all())
    return "class" if whole and len(np.unique(known)) <= _MOST_CLASSES else "number"


def _kind_of_many(table: "pa.Table", names: list[str]) -> Kind:
    if len(names) == 1:
        return _kind(table, Asked(names[0]))
    together = np.stack([_zero_one(table, name) for name in names], axis=1)
    return "labels" if np.isin(together[~np.isnan(together)], (0.0, 1.0)).all() else "ratings"


def _number(table: "pa.Table", asked: Asked) -> tuple[Rows, Target]:
    values = columns.numbers(table, asked.text)
    rows = np.flatnonzero(~np.isnan(values))
    _refuse_bad(table, asked, "number", values, rows)
    return rows, Target("number", asked.text, values[rows])


def _refuse_bad(table: "pa.Table", asked: Asked, kind: Kind, values: npt.NDArray[np.float64], rows: Rows) -> None:
    """Say which image has a value that no target of this kind can have."""
    bad = first_bad(kind, values[rows], 0)
    if bad is None:
        return
    held = {"number": "finite numbers", "labels": "0, 1 or nothing"}.get(kind, "counts from 0 up")
    key, value = columns.row_name(table, int(rows[bad])), values[rows[bad]]
    raise Refused(
        f"target {shown(asked.text)!r}: {key} is {value}, but a target of {kind} holds {held}: mend it, leave it "
        "empty, or say what it is with --as"
    )


def _class(table: "pa.Table", asked: Asked) -> tuple[Rows, Target]:
    name, _, one = asked.text.partition("=")
    against_rest = asked.text not in table.column_names and bool(one)
    found = columns.texts(table, name if against_rest else asked.text)
    rows = np.flatnonzero([value is not None for value in found])
    values = found[rows]
    if against_rest:
        if one not in values:
            raise Refused(f"column {shown(name)!r} never says {one!r}")
        values = np.array([one if value == one else _REST for value in values], dtype=object)
        names: tuple[str, ...] = asked.names or (_REST, one)
    else:
        names = asked.names or tuple(sorted(set(values), key=_in_order))
    places = {name: place for place, name in enumerate(names)}
    unknown = sorted(set(values) - set(places))
    if unknown:
        raise Refused(f"target {shown(asked.text)!r}: {unknown[0]!r} is no class of this head, which has {names}")
    return rows, Target("class", asked.text, np.array([places[value] for value in values], np.int64), names)


def _in_order(name: str) -> tuple[float, str]:
    """Numbers as numbers, then text."""
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name


def _labels(table: "pa.Table", asked: Asked) -> tuple[Rows, Target]:
    found = columns.matching(table, asked.text)
    if len(found) == 1 and not columns.is_number(columns.column(table, found[0])):
        return _labels_of_one_column(table, found[0], asked)
    names = tuple(asked.names or found)
    values = np.stack([_zero_one(table, name) for name in names], axis=1)
    rows = np.flatnonzero(~np.isnan(values).all(axis=1))
    _refuse_bad(table, asked, "labels", values, rows)
    return rows, Target("labels", asked.text, values[rows], names)


def _labels_of_one_column(table: "pa.Table", name: str, asked: Asked) -> tuple[Rows, Target]:
    """Lists of names, or names with `|` or `;` or `,` between."""
    held = columns.column(table, name)
    sets = (
        [None if row is None else {str(one) for one in row} for row in held.to_pylist()]
        if columns.is_list(held)
        else [None if row is None else _names_in(row) for row in columns.texts(table, name)]
    )
    rows = np.flatnonzero([one is not None for one in sets])
    known = [sets[row] or set() for row in rows]
    names = asked.names or tuple(sorted(set().union(*known)))
    values = np.array([[float(name in one) for name in names] for one in known]).reshape(len(rows), len(names))
    return rows, Target("labels", asked.text, values, names)


def _names_in(text: str) -> set[str]:
    sign = next((sign for sign in "|;," if sign in text), "|")
    return {part.strip() for part in text.split(sign)} - {""}


def _zero_one(table: "pa.Table", name: str) -> npt.NDArray[np.float64]:
    import pyarrow as pa

    values = columns.column(table, name)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
        return np.array(values.cast(pa.float64()).to_numpy(), np.float64)
    return columns.numbers(table, name)


def _ratings(table: "pa.Table", asked: Asked) -> tuple[Rows, Target]:
    found = columns.matching(table, asked.text)
    if len(found) == 1:
        counts, names = _counts_of_lists(table, found[0], asked.names)
    else:
        names = tuple(asked.names or found)
        counts = np.stack([columns.numbers(table, name) for name in names], axis=1)
    counts = np.where(np.isnan(counts), 0.0, counts)
    rows = np.flatnonzero((counts != 0).any(axis=1))
    _refuse_bad(table, asked, "ratings", counts, rows)
    return rows, Target("ratings", asked.text, counts[rows], names, _levels(names))


def _counts_of_lists(
    table: "pa.Table", name: str, names: tuple[str, ...]
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    if not columns.is_list(columns.column(table, name)):
        raise Refused(
            f"target {shown(name)!r}: ratings are counts, in several columns ('{shown(name)}_*', or names with commas "
            "between) or a list a row; a mean rating is a number, --as number"
        )
    rows = columns.lists(table, name)
    widths = {len(row) for row in rows if row is not None}
    if len(widths) != 1:
        raise Refused(f"target {shown(name)!r}: its lists have different lengths: {sorted(widths)}")
    width = widths.pop()
    counts = np.array([[0.0] * width if row is None else row for row in rows], np.float64)
    return counts, names or tuple(map(str, range(1, width + 1)))


def _levels(names: tuple[str, ...]) -> tuple[float, ...]:
    """What the ratings are worth: their names, or the numbers at the ends of them; else 1, 2, 3, ..."""
    found = [_level(name) for name in names]
    known = tuple(level for level in found if level is not None)
    return known if len(known) == len(names) else tuple(map(float, range(1, len(names) + 1)))


def _level(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        end = re.search(r"\d+(?:\.\d+)?$", name)
        return float(end[0]) if end else None


def _votes(table: "pa.Table", asked: Asked, tree: "VoteTree | None") -> tuple[Rows, Target]:
    from boda.heads.trees import load_tree

    if asked.tree is None:
        raise Refused("votes need a tree that says which answer leads to which question: --tree gz2, decals or FILE")
    tree = tree or load_tree(asked.tree)
    counts = _votes_in(table, tree, asked)
    rows = np.flatnonzero(np.nansum(counts, axis=1) > 0)
    return rows, Target("votes", asked.text, np.nan_to_num(counts[rows]), tree.columns, tree=tree)


def _votes_in(table: "pa.Table", tree: "VoteTree", asked: Asked) -> npt.NDArray[np.float64]:
    """Counts of every answer; of fractions times how many people were asked, down the tree."""
    from boda.heads.vote_counts import counts_from_fractions, ending_of, is_fraction

    ending = asked.text.lstrip("*") if asked.text.startswith("*") else ""
    ending = ending or ending_of(tree, table.column_names)
    found = np.stack([columns.numbers(table, f"{name}{ending}") for name in tree.columns], axis=1)
    if asked.total is not None:
        return counts_from_fractions(tree, found, columns.numbers(table, asked.total))
    if is_fraction(ending):
        raise Refused(
            f"columns ...{ending} are fractions of the people who were asked: say how many these were, as "
            "--total total_classifications"
        )
    return found


_READERS = {"number": _number, "class": _class, "labels": _labels, "ratings": _ratings}
