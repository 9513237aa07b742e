"""Tables out: batches of rows become one file, whole or not at all, never held together in memory."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boda.errors import MissingExtra, Refused
from boda.keys import shown
from boda.workspace.atomic import fsync_folder, write_whole

if TYPE_CHECKING:
    import pyarrow as pa

_RUNNABLE = "^[=+@\t\r-]"
"""What a spreadsheet takes for a formula at the start of a cell."""


def write_table(
    place: Path, schema: "pa.Schema", batches: "Iterable[pa.RecordBatch]", *, spreadsheet_safe: bool = False
) -> int:
    """Write a table in the format that the ending of its name says.

    Args:
        place: `.parquet`, `.csv`, `.jsonl` or `.lance`.
        schema: of every batch.
        batches: taken one at a time.
        spreadsheet_safe: in CSV, text that a spreadsheet would run gets `'` before it, and no longer reads back as
            it was.

    Returns:
        The number of rows.

    Raises:
        Refused: another ending.
        MissingExtra: Lance is not installed.
        DiskTrouble: the disk is full or failing; no file is left behind.
    """
    suffix = place.suffix.lower()
    counted = _Counted(batches)
    match suffix:
        case ".parquet":
            write_whole(place, lambda file: _parquet(file, schema, counted))
        case ".csv":
            safe = _guarded if spreadsheet_safe else _unchanged
            write_whole(place, lambda file: _csv(file, schema, counted, safe))
        case ".jsonl":
            write_whole(place, lambda file: _jsonl(file, counted))
        case ".lance":
            _lance(place, schema, counted)
        case _:
            raise Refused(f"{shown(str(place))}: give a name that ends in .parquet, .csv, .jsonl, .npy or .lance")
    return counted.rows


class _Counted:
    """Batches that count their rows as they pass."""

    def __init__(self, batches: "Iterable[pa.RecordBatch]") -> None:
        self._batches, self.rows = batches, 0

    def __iter__(self) -> "Iterator[pa.RecordBatch]":
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _parquet(file: BinaryIO, schema: "pa.Schema", batches: "Iterable[pa.RecordBatch]") -> None:
    from pyarrow import parquet

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _csv(
    file: BinaryIO,
    schema: "pa.Schema",
    batches: "Iterable[pa.RecordBatch]",
    safe: "Callable[[pa.Table], pa.Table]",
) -> None:
    """A list of fixed size becomes one column a value, `NAME_0`, `NAME_1`, ...; anything else nested is JSON.

    Text is quoted and null is not, so that "" and null stay apart; floats have as many digits as they need.
    """
    import pyarrow as pa
    from pyarrow import csv

    first = safe(_flat(pa.Table.from_batches([], schema)))
    with csv.CSVWriter(file, first.schema) as writer:
        for batch in batches:
            writer.write_table(safe(_flat(pa.Table.from_batches([batch], schema))))


def _flat(table: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_fixed_size_list(field.type):
            width, values = field.type.list_size, _values(column)
            for place in range(width):
                columns[f"{field.name}_{place}"] = values[place::width]
        elif pa.types.is_nested(field.type) or pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            texts = [None if value is None else json.dumps(_plain(value)) for value in column.to_pylist()]
            columns[field.name] = pa.array(texts, pa.string())
        elif pa.types.is_dictionary(field.type):
            columns[field.name] = column.cast(field.type.value_type)
        else:
            columns[field.name] = column
    return pa.table(columns)


def _values(column: "pa.ChunkedArray") -> "pa.Array":
    """The flat values of a column of lists without nulls; a slice of it, not of its parent."""
    import pyarrow as pa

    return pa.concat_arrays([chunk.flatten() for chunk in column.chunks] or [pa.array([], column.type.value_type)])


def _unchanged(table: "pa.Table") -> "pa.Table":
    return table


def _guarded(table: "pa.Table") -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        guarded = pc.replace_substring_regex(column, f"({_RUNNABLE})", "'\\1") if text else column
        columns[pc.replace_substring_regex(pa.scalar(name), f"({_RUNNABLE})", "'\\1").as_py()] = guarded
    return pa.table(columns)


def _jsonl(file: BinaryIO, batches: "Iterable[pa.RecordBatch]") -> None:
    for batch in batches:
        for row in batch.to_pylist():
            file.write(json.dumps(_plain(row), ensure_ascii=True).encode() + b"\n")


def _plain(value: Any) -> Any:
    """A value of Arrow as JSON has it: bytes as hex, times as ISO text, what is not finite as null."""
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case bytes():
            return {"bytes": value.hex()}
        case float():
            return value if abs(value) < float("inf") else None
        case None | bool() | int() | str():
            return value
    return str(value)


def _lance(place: Path, schema: "pa.Schema", batches: "Iterable[pa.RecordBatch]") -> None:
    """A Lance dataset is a folder: made under another name, synced, then renamed. Lance itself syncs nothing."""
    try:
        import lance
    except ImportError as error:
        raise MissingExtra(f"{shown(place.name)}: Lance", "lance") from error
    import pyarrow as pa

    if place.exists() and not (place / "_versions").is_dir():
        raise Refused(f"{shown(str(place))}: is there and is no Lance dataset; it is left alone")
    making, old = place.with_name(f".{place.name}.part"), place.with_name(f".{place.name}.old")
    shutil.rmtree(making, ignore_errors=True)
    try:
        lance.write_dataset(pa.RecordBatchReader.from_batches(schema, iter(batches)), str(making))
        _sync_tree(making)
        if place.exists():
            place.rename(old)
        making.rename(place)
        fsync_folder(place.parent)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        for name in files:
            descriptor = os.open(Path(parent) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        fsync_folder(Path(parent))
