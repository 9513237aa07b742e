"""The frame: one row per listed image, facts first, then the columns of every label set."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda import keys as key_forms
from boda.errors import Damaged
from boda.workspace import catalogue, label_files

if TYPE_CHECKING:
    import pyarrow as pa

OWN_COLUMNS = ("key", "content", "width", "height", "frames")
_BLOCK_ROWS = 65536


def build(folder: Path, *, writable: bool) -> "pa.Table":
    """The frame of the latest listing.

    Raises:
        Damaged: a label file is missing, or not what the catalogue says.
    """
    missing: str | None = None
    while True:
        try:
            return _build_once(folder, writable=writable)
        except FileNotFoundError as error:
            # A writer may have replaced and swept between our look at the list and at the file.
            if missing == str(error):
                raise Damaged(f"{folder}: a file with labels is missing ({error}); join that table again") from error
            missing = str(error)


def _build_once(folder: Path, *, writable: bool) -> "pa.Table":
    import pyarrow as pa

    with catalogue.reading(folder, writable=writable) as connection:
        raw_keys, own = _own_columns(connection)
        named = label_files.named(connection, folder)
    columns: dict[str, Any] = dict(zip(OWN_COLUMNS, own, strict=True))
    for label_set in named:
        table = label_files.read(folder, label_set)
        for name, values in _aligned(table, raw_keys).items():
            columns[f"{label_set.name}.{name}" if name in OWN_COLUMNS else name] = values
    return pa.table(columns)


def _own_columns(connection: sqlite3.Connection) -> tuple["pa.ChunkedArray", list["pa.ChunkedArray"]]:
    import pyarrow as pa

    found = connection.execute(
        """
        SELECT i.key, nullif(lower(hex(c.sha256)), ''), c.width, c.height, c.frames
        FROM image i LEFT JOIN content c ON c.id = i.content WHERE i.position IS NOT NULL ORDER BY i.position
        """
    )
    types = (pa.binary(), pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64())
    chunks: list[list[Any]] = [[] for _ in types]
    while block := found.fetchmany(_BLOCK_ROWS):
        raw, content, width, height, count = zip(*block, strict=True)
        text = [key_forms.to_text(key_forms.from_bytes(key)) for key in raw]
        for chunk, values, kind in zip(chunks, (raw, text, content, width, height, count), types, strict=True):
            chunk.append(pa.array(values, kind))
    raw_keys, *own = (pa.chunked_array(chunk, kind) for chunk, kind in zip(chunks, types, strict=True))
    return raw_keys, own


def _aligned(table: "pa.Table", raw_keys: "pa.ChunkedArray") -> dict[str, "pa.ChunkedArray"]:
    """The columns of a label set in the order of the frame, null where an image has no row."""
    import pyarrow.compute as pc

    places = pc.index_in(raw_keys, value_set=table["key"].combine_chunks())
    return {name: table[name].take(places) for name in table.column_names if name != "key"}
