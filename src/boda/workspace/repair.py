"""Find damaged files of features, and forget their rows so that they are computed again."""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from boda.errors import Damaged
from boda.workspace import segments
from boda.workspace.features import SegmentRow, open_segment, segment_rows


@dataclass(frozen=True, slots=True)
class BadSegment:
    """A segment whose rows cannot be trusted."""

    segment: SegmentRow
    why: str


@dataclass(frozen=True, slots=True)
class KeysFile:
    """The keys beside a merged file."""

    recipe: int
    parts: tuple[str, str, str]
    size: int
    sha256: bytes


def damaged_segments(folder: Path, connection: sqlite3.Connection, *, deep: bool) -> list[BadSegment]:
    """Segments that are missing or not what the catalogue says.

    Args:
        folder: the workspace.
        connection: to its catalogue.
        deep: hash each file and the contents of its rows; else only look at sizes and headers.
    """
    bad = []
    for segment in segment_rows(connection, folder).values():
        why = why_file(folder, segment, deep=deep) or (why_rows(connection, segment) if deep else None)
        if why:
            bad.append(BadSegment(segment, why))
    return bad


def why_file(folder: Path, segment: SegmentRow, *, deep: bool) -> str | None:
    """Why the file of a segment cannot be trusted; None where it can."""
    try:
        open_segment(folder, segment)
        if deep and segments.digest_of(folder, segment.parts) != segment.sha256:
            return "its bytes do not match their digest"
    except FileNotFoundError:
        return "it is missing"
    except (Damaged, OSError) as error:
        return str(error).partition("; ")[0]
    return None


def why_rows(connection: sqlite3.Connection, segment: SegmentRow) -> str | None:
    """Why the rows of a segment cannot be trusted; None where they can."""
    if _contents(connection, segment.id) == segment.contents:
        return None
    return "the catalogue names other contents for its rows than were written"


def is_named(connection: sqlite3.Connection, segment: SegmentRow) -> bool:
    """Whether the catalogue still names a segment: another process may have merged it by now."""
    query = "SELECT 1 FROM segment WHERE id = ? AND file = ?"
    return connection.execute(query, (segment.id, segment.file)).fetchone() is not None


def _contents(connection: sqlite3.Connection, segment: int) -> bytes:
    digest = hashlib.sha256()
    query = """
        SELECT c.sha256 FROM feature f JOIN content c ON c.id = f.content WHERE f.segment = ? ORDER BY f.row
    """
    for (content,) in connection.execute(query, (segment,)):
        digest.update(content)
    return digest.digest()


def keys_files(connection: sqlite3.Connection, folder: Path) -> Iterator[KeysFile]:
    """The files of keys that the catalogue names.

    Raises:
        Damaged: a name is not one of ours.
    """
    rows = connection.execute(
        """
        SELECT m.recipe, r.digest, m.keys_file, m.keys_bytes, m.keys_sha256
        FROM merged m JOIN recipe r ON r.id = m.recipe
        """
    ).fetchall()
    for recipe, digest, file, size, sha256 in rows:
        segments.check_name(file, segments.FILE_NAME, folder)
        segments.check_name(digest, segments.RECIPE_NAME, folder)
        yield KeysFile(recipe, (segments.FOLDER, digest, file), size, sha256)


def damaged_keys(folder: Path, connection: sqlite3.Connection, *, deep: bool) -> dict[int, str]:
    """Number of the recipe to the reason, where the keys beside a merged file are missing or damaged."""
    found = {keys.recipe: why_keys(folder, keys, deep=deep) for keys in keys_files(connection, folder)}
    return {recipe: why for recipe, why in found.items() if why}


def why_keys(folder: Path, keys: KeysFile, *, deep: bool) -> str | None:
    """Why a file of keys cannot be trusted; None where it can."""
    try:
        segments.open_array(folder, keys.parts, shape=None, dtype="uint8", size=keys.size)
        if deep and segments.digest_of(folder, keys.parts) != keys.sha256:
            return "its bytes do not match their digest"
    except FileNotFoundError:
        return "it is missing"
    except (Damaged, OSError) as error:
        return str(error).partition("; ")[0]
    return None


def forget(connection: sqlite3.Connection, bad: list[BadSegment]) -> int:
    """Remove the rows of damaged segments; inside the caller's transaction. Returns how many."""
    forgotten = 0
    for one in bad:
        number = one.segment.id
        connection.execute("DELETE FROM merged WHERE segment = ?", (number,))
        forgotten += connection.execute("DELETE FROM feature WHERE segment = ?", (number,)).rowcount
        connection.execute("DELETE FROM segment WHERE id = ?", (number,))
    return forgotten
