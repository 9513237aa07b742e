"""Which rows of a table meet a condition (`boda.workspace.condition`).

What is not known is neither so nor not so: a test of null (or NaN) is unknown, `not` leaves it unknown, `and` and `or`
decide where the other side settles it (Kleene's logic, which is SQL's), and only rows where the condition is known to
hold are taken. So `label != 'cat'` and `not label == 'cat'` are the same, and neither takes images without a label;
`label is null` does.
"""

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound
from boda.keys import shown
from boda.workspace.condition import Absence, Column, Comparison, Condition, Joined, Membership, Not, Value, parse
from boda.workspace.condition import refuse as refuse_at
from boda.workspace.condition import where as at

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["text", "numbers", "truth values", "times", "other"]

_FUNCTIONS = {"==": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}


def rows_where(table: "pa.Table", text: str) -> npt.NDArray[np.bool_]:
    """(n,) which rows of a table are known to meet a condition.

    Args:
        table: `Workspace.frame()`, or any other.
        text: such as `label == 'cat' and (score > 5 or "odd name" is null)`; the grammar is that of
            `boda.workspace.condition`. Texts are compared sign by sign, times with texts such as '2024-01-31'.

    Raises:
        Refused: the text is no condition, or compares what cannot be compared; says where.
        NotFound: there is no such column; names near ones.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    known = _Evaluated(table, text).of(parse(text))
    if isinstance(known, pa.ChunkedArray):
        known = known.combine_chunks()
    rows: npt.NDArray[np.bool_] = np.asarray(pc.fill_null(known, fill_value=False).to_numpy(zero_copy_only=False), bool)
    return rows


@dataclass(frozen=True, slots=True)
class _Operand:
    """A column or a literal, made comparable with its like."""

    kind: Kind
    data: Any
    """ChunkedArray or Scalar."""


class _Evaluated:
    """A table under one condition; every part of the tree becomes an array of true, false and null."""

    def __init__(self, table: "pa.Table", text: str) -> None:
        self._table, self._text = table, text

    def of(self, condition: Condition) -> Any:
        import pyarrow.compute as pc

        match condition:
            case Column():
                return self._truth(condition)
            case Comparison():
                return self._comparison(condition)
            case Membership():
                return self._membership(condition)
            case Absence(column):
                return pc.is_null(self._column(column).data)
            case Not(inner):
                return pc.invert(self.of(inner))
            case Joined(word, parts):
                join = pc.and_kleene if word == "and" else pc.or_kleene
                found = self.of(parts[0])
                for part in parts[1:]:
                    found = join(found, self.of(part))
                return found

    def _truth(self, column: Column) -> Any:
        found = self._column(column)
        if found.kind != "truth values":
            refuse_at(self._text, column.place, f"column {shown(column.name)!r} holds {found.kind}: compare it")
        return found.data

    def _comparison(self, one: Comparison) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        left, right = self._operand(one.left), self._operand(one.right)
        left, right = self._timed(left, right, one.left), self._timed(right, left, one.right)
        if "other" in {left.kind, right.kind} or left.kind != right.kind:
            refuse_at(self._text, one.place, _why_not(one, left.kind, right.kind))
        if left.kind == "truth values" and one.sign not in {"==", "!="}:
            refuse_at(self._text, one.place, "truth values have no order: use == or !=")
        sides = [left.data, right.data]
        if left.kind == "numbers" and left.data.type != right.data.type:
            sides = [side.cast(pa.float64(), safe=False) for side in sides]
        return pc.call_function(_FUNCTIONS[one.sign], sides)

    def _membership(self, one: Membership) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(one.column)
        for value in one.values:
            literal = self._timed(self._operand(value), column, value)
            if column.kind == "other" or literal.kind != column.kind:
                left = Comparison(one.column, "==", value, value.place)
                refuse_at(self._text, value.place, _why_not(left, column.kind, literal.kind))
        values, data = [value.value for value in one.values], column.data
        if column.kind == "numbers":
            kind = pa.int64() if all(type(value) is int for value in values) else pa.float64()
            data = data.cast(pa.float64(), safe=False) if pa.types.is_floating(kind) else data
            chosen = pa.array(values, kind).cast(data.type, safe=False)
        elif column.kind == "times":
            chosen = pa.array([str(value) for value in values]).cast(data.type)
        else:
            chosen = pa.array(values, data.type)
        return pc.if_else(pc.is_valid(data), pc.is_in(data, value_set=chosen), pa.scalar(None, pa.bool_()))

    def _operand(self, one: Column | Value) -> _Operand:
        import pyarrow as pa

        if isinstance(one, Column):
            return self._column(one)
        match one.value:
            case bool():
                return _Operand("truth values", pa.scalar(one.value))
            case str():
                return _Operand("text", pa.scalar(one.value))
        return _Operand("numbers", pa.scalar(one.value))

    def _column(self, one: Column) -> _Operand:
        names: list[str] = self._table.column_names
        if one.name not in names:
            near = difflib.get_close_matches(one.name, names, n=3, cutoff=0.4) or names[:8]
            there = ", ".join(map(shown, near))
            raise NotFound(f"{at(self._text, one.place)}: no column {shown(one.name)!r}. There is: {there}")
        return _comparable(self._table[one.name])

    def _timed(self, one: _Operand, other: _Operand, place: Column | Value) -> _Operand:
        """A text that is compared with times as a time; anything else as it is."""
        import pyarrow as pa

        if one.kind != "text" or other.kind != "times" or not isinstance(one.data, pa.Scalar):
            return one
        try:
            return _Operand("times", one.data.cast(other.data.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            refuse_at(self._text, place.place, f"no such time: write one as a {other.data.type}, '2024-01-31', say")


def _comparable(column: "pa.ChunkedArray") -> _Operand:
    """A column as one of few types; NaN is null, as everywhere in boda."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _comparable(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _Operand("text", column.cast(pa.string()))
    if pa.types.is_boolean(kind):
        return _Operand("truth values", column)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return _Operand("numbers", column.cast(pa.int64()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False)
        return _Operand("numbers", pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _Operand("times", column)
    return _Operand("other", column)


def _why_not(one: Comparison, left: Kind, right: Kind) -> str:
    """Why two sides do not compare, and what to write instead."""
    for side, kind, other in ((one.left, left, right), (one.right, right, left)):
        if isinstance(side, Column):
            name = f"column {shown(side.name)!r} holds {kind}"
            if kind == "other":
                return f"column {shown(side.name)!r} holds lists or bytes, which can only be asked: is null"
            hint = ": write the value in quotes" if kind == "text" and other == "numbers" else ""
            hint = hint or (": write numbers without quotes" if kind == "numbers" and other == "text" else "")
            return f"{name}, the other side {other}{hint}"
    raise AssertionError("one side is a column")
