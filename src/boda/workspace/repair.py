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
    named = segment_rows(connection, folder)
    found = ((segment, _why_damaged(folder, connection, segment, deep=deep)) for segment in named.values())
    return [BadSegment(segment, why) for segment, why in found if why]


def _why_damaged(folder: Path, connection: sqlite3.Connection, segment: SegmentRow, *, deep: bool) -> str | None:
    try:
        open_segment(folder, segment)
        if deep and segments.digest_of(folder, segment.parts) != segment.sha256:
            return "its bytes do not match their digest"
    except FileNotFoundError:
        return "it is missing"
    except (Damaged, OSError) as error:
        return str(error).partition("; ")[0]
    if deep and _contents(connection, segment.id) != segment.contents:
        return "the catalogue names other contents for its rows than were written"
    return None


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
    bad: dict[int, str] = {}
    for keys in keys_files(connection, folder):
        try:
            segments.open_array(folder, keys.parts, shape=None, dtype="uint8", size=keys.size)
            if deep and segments.digest_of(folder, keys.parts) != keys.sha256:
                bad[keys.recipe] = f"{keys.parts[-1]}: its bytes do not match their digest"
        except FileNotFoundError:
            bad[keys.recipe] = f"{keys.parts[-1]}: it is missing"
        except (Damaged, OSError) as error:
            bad[keys.recipe] = str(error).partition("; ")[0]
    return bad


def forget(connection: sqlite3.Connection, bad: list[BadSegment]) -> int:
    """Remove the rows of damaged segments; inside the caller's transaction. Returns how many."""
    forgotten = 0
    for one in bad:
        number = one.segment.id
        connection.execute("DELETE FROM merged WHERE segment = ?", (number,))
        forgotten += connection.execute("DELETE FROM feature WHERE segment = ?", (number,)).rowcount
        connection.execute("DELETE FROM segment WHERE id = ?", (number,))
    return forgotten
