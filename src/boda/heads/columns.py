"""Columns of a table as the arrays that inputs and targets are made of."""

import difflib
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound, Refused
from boda.keys import from_text, shown

if TYPE_CHECKING:
    import pyarrow as pa

FACTS = ("key", "content", "width", "height", "frames")
"""Columns of every frame that are facts about files and not labels."""

_FUNCTIONS = {"log": math.log, "log10": math.log10, "log1p": math.log1p, "sqrt": math.sqrt}
_CALL = re.compile(r"^(log|log10|log1p|sqrt)\((.+)\)$")


def column(table: "pa.Table", name: str) -> "pa.ChunkedArray":
    """The column of this name.

    Raises:
        NotFound: there is none; names near ones.
    """
    if name in table.column_names:
        return table[name]
    labels = [known for known in table.column_names if known not in FACTS]
    near = difflib.get_close_matches(name, labels, n=3, cutoff=0.4) or labels[:8]
    there = f" There is: {', '.join(map(shown, near))}" if near else " There are no label columns: see boda label"
    raise NotFound(f"no column {shown(name)!r}.{there}")


def is_number(values: "pa.ChunkedArray") -> bool:
    """Whether a column is numeric; truth values are not."""
    import pyarrow as pa

    kind = values.type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_list(values: "pa.ChunkedArray") -> bool:
    """Whether each row of a column is a list."""
    import pyarrow as pa

    kind = values.type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def numbers(table: "pa.Table", name: str) -> npt.NDArray[np.float64]:
    """(n,) float64, NaN where it is missing. `log10(price)`, `log`, `log1p` and `sqrt` of a column work too.

    Raises:
        NotFound: no such column.
        Refused: it is no column of numbers, or a function has no value there; names the first such row.
    """
    import pyarrow as pa

    call = None if name in table.column_names else _CALL.match(name)
    values = column(table, call[2] if call else name)
    if not is_number(values):
        raise Refused(f"column {shown(name)!r} holds {values.type}, not numbers")
    plain: npt.NDArray[np.float64] = np.array(values.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    if call is None:
        return plain
    function = _FUNCTIONS[call[1]]
    known = ~np.isnan(plain)
    try:
        plain[known] = [function(value) for value in plain[known]]
    except ValueError:
        bad = next(row for row in np.flatnonzero(known) if plain[row] < 0 or (plain[row] == 0 and "log" in call[1]))
        key = row_name(table, int(bad))
        raise Refused(f"{name} has no value at {key}, where {call[2]} is {plain[bad]:g}") from None
    return plain


def inside(name: str) -> str:
    """The column that a function is of, as `price` of `log10(price)`; the name itself where it is none."""
    call = _CALL.match(name)
    return call[2] if call else name


def row_name(table: "pa.Table", row: int) -> str:
    """What a message calls a row: the key of its image."""
    return shown(from_text(str(table["key"][row]))) if "key" in table.column_names else f"row {row}"


def texts(table: "pa.Table", name: str) -> npt.NDArray[np.object_]:
    """(n,) of str, None where it is missing; numbers and truth values as they are written.

    Raises:
        NotFound: no such column.
        Refused: its rows are lists.
    """
    values = column(table, name)
    if is_list(values):
        raise Refused(f"column {shown(name)!r} holds lists; give a column of one value a row")
    return _objects(None if value is None else _text(value) for value in values.to_pylist())


def matching(table: "pa.Table", pattern: str) -> list[str]:
    """The label columns that a name, names with commas between, or a pattern with `*` and `?` means, in order.

    Raises:
        NotFound: none; names near ones.
    """
    if pattern in table.column_names:
        return [pattern]
    labels = [name for name in table.column_names if name not in FACTS]
    found: list[str] = []
    for part in pattern.split(","):
        wanted = re.compile(re.escape(part.strip()).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
        here = [name for name in labels if wanted.fullmatch(name)]
        if not here:
            column(table, part.strip())
        found += [name for name in here if name not in found]
    return found


def lists(table: "pa.Table", name: str) -> list[list[Any] | None]:
    """One list a row; None where it is missing.

    Raises:
        NotFound: no such column.
    """
    found: list[list[Any] | None] = column(table, name).to_pylist()
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, float):
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _objects(values: Iterable[str | None]) -> npt.NDArray[np.object_]:
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array
