"""Merge the segments of a recipe into one file in the order of the frame, so that reading is one memory map.

Rows of contents that no listed image has now (vanished, changed) are kept behind the aligned ones: nothing is lost.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.workspace import segments
from boda.workspace.features import EMBEDDED, PackedKeys, SegmentRow, copy_rows, plan_rows, segment_rows
from boda.workspace.segments import Stored

_BLOCK_ROWS = 16384


@dataclass(frozen=True, slots=True)
class Order:
    """The rows of a recipe as the merged file has them."""

    content: npt.NDArray[np.int64]
    segment: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    aligned: int | None
    """The first so many rows are the embedded images one to one; None where copies share a row."""

    @property
    def is_one_file(self) -> bool:
        """Whether one segment has exactly this order already."""
        return bool(np.all(self.segment == self.segment[0]) and np.array_equal(self.row, np.arange(len(self.row))))


def order_of(connection: sqlite3.Connection, recipe: int) -> Order:
    """The order that the merged file should have."""
    query = f"SELECT f.content, f.segment, f.row {EMBEDDED}"
    embedded = _numbers(connection.execute(query, {"recipe": recipe}))
    _, first = np.unique(embedded[0], return_index=True)
    first.sort()
    one_to_one = len(first) == embedded.shape[1]
    others = _numbers(
        connection.execute(
            """
            SELECT f.content, f.segment, f.row FROM feature f
            WHERE f.recipe = ? AND NOT EXISTS
                (SELECT 1 FROM image i WHERE i.content = f.content AND i.position IS NOT NULL)
            ORDER BY f.content
            """,
            (recipe,),
        )
    )
    content, segment, row = np.concatenate([embedded[:, first], others], axis=1)
    return Order(content, segment, row, embedded.shape[1] if one_to_one else None)


def write_merged(folder: Path, connection: sqlite3.Connection, recipe: int, order: Order) -> Stored:
    """Write the one file, block by block.

    Raises:
        DiskTrouble: the disk is full or failing.
        Damaged: a segment is not what the catalogue says.
    """
    named = segment_rows(connection, folder, recipe)
    one = next(iter(named.values()))
    contents = hashlib.sha256()
    for block in _blocks(len(order.content)):
        numbers = order.content[block].tolist()
        digests = dict(
            connection.execute(f"SELECT id, sha256 FROM content WHERE id IN ({','.join(map(str, numbers))})").fetchall()
        )
        contents.update(b"".join(digests[number] for number in numbers))
    return segments.write_array(
        folder,
        (segments.FOLDER, one.recipe),
        _gathered(folder, named, order, one.width, one.dtype),
        shape=(len(order.content), one.width),
        dtype=one.dtype,
        contents=contents.digest(),
    )


def write_keys(folder: Path, connection: sqlite3.Connection, recipe: int, digest: str) -> Stored:
    """Write the keys of the aligned rows beside them, so that opening need not ask for a million of them."""
    packed: PackedKeys = plan_rows(connection, recipe).keys
    array = packed.as_array()
    return segments.write_array(folder, (segments.FOLDER, digest), [array], shape=array.shape, dtype="uint8")


def _gathered(
    folder: Path, named: dict[int, SegmentRow], order: Order, width: int, dtype: str
) -> Iterator[StoredFeatures]:
    opened: dict[int, StoredFeatures] = {}
    for block in _blocks(len(order.row)):
        piece = np.empty((len(order.row[block]), width), dtype)
        copy_rows(folder, named, opened, order.segment[block], order.row[block], piece)
        yield piece


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK_ROWS, count)) for start in range(0, count, _BLOCK_ROWS))


def _numbers(found: sqlite3.Cursor) -> npt.NDArray[np.int64]:
    """(3, n) from rows of three numbers, in blocks."""
    blocks: list[npt.NDArray[Any]] = [np.empty((0, 3), np.int64)]
    while rows := found.fetchmany(_BLOCK_ROWS):
        blocks.append(np.array(rows, np.int64))
    return np.concatenate(blocks).T
