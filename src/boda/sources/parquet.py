"""Parquet files that hold images as bytes, or as Hugging Face's struct of `bytes` and `path`; key `file#row`."""

import bisect
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boda.errors import NotFound, SourceError
from boda.keys import from_bytes, shown, to_bytes
from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.columns import keyed
from boda.sources.endings import PARQUET, has_ending
from boda.sources.holding import Holder, Holding
from boda.sources.kept import Kept
from boda.sources.reading import bad_read, bad_size, opened, read_file
from boda.unreadable import BadImage, Code, Stage

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS = ("image", "img", "image_bytes", "img_bytes", "bytes", "data", "content", "jpg", "jpeg", "png", "webp")
"""Which of several columns of bytes are the images: the first of these, in any case."""

_KEPT_BYTES = 128 << 20


@dataclass(slots=True)
class ParquetSource:
    """One file, or several by a pattern. Columns of numbers, text, and lists of numbers become columns."""

    holding: Holding
    image_column: str | None = None
    ignored: int = field(default=0, init=False, compare=False)

    @classmethod
    def described(cls, description: Description, root: str) -> "ParquetSource":
        """The source that this describes, at `root`: the file, or the folder of files."""
        return cls(Holding.described(description, root), description.get("image_column"))

    @property
    def description(self) -> Description:
        """`kind`, `root`, `name` or `pattern`, `image_column`."""
        return {"kind": "parquet", **self.holding.description, "image_column": self.image_column}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The rows, file by file.

        Raises:
            NotFound: a file is not there.
            SourceError: a file cannot be read, or has no column of images.
        """
        self.ignored = 0
        for holder in self._holders():
            path = os.fsdecode(self.holding.locate(holder.path))
            if find_image_column(path, self.image_column) is None:
                raise SourceError(f"{shown(path)}: no column holds the bytes of images")
            for row in range(_rows(path)):
                yield ImageRef(f"{holder.name}#{row}", holder.path, str(row), holder.size, holder.mtime_ns)

    def columns(self) -> "pa.Table | None":
        """The other columns, each with its own type."""
        import pyarrow as pa

        tables = [self._columns_of(holder) for holder in self._holders()]
        table = pa.concat_tables(tables, promote_options="permissive") if tables else None
        return table if table is not None and table.num_columns > 1 else None

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one row's image."""
        import pyarrow as pa

        path = self.holding.locate(ref.path)
        with opened(path) as (_, status):
            key = (path, status.st_ino, status.st_size, status.st_mtime_ns, self.image_column)
        try:
            with _last.use(key, lambda: _Rows(os.fsdecode(path), self.image_column)) as rows:
                value = rows.at(int(ref.inner))
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise bad_read(error) from None
            raise BadImage(Stage.READ, Code.CORRUPT, str(error).splitlines()[0]) from None
        data = _bytes_of(value, path)
        bad = bad_size(len(data))
        if bad:
            raise bad
        return Blob(data, status.st_size, status.st_mtime_ns)

    def _holders(self) -> Iterator[Holder]:
        return (holder for holder in self.holding.files() if self.holding.name or has_ending(holder.name, PARQUET))

    def _columns_of(self, holder: Holder) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = os.fsdecode(self.holding.locate(holder.path))
        try:
            with pq.ParquetFile(path) as file:
                told = [column.name for column in file.schema_arrow if _is_told(column.type)]
                table = file.read(columns=told) if told else None
                count = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{shown(path)}: cannot be read: {str(error).splitlines()[0]}") from error
        keys = pa.array((to_bytes(f"{holder.name}#{row}") for row in range(count)), pa.binary(), size=count)
        return keyed(keys, table if table is not None else pa.table({}))


