"""A table that names images: CSV, TSV, JSON lines or Parquet; its other columns become columns of the images."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boda.keys import from_bytes, shown
from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.columns import one_row_a_key, values
from boda.sources.folder import read_local
from boda.sources.holding import Holding
from boda.sources.reading import bad_read
from boda.sources.tables import read_keyed
from boda.sources.urls import read_url
from boda.unreadable import Code, Stage, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

URL = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(slots=True)
class Manifest:
    """A manifest file. Keys are the paths as written there, relative to its folder; they may be URLs.

    A path that stands in several rows is one image where the rows agree in every column (the others are counted as
    ignored), and an error where they do not: nobody could tell which row is right. A row whose file is missing is
    listed, and becomes `read/missing`. A FITS file of several images gives its first.
    """

    holding: Holding
    path_column: str | None = None
    ignored: int = field(default=0, init=False, compare=False)
    _table: "pa.Table | None" = field(default=None, init=False, compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "Manifest"], tuple[Holding, str | None]]:
        """Travel without the table."""
        return Manifest, (self.holding, self.path_column)

    @classmethod
    def at(cls, path: str, path_column: str | None = None) -> "Manifest":
        """The source of the manifest at this path; read at once, so that what is wrong with it is said now.

        Raises:
            NotFound: no such column.
            SourceError: it is no table, or no column of it names the images.
        """
        source = cls(Holding.one(path), path_column)
        source._read_table()
        return source

    @classmethod
    def described(cls, description: Description, root: str) -> "Manifest":
        """The source that this describes, at `root`: the manifest file."""
        return cls(Holding.described(description, root), description.get("path_column"))

    @property
    def description(self) -> Description:
        """`kind`, `root`, `name`, `path_column`."""
        return {"kind": "manifest", **self.holding.description, "path_column": self.path_column}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every image the manifest names, in the order of its rows.

        Raises:
            SourceError: two rows of one path say different things.
        """
        self._table = self._read_table()
        for row, path in enumerate(values(self._table.column("key")), 1):
            if path is None:
                missing = Unreadable(Stage.READ, Code.MISSING, f"row {row} names no file")
                yield Unlistable(f"#{row}", b"", missing)
            else:
                yield self._entry(path)

    def columns(self) -> "pa.Table":
        """The manifest's other columns."""
        table = self._table if self._table is not None else self._read_table()
        return table.filter(table.column("key").is_valid())

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one image, from its file or its URL."""
        if URL.match(ref.path):
            return read_url(from_bytes(ref.path))
        return read_local(self._locate(ref.path), ref)

    def _locate(self, path: bytes) -> bytes:
        return os.path.join(os.path.dirname(self.holding.root), path)  # noqa: PTH118, PTH120 - bytes

    def _entry(self, path: bytes) -> ImageRef | Unlistable:
        key = from_bytes(path)
        if URL.match(path) or b"\0" in path:
            return ImageRef(key, path)
        try:
            status = os.stat(self._locate(path))  # noqa: PTH116 - bytes
        except OSError as error:
            unreadable = bad_read(error).unreadable
            return ImageRef(key, path) if unreadable.code is Code.MISSING else Unlistable(key, path, unreadable)
        if not stat.S_ISREG(status.st_mode):
            return Unlistable(key, path, Unreadable(Stage.LIST, Code.NOT_A_FILE, "not a regular file"))
        return ImageRef(key, path, "", status.st_size, status.st_mtime_ns)

    def _read_table(self) -> "pa.Table":
        path = from_bytes(self.holding.root)
        table, self.ignored = one_row_a_key(read_keyed(path, self.path_column), shown(path))
        return table
