"""Merge the segments of a recipe into one file in the order of the frame, so that reading is one memory map.

Rows of contents that no listed image has now (vanished, changed) are kept behind the aligned ones: nothing is lost.
The order lives in a temporary table on disk and passes through memory in blocks, however many rows there are.
"""

import hashlib
import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.workspace import segments
from boda.workspace.features import EMBEDDED, SegmentRow, copy_rows, segment_rows
from boda.workspace.segments import Stored

_BLOCK_ROWS = 16384


@dataclass(frozen=True, slots=True)
class Order:
    """What is known of the staged order."""

    rows: int
    """Of the merged file."""
    embedded: int
    """Images with features."""
    aligned: bool
    """Whether the first so many rows are these images one to one; not where copies share a row."""
    segment: int | None
    """The one segment that has exactly this order already; None where a file must be written."""


def stage(connection: sqlite3.Connection, recipe: int) -> Order:
    """Put the order that the merged file should have into a temporary table; touches nothing that stays."""
    connection.execute("DROP TABLE IF EXISTS temp.ordered")
    connection.execute("CREATE TEMP TABLE ordered (row INTEGER PRIMARY KEY, content INTEGER UNIQUE, segment, old_row)")
    connection.execute("BEGIN")
    try:
        connection.execute(
            f"INSERT OR IGNORE INTO ordered (content, segment, old_row) SELECT f.content, f.segment, f.row {EMBEDDED}",
            {"recipe": recipe},
        )
        (aligned,) = connection.execute("SELECT count(*) FROM ordered").fetchone()
        connection.execute(
            """
            INSERT INTO ordered (content, segment, old_row) SELECT f.content, f.segment, f.row FROM feature f
            WHERE f.recipe = ? AND NOT EXISTS (SELECT 1 FROM ordered o WHERE o.content = f.content)
            ORDER BY f.segment, f.row
            """,
            (recipe,),
        )
    finally:
        connection.execute("COMMIT")
    (embedded,) = connection.execute(f"SELECT count(*) {EMBEDDED}", {"recipe": recipe}).fetchone()
    rows, files, first, moved = connection.execute(
        "SELECT count(*), count(DISTINCT segment), min(segment), total(old_row <> row - 1) FROM ordered"
    ).fetchone()
    return Order(rows, embedded, embedded == aligned, first if (files, moved) == (1, 0) else None)


def write_merged(folder: Path, connection: sqlite3.Connection, recipe: int, rows: int) -> Stored:
    """Write the one file in the staged order, block by block.

    Raises:
        DiskTrouble: the disk is full or failing.
        Damaged: a segment is not what the catalogue says.
    """
    named = segment_rows(connection, folder, recipe)
    one = next(iter(named.values()))
    contents = hashlib.sha256()
    for (sha256,) in connection.execute(
        "SELECT c.sha256 FROM ordered o CROSS JOIN content c ON c.id = o.content ORDER BY o.row"
    ):
        contents.update(sha256)
    return segments.write_array(
        folder,
        (segments.FOLDER, one.recipe),
        _gathered(folder, connection, named, one),
        shape=(rows, one.width),
        dtype=one.dtype,
        contents=contents.digest(),
    )


def _gathered(
    folder: Path, connection: sqlite3.Connection, named: dict[int, SegmentRow], one: SegmentRow
) -> Iterator[StoredFeatures]:
    for block in _blocks(connection.execute("SELECT segment, old_row FROM ordered ORDER BY row")):
        segment, row = np.array(block, np.int64).T
        piece = np.empty((len(block), one.width), one.dtype)
        copy_rows(folder, named, {}, segment, row, piece)  # maps are let go: their pages count as memory
        yield piece


def write_keys(folder: Path, connection: sqlite3.Connection, recipe: int, recipe_id: str, order: Order) -> Stored:
    """Write the keys of the aligned rows beside them, so that opening need not ask for a million of them."""
    (size,) = connection.execute(f"SELECT total(length(i.key)) {EMBEDDED}", {"recipe": recipe}).fetchone()
    pieces = itertools.chain(_ends(connection, recipe), _data(connection, recipe))
    shape = (8 * order.embedded + int(size),)
    return segments.write_array(folder, (segments.FOLDER, recipe_id), pieces, shape=shape, dtype="uint8")


def _ends(connection: sqlite3.Connection, recipe: int) -> Iterator[npt.NDArray[np.uint8]]:
    end = 0
    for block in _blocks(connection.execute(f"SELECT length(i.key) {EMBEDDED}", {"recipe": recipe})):
        ends = end + np.cumsum(np.array(block, "<i8")[:, 0], dtype="<i8")
        end = int(ends[-1])
        yield ends.view(np.uint8)


def _data(connection: sqlite3.Connection, recipe: int) -> Iterator[npt.NDArray[np.uint8]]:
    for block in _blocks(connection.execute(f"SELECT i.key {EMBEDDED}", {"recipe": recipe})):
        yield np.frombuffer(b"".join(key for (key,) in block), np.uint8)


def move_rows(connection: sqlite3.Connection, recipe: int, segment: int) -> None:
    """Say of each row that it is in the merged file now; inside the caller's transaction."""
    old = connection.execute("SELECT id FROM segment WHERE recipe = ? AND id <> ?", (recipe, segment)).fetchall()
    connection.execute(
        """
        UPDATE feature SET segment = ?, row = o.row - 1 FROM ordered o
        WHERE feature.content = o.content AND feature.recipe = ?
        """,
        (segment, recipe),
    )
    connection.executemany("DELETE FROM segment WHERE id = ?", old)


def _blocks(found: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    while rows := found.fetchmany(_BLOCK_ROWS):
        yield rows