def find_image_column(path: str, wanted: str | None) -> str | None:
    """The column of a Parquet file that holds images; None where no column holds bytes.

    With `wanted`, that column, if it holds bytes.

    Raises:
        NotFound: the wanted column is not there.
        SourceError: no Parquet file; or several columns of bytes, none with a usual name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{shown(path)}: not a Parquet file: {str(error).splitlines()[0]}") from error
    if wanted is not None and wanted not in schema.names:
        raise NotFound(f"{shown(path)}: no column {wanted!r}. It has: {', '.join(map(shown, schema.names))}")
    found: list[str] = [column.name for column in schema if _is_bytes(column.type)]
    if wanted is not None:
        return wanted if wanted in found else None
    if len(found) < 2:
        return found[0] if found else None
    by_lower = {name.lower(): name for name in found}
    for usual in IMAGE_COLUMNS:
        if usual in by_lower:
            return by_lower[usual]
    raise SourceError(
        f"{shown(path)}: several columns hold bytes ({', '.join(map(shown, found))}): say which with --path-column"
    )


class _Rows:
    """Rows of one column: the last batch is kept, the next is a step forward, an earlier one begins its group anew.

    A row group of up to 128 MiB is one batch; of a larger one about so much is kept at a time.
    """

    def __init__(self, path: str, image_column: str | None) -> None:
        import pyarrow.parquet as pq

        self._column = find_image_column(path, image_column)
        self._file = pq.ParquetFile(path)
        groups = self._file.metadata
        counts = [groups.row_group(group).num_rows for group in range(groups.num_row_groups)]
        self._starts = list(itertools.accumulate(counts[:-1], initial=0))
        self._rows = sum(counts)
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None
        self._group = -1
        self._first = 0

    def at(self, row: int) -> Any:
        if not 0 <= row < self._rows:
            raise BadImage(Stage.READ, Code.MISSING, f"the file has {self._rows} rows")
        group = bisect.bisect_right(self._starts, row) - 1
        if group != self._group or row < self._first:
            self._begin(group)
        while row >= self._first + self._held():
            self._first += self._held()
            batch = next(self._batches, None)
            if batch is None:
                raise BadImage(Stage.READ, Code.TRUNCATED, f"the row group ends before row {row}")
            self._batch = batch.column(0)
        return self._batch[row - self._first].as_py()

    def close(self) -> None:
        self._batches, self._batch = iter(()), None
        self._file.close()

    def _held(self) -> int:
        return 0 if self._batch is None else len(self._batch)

    def _begin(self, group: int) -> None:
        facts = self._file.metadata.row_group(group)
        share = max(1, facts.total_byte_size // _KEPT_BYTES + 1)
        self._batches = self._file.iter_batches(
            batch_size=max(1, facts.num_rows // share), row_groups=[group], columns=[self._column], use_threads=False
        )
        self._batch, self._group, self._first = None, group, self._starts[group]


_last: Kept[_Rows] = Kept()


def _rows(path: str) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _bytes_of(value: Any, path: bytes) -> bytes:
    """Of a value: bytes, or a struct of bytes, or of the path of a file beside the Parquet."""
    if isinstance(value, dict):
        if value["bytes"] is None and value.get("path"):
            return read_file(os.path.join(os.path.dirname(path), to_bytes(value["path"]))).data  # noqa: PTH118, PTH120
        value = value["bytes"]
    if value is None:
        raise BadImage(Stage.READ, Code.MISSING, f"the row of {shown(from_bytes(os.path.basename(path)))} holds none")  # noqa: PTH119
    return bytes(value)


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as pt

    if pt.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _is_bytes(kind.field(place).type)
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind))


def _is_told(kind: Any) -> bool:
    """Whether a column becomes a column: numbers, truth values, text, times, and lists of numbers."""
    import pyarrow.types as pt

    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return bool(pt.is_integer(kind.value_type) or pt.is_floating(kind.value_type))
    if pt.is_dictionary(kind):
        return _is_told(kind.value_type)
    plain = (pt.is_integer, pt.is_floating, pt.is_boolean, pt.is_string, pt.is_large_string, pt.is_decimal)
    return any(test(kind) for test in plain) or bool(pt.is_temporal(kind))
