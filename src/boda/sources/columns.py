"""Columns of a source: their types, their keys, and how two tables of them become one.

Text becomes a number only where nothing is lost by it. Whole numbers of more than 15 digits, or with a leading zero,
stay text: they are names (of galaxies, of houses), and a float cannot hold them.
"""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.errors import SourceError
from boda.keys import from_bytes, shown

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE = r"^-?(0|[1-9][0-9]{0,14})$"
_DECIMAL = r"^[+-]?((0|[1-9][0-9]{0,14})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_TRUTH = r"^([Tt]rue|TRUE|[Ff]alse|FALSE)$"
_NOTHING = r"^([Nn]a[Nn]|NAN|NA|N/A|n/a|NULL|[Nn]ull|None)$"
_LARGEST_EXACT = 10**15


def values(column: "pa.ChunkedArray") -> Iterator[Any]:
    """The values of a column as Python has them, without ever holding them all."""
    for start in range(0, len(column), 4096):
        yield from column.slice(start, 4096).to_pylist()


def typed(cells: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """A column of cells, as bytes, with the type that loses nothing: int64, float64, bool, or text.

    Empty cells are null. `nan`, `NA`, `null` and the like are null in columns of numbers, and text elsewhere. Bytes
    that are not UTF-8 are written as `\\xNN`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    text = _as_text(cells)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    bare = pc.if_else(pc.match_substring_regex(text, _NOTHING), pa.scalar(None, pa.string()), text)
    if bare.null_count == len(bare):
        return text
    for pattern, kind in ((_WHOLE, pa.int64()), (_DECIMAL, pa.float64()), (_TRUTH, pa.bool_())):
        if pc.all(pc.match_substring_regex(bare, pattern)).as_py():
            return pc.cast(pc.utf8_lower(bare), kind)
    return text


def column_of(found: Sequence[Any]) -> "pa.Array | None":
    """A column of values from JSON, None where there is none; nested things give no column (None).

    Kept are truth values, numbers, text, and lists of numbers. Values of several kinds become text.
    """
    import pyarrow as pa

    kinds = {_kind(value) for value in found if value is not None}
    if "nested" in kinds:
        return None
    if kinds == {"whole"}:
        return pa.array(found, pa.int64())
    if kinds == {"truth"}:
        return pa.array(found, pa.bool_())
    if kinds and kinds <= {"whole", "decimal"}:
        return pa.array(found, pa.float64())
    if kinds == {"numbers"}:
        return pa.array(found, pa.list_(pa.float64() if _any_decimal(found) else pa.int64()))
    return pa.array([value if value is None else _written(value) for value in found], pa.string())


def keyed(keys: "pa.Array | pa.ChunkedArray", table: "pa.Table") -> "pa.Table":
    """A table with these keys (binary) as its first column; its own column `key`, if any, becomes `key_in_source`."""
    import pyarrow as pa

    names = ["key_in_source" if name == "key" else name for name in table.column_names]
    return pa.table([keys, *table.columns], names=["key", *names])


def one_row_a_key(table: "pa.Table", where: str) -> tuple["pa.Table", int]:
    """The table with each key once, in the order of the first, and how many rows said the same again.

    Raises:
        SourceError: two rows of one key say different things; the error names the key and the rows.
    """
    codes = _codes(table.column("key"))
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    if len(first) == len(codes):
        return table, 0
    again = np.setdiff1d(np.arange(len(codes)), first)
    for row, of in zip(again.tolist(), first[inverse[again]].tolist(), strict=True):
        if not table.slice(row, 1).equals(table.slice(of, 1)):
            key = shown(from_bytes(table.column("key")[row].as_py()))
            raise SourceError(f"{where}: rows {of + 1} and {row + 1} say different things of {key}: keep one of them")
    return table.take(np.sort(first)), len(again)


def _codes(keys: "pa.ChunkedArray") -> npt.NDArray[np.int64]:
    """(n,) whole numbers, equal where the keys are; no null equals another."""
    import pyarrow as pa

    array = pa.concat_arrays(keys.chunks) if keys.num_chunks else pa.array([], pa.binary())
    indices = array.dictionary_encode().indices
    codes: npt.NDArray[np.int64] = indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(codes < 0, -1 - np.arange(len(codes)), codes)


def joined(tables: Sequence["pa.Table"]) -> "pa.Table":
    """One table of all keys of these, in the order they first come; of columns of one name the last table's is kept."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(tables) == 1:
        return tables[0]
    keys = pc.unique(pa.chunked_array([chunk for table in tables for chunk in table.column("key").chunks], pa.binary()))
    columns: dict[str, Any] = {"key": keys}
    for table in tables:
        rows = pc.index_in(keys, value_set=table.column("key").combine_chunks())
        for name in table.column_names:
            if name != "key":
                columns[name] = table.column(name).take(rows)
    return pa.table(columns)


def _as_text(cells: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa

    try:
        return cells.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = [None if cell is None else cell.decode("utf-8", "backslashreplace") for cell in values(cells)]
        return pa.chunked_array([pa.array(decoded, pa.string())])


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int):
        return "whole" if abs(value) < _LARGEST_EXACT else "text"
    if isinstance(value, float):
        return "decimal"
    if isinstance(value, str):
        return "text"
    numbers = isinstance(value, list) and {_kind(item) for item in value} <= {"whole", "decimal"}
    return "numbers" if numbers else "nested"


def _any_decimal(lists: Sequence[Any]) -> bool:
    return any(isinstance(item, float) for items in lists if items is not None for item in items)


def _written(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "backslashreplace").decode()
