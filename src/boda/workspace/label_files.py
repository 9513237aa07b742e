"""Label sets: joined columns as immutable Parquet files, named in the catalogue with their digest."""

import hashlib
import io
import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from boda.errors import Damaged, Refused
from boda.keys import shown
from boda.workspace import segments
from boda.workspace.atomic import open_no_follow, write_named
from boda.workspace.segments import Stored

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "labels"
FILE_NAME = re.compile(r"[0-9a-f]{1,64}\.parquet")
ORDER = "name <> 'source', id"
"""What the source itself knew comes first, so that anything joined by a person wins."""


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A label set as the catalogue names it."""

    name: str
    file: str
    rows: int
    columns: tuple[str, ...]
    size: int
    sha256: bytes


def write(root: Path, table: "pa.Table") -> Stored:
    """Write a table of labels; it is named by what is in it.

    Raises:
        Refused: it has no binary `key` column with each key once, or a column twice.
        DiskTrouble: the disk is full or failing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = table.column_names
    if "key" not in names or table["key"].type != pa.binary() or len(set(names)) != len(names):
        raise Refused(f"{root}: labels need a binary column 'key' and every other column once")
    if table["key"].null_count or len(pc.unique(table["key"])) != len(table):
        raise Refused(f"{root}: labels need each key once; some come twice or are missing")
    buffer = io.BytesIO()
    ordered = table.select(["key", *(name for name in names if name != "key")])
    pq.write_table(ordered.replace_schema_metadata(None), buffer, compression="zstd")
    data = buffer.getbuffer()
    digest = hashlib.sha256(data)

    def put(file: BinaryIO) -> str:
        file.write(data)
        return f"{digest.hexdigest()[:32]}.parquet"

    path = write_named(segments.make_folder(root, FOLDER), put)
    return Stored(path.name, len(data), digest.digest(), b"")


def named(connection: sqlite3.Connection, root: Path) -> list[LabelFile]:
    """The label sets that the catalogue names, in the order in which the frame takes them.

    Raises:
        Damaged: a name is not one of ours.
    """
    rows = connection.execute(f"SELECT name, file, rows, columns, bytes, sha256 FROM labels ORDER BY {ORDER}")
    found = [
        LabelFile(name, file, count, tuple(json.loads(columns)), size, digest)
        for name, file, count, columns, size, digest in rows.fetchall()
    ]
    for label_file in found:
        segments.check_name(label_file.file, FILE_NAME, root)
    return found


def read(root: Path, label_file: LabelFile) -> "pa.Table":
    """The table of one label set: a binary `key` column, then its columns.

    Raises:
        FileNotFoundError: it is gone.
        Damaged: it is something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = root / FOLDER / label_file.file
    try:
        with open_no_follow(root, FOLDER, label_file.file) as file:
            # Its threads may outlive the interpreter where they read a Python file: an abort at exit in 1 of 40 runs.
            # Source: github.com/apache/arrow/issues/50482.
            table = pq.read_table(file, use_threads=False, pre_buffer=False)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        reason = shown(str(error).partition("\n")[0])[:200]
        raise Damaged(f"{where}: labels cannot be read ({reason}); join that table again") from error
    names = tuple(table.column_names)
    if names != ("key", *label_file.columns) or len(table) != label_file.rows or table["key"].type != pa.binary():
        raise Damaged(f"{where}: not the labels that boda.db describes; join that table again")
    return table
