"""Read a table of labels: CSV, TSV, JSON lines or Parquet, gzip-compressed or not."""

import csv
import gzip
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from boda.errors import NotFound, SourceError
from boda.keys import from_bytes, from_text, shown, to_bytes
from boda.sources.columns import column_of, keyed, typed, values
from boda.sources.endings import PARQUET, has_ending

if TYPE_CHECKING:
    import pyarrow as pa

PATH_COLUMNS = (
    *("file_name", "filename", "file", "file_path", "filepath", "path", "image_path", "imagepath", "image_file"),
    *("image_name", "image_filename", "image", "img_path", "img_file", "img_name", "img", "image_url", "img_url"),
    *("url", "uri", "key"),
)
"""Where a manifest says which image a row is about: the first of these that it has, in any case."""


def read_table(where: str | os.PathLike[str]) -> "pa.Table":
    """A table from a file, every column with the type that loses nothing: 18-digit ids stay text.

    Raises:
        NotFound: there is no such file.
        SourceError: it is no table, or its rows do not fit its header.
    """
    path = os.fspath(where)
    with _opened(path) as file:
        return _typed(read_cells(file, path))


def read_keyed(where: str, path_column: str | None) -> "pa.Table":
    """As `read_table`, with the column that names the images first, as `key` (binary, null where a row names none).

    Raises:
        NotFound: no such file, or no such column.
        SourceError: it is no table, or no column of it names the images.
    """
    with _opened(where) as file:
        return keyed_cells(read_cells(file, where), path_column, where)


def keyed_cells(cells: "pa.Table", path_column: str | None, where: str) -> "pa.Table":
    """The same from cells that were read before."""
    import pyarrow as pa

    column = find_path_column(cells.column_names, path_column, where)
    keys = [_key(name) for name in values(cells.column(column))]
    return keyed(pa.array(keys, pa.binary()), _typed(cells.drop_columns([column])))


def _key(name: Any) -> bytes | None:
    """What a cell names, byte by byte; `bytes:<hex>` as boda's own tables write it is understood."""
    if name is None or name in {"", b""}:
        return None
    return to_bytes(from_text(from_bytes(name) if isinstance(name, bytes) else str(name)))


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - names that are not UTF-8
            yield file
    except FileNotFoundError:
        raise NotFound(f"{shown(path)}: no such file") from None
    except OSError as error:
        raise SourceError(f"{shown(path)}: cannot be read: {error.strerror or error}") from error


def _typed(cells: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    columns = [typed(column) if pa.types.is_binary(column.type) else column for column in cells.columns]
    return pa.table(columns, names=cells.column_names)


def read_cells(file: IO[bytes], name: str) -> "pa.Table":
    """As `read_table`, from an open file; the cells of CSV and TSV as they stand there, as bytes.

    Raises:
        SourceError: it is no table, or its rows do not fit its header.
    """
    import pyarrow as pa

    plain = name.lower().removesuffix(".gz")
    try:
        if has_ending(name, PARQUET):
            import pyarrow.parquet as pq

            return pq.read_table(file, use_threads=False, pre_buffer=False)  # threads: see workspace/label_files.py
        unpacked = gzip.GzipFile(fileobj=file) if plain != name.lower() else file
        return _read_lines(unpacked, name) if plain.endswith(".jsonl") else _read_rows(unpacked, plain)  # type: ignore[arg-type]
    except (pa.ArrowException, csv.Error, UnicodeError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(f"{shown(name)}: not a table that can be read: {reason}") from error


def find_path_column(names: Sequence[str], wanted: str | None, where: str) -> str:
    """The column that names the images.

    Raises:
        NotFound: the wanted column is not there.
        SourceError: none is wanted, and none has a usual name.
    """
    if wanted is not None:
        if wanted not in names:
            raise NotFound(f"{shown(where)}: no column {wanted!r}. It has: {', '.join(map(shown, names))}")
        return wanted
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    for usual in PATH_COLUMNS:
        if usual in by_lower:
            return by_lower[usual]
    raise SourceError(
        f"{shown(where)}: no column names the images (file_name, path, image, url, ...): say which with --path-column. "
        f"It has: {', '.join(map(shown, names))}"
    )


def _read_rows(file: IO[bytes], name: str) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.csv as pc

    names, delimiter = _header(file, name)
    file.seek(0)
    if not names:
        raise SourceError(f"{shown(name)}: an empty file, not a table")
    return pc.read_csv(
        pa.PythonFile(file, mode="r"),
        read_options=pc.ReadOptions(column_names=names, skip_rows_after_names=1, use_threads=False),
        parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pc.ConvertOptions(column_types={n: pa.binary() for n in names}, strings_can_be_null=False),
    )


def _header(file: IO[bytes], name: str) -> tuple[list[str], str]:
    text = io.TextIOWrapper(file, "utf-8-sig", errors="backslashreplace", newline="")
    try:
        first = text.readline(1 << 20)
        common = Counter(sign for sign in first if sign in ",;\t").most_common(1)
        delimiter = "\t" if name.endswith(".tsv") else common[0][0] if common else ","
        text.seek(0)
        names = next(csv.reader(text, delimiter=delimiter), [])
    finally:
        text.detach()
    names = [column or f"column_{place}" for place, column in enumerate(names, 1)]
    twice = [column for column, count in Counter(names).items() if count > 1]
    if twice:
        raise SourceError(f"{shown(name)}: two columns are named {twice[0]!r}: rename one")
    return names, delimiter


def _read_lines(file: IO[bytes], name: str) -> "pa.Table":
    import pyarrow as pa

    columns: dict[str, list[Any]] = {}
    count = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{shown(name)}: line {number} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise SourceError(f"{shown(name)}: line {number} is not a JSON object")
        for column, value in record.items():
            found = columns.setdefault(column, [])
            found.extend([None] * (count - len(found)))
            found.append(value)
        count += 1
    padded = {column: found + [None] * (count - len(found)) for column, found in columns.items()}
    arrays = {column: column_of(found) for column, found in padded.items()}
    return pa.table({column: array for column, array in arrays.items() if array is not None})
