"""Feature sets: rows of one recipe, in the order of the frame, each with its key."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from boda import keys as key_forms
from boda.arrays import StoredFeatures
from boda.errors import Damaged
from boda.recipe import Recipe
from boda.workspace import catalogue, segments

BLOCK_ROWS = 65536

EMBEDDED = """
    FROM image i JOIN feature f ON f.content = i.content AND f.recipe = :recipe
    WHERE i.position IS NOT NULL ORDER BY i.position
"""
"""The embedded images of the latest listing, in its order. An image is never embedded and quarantined at once."""


class PackedKeys(Sequence[str]):
    """Many keys in two arrays; a key becomes text when it is asked for, so that a million cost nothing at first."""

    def __init__(self, ends: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> None:
        """Keys from their bytes.

        Args:
            ends: (n,); where each key ends in `data`.
            data: the bytes of all keys, one after the other.
        """
        self._ends, self._data = ends, data

    @classmethod
    def from_array(cls, array: npt.NDArray[np.uint8], count: int) -> "PackedKeys":
        """Keys from the file beside a merged one, without a copy.

        Args:
            array: the ends as little-endian int64, then the bytes of all keys.
            count: how many keys.

        Raises:
            ValueError: the array cannot hold so many keys.
        """
        if count and (len(array) < 8 * count or int(array[: 8 * count].view("<i8")[-1]) != len(array) - 8 * count):
            raise ValueError("the file of keys does not hold what it should")
        return cls(array[: 8 * count].view("<i8"), array[8 * count :])

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        start = int(self._ends[place - 1]) if place else 0
        return key_forms.from_bytes(self._data[start : int(self._ends[place])].tobytes())

    def __iter__(self) -> Iterator[str]:
        data, start = self._data.tobytes(), 0
        for end in self._ends.tolist():
            yield key_forms.from_bytes(data[start:end])
            start = end

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} keys>"


WIDEST = (1 << 24) - 1
"""Numbers a row can have at most."""


@dataclass(frozen=True)
class FeatureSet:
    """Features of one recipe: row i belongs to `keys[i]`, in the order of the frame, embedded images only."""

    recipe: Recipe
    keys: Sequence[str]
    """(n,); lazy."""
    array: StoredFeatures
    """(n, d) in the recipe's stored dtype; a read-only memory map where rows and images agree one to one."""
    stored: str | None = None
    """Names what `array` maps: equal names, equal numbers. None where rows were gathered."""

    def __len__(self) -> int:
        return len(self.array)


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """What the catalogue says of a segment."""

    id: int
    recipe: str
    file: str
    rows: int
    size: int
    width: int
    dtype: str
    sha256: bytes
    contents: bytes

    @property
    def parts(self) -> tuple[str, str, str]:
        """The way to the file, below the workspace."""
        return segments.FOLDER, self.recipe, self.file


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the rows of the embedded images are, in the order of the frame."""

    keys: PackedKeys
    segment: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]


def load(folder: Path, recipe: Recipe, *, writable: bool) -> FeatureSet:
    """The features of a recipe as they are committed now.

    Raises:
        Damaged: a file is not what the catalogue says, or missing.
    """
    missing: str | None = None
    while True:
        try:
            return _load_once(folder, recipe, writable=writable)
        except FileNotFoundError as error:
            # A writer may have merged and swept between our look at the list and at the file.
            if missing == str(error):
                raise Damaged(f"{folder}: a file with features is missing ({error}); see: boda doctor") from error
            missing = str(error)


def _load_once(folder: Path, recipe: Recipe, *, writable: bool) -> FeatureSet:
    with catalogue.reading(folder, writable=writable) as connection:
        number, width = connection.execute(
            "SELECT id, width FROM recipe WHERE digest = ?", (recipe.id,)
        ).fetchone() or (None, 0)
        if number is None:
            raise Damaged(f"{folder}: recipe {recipe.id} is no longer in boda.db")
        aligned = _aligned(connection, number)
        named = segment_rows(connection, folder, number)
        plan = None if aligned else plan_rows(connection, number)
    if aligned:
        segment = named[aligned.segment]
        array = open_segment(folder, segment)[: aligned.rows]
        return FeatureSet(recipe, aligned.keys(folder), array, f"{Path(segment.file).stem}-{aligned.rows}")
    assert plan is not None
    return FeatureSet(recipe, plan.keys, gather(folder, named, plan, width, recipe.dtype))


@dataclass(frozen=True, slots=True)
class _Aligned:
    segment: int
    rows: int
    recipe: str
    file: str
    size: int

    def keys(self, folder: Path) -> PackedKeys:
        segments.check_name(self.file, segments.FILE_NAME, folder)
        parts = (segments.FOLDER, self.recipe, self.file)
        array = segments.open_array(folder, parts, shape=None, dtype="uint8", size=self.size)
        try:
            return PackedKeys.from_array(array, self.rows)
        except ValueError as error:
            raise Damaged(f"{folder.joinpath(*parts)}: {error}; see: boda doctor") from error


def _aligned(connection: sqlite3.Connection, recipe: int) -> _Aligned | None:
    """The merged file, where nothing has moved since it was made."""
    row = connection.execute(
        """
        SELECT m.segment, m.rows, r.digest, m.keys_file, m.keys_bytes
        FROM merged m JOIN recipe r ON r.id = m.recipe
        WHERE m.recipe = ? AND m.recipe_generation = r.generation AND m.listing_generation =
            (SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'generation')
        """,
        (recipe,),
    ).fetchone()
    return _Aligned(*row) if row else None


def segment_rows(connection: sqlite3.Connection, folder: Path, recipe: int | None = None) -> dict[int, SegmentRow]:
    """The segments that the catalogue names, of one recipe or of all.

    Raises:
        Damaged: a name is not one of ours.
    """
    found = connection.execute(
        """
        SELECT s.id, r.digest, s.file, s.rows, s.bytes, r.width, r.dtype, s.sha256, s.contents
        FROM segment s JOIN recipe r ON r.id = s.recipe WHERE ?1 IS NULL OR s.recipe = ?1 ORDER BY s.id
        """,
        (recipe,),
    ).fetchall()
    rows = {row[0]: SegmentRow(*row) for row in found}
    for row in rows.values():
        segments.check_name(row.file, segments.FILE_NAME, folder)
        segments.check_name(row.recipe, segments.RECIPE_NAME, folder)
        if row.dtype not in {"float16", "float32"} or not 0 < row.width <= WIDEST or not 0 < row.rows < 1 << 40:
            raise Damaged(f"{folder}: boda.db describes {row.file} as no array of features; see: boda doctor")
    return rows


def plan_rows(connection: sqlite3.Connection, recipe: int) -> Plan:
    """Find the row of each embedded image."""
    ends: list[npt.NDArray[np.int64]] = []
    data: list[bytes] = []
    places: list[npt.NDArray[np.int64]] = []
    found = connection.execute(f"SELECT i.key, f.segment, f.row {EMBEDDED}", {"recipe": recipe})
    while block := found.fetchmany(BLOCK_ROWS):
        raw, segment, row = zip(*block, strict=True)
        ends.append(np.fromiter(map(len, raw), np.int64, len(raw)))
        data.append(b"".join(raw))
        places.append(np.array([segment, row], np.int64))
    together = np.concatenate(places, axis=1) if places else np.empty((2, 0), np.int64)
    lengths = np.concatenate(ends) if ends else np.empty(0, np.int64)
    keys = PackedKeys(np.cumsum(lengths, dtype=np.int64), np.frombuffer(b"".join(data), np.uint8))
    return Plan(keys, together[0], together[1])


def open_segment(folder: Path, segment: SegmentRow) -> StoredFeatures:
    """Map one segment.

    Raises:
        FileNotFoundError: it is gone.
        Damaged: it is something else.
    """
    shape = (segment.rows, segment.width)
    return segments.open_array(folder, segment.parts, shape=shape, dtype=segment.dtype, size=segment.size)


def gather(
    folder: Path, named: dict[int, SegmentRow], plan: Plan, width: int, dtype: str
) -> npt.NDArray[np.floating[Any]]:
    """Copy rows out of their segments' maps, in blocks; nothing is cast."""
    result = np.empty((len(plan.row), width), dtype)
    opened: dict[int, StoredFeatures] = {}
    for start in range(0, len(result), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        copy_rows(folder, named, opened, plan.segment[block], plan.row[block], result[block])
    return result


def copy_rows(
    folder: Path,
    named: dict[int, SegmentRow],
    opened: dict[int, StoredFeatures],
    segment: npt.NDArray[np.int64],
    row: npt.NDArray[np.int64],
    into: StoredFeatures,
) -> None:
    """Fill `into` with the rows that `segment` and `row` name; maps are kept in `opened`."""
    for number in np.unique(segment).tolist():
        if number not in named:
            raise Damaged(f"{folder}: a row of features is in segment {number}, which is not there; see: boda doctor")
        if number not in opened:
            opened[number] = open_segment(folder, named[number])
        here = np.flatnonzero(segment == number)
        rows = row[here]
        if rows.min() < 0 or rows.max() >= named[number].rows:
            raise Damaged(f"{folder}: a row of features is beyond its segment {named[number].file}; see: boda doctor")
        into[here] = opened[number][rows]
