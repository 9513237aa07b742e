"""What a commit changes in the catalogue: contents, facts, features, quarantine. Inside the caller's transaction.

One rule holds after each of these: no image is embedded and quarantined for the same recipe. A good answer takes
the quarantine row away; a bad one is only taken where there is no good one for the bytes that were read.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from boda import keys as key_forms
from boda.errors import Refused
from boda.pixels.spec import DECODE_RULES
from boda.workspace.records import Hashed, Quarantined, Read


def prepare(connection: sqlite3.Connection) -> None:
    """Make the temporary tables that blocks pass through: one statement for a block is ten times one for each row."""
    connection.execute(
        "CREATE TEMP TABLE given (row INTEGER PRIMARY KEY, key, sha256, size, mtime_ns,"
        " width, height, frames, format, warnings)"
    )
    connection.execute("CREATE TEMP TABLE answered (row INTEGER PRIMARY KEY, sha256 BLOB)")


def record_reads(connection: sqlite3.Connection, reads: Sequence[Read | Hashed], folder: str) -> None:
    """Note which contents images have, and what decoding found out about these; then settle.

    The time is kept only where it equals a trusted one of the listing: whatever changed since is read again next
    time. Facts of a content stay as they were first found.

    Raises:
        Refused: an image was never listed.
    """
    one = connection.execute
    one("DELETE FROM given")
    connection.executemany(
        "INSERT INTO given (key, sha256, size, mtime_ns, width, height, frames, format, warnings)"
        " VALUES (?, ?, ?, ?, nullif(?, 0), nullif(?, 0), nullif(?, 0), ?, ?)",
        map(_row, reads),
    )
    strange = one("SELECT g.key FROM given g WHERE g.key NOT IN (SELECT key FROM image) LIMIT 1").fetchone()
    if strange:
        shown = key_forms.shown(key_forms.from_bytes(strange[0]))
        raise Refused(f"{folder}: {shown!r} was never listed, so it cannot be recorded")
    one(
        """
        INSERT INTO content (sha256, width, height, frames, format, warnings)
        SELECT sha256, width, height, frames, format, warnings FROM given WHERE true ORDER BY row
        ON CONFLICT (sha256) DO UPDATE SET width = excluded.width, height = excluded.height,
            frames = excluded.frames, format = excluded.format, warnings = excluded.warnings
        WHERE content.width IS NULL AND excluded.width IS NOT NULL
        """
    )
    changed = one(
        """
        SELECT content, size, mtime_ns, id FROM (
            SELECT c.id AS content, g.size, i.id, i.content AS old_content, i.size AS old_size, i.mtime_ns AS old_mtime,
                   CASE WHEN g.size = i.listed_size AND g.mtime_ns = i.listed_mtime_ns THEN g.mtime_ns END AS mtime_ns
            FROM given g CROSS JOIN image i ON i.key = g.key CROSS JOIN content c ON c.sha256 = g.sha256)
        WHERE content IS NOT old_content OR size IS NOT old_size OR mtime_ns IS NOT old_mtime
        """
    ).fetchall()
    connection.executemany("UPDATE image SET content = ?, size = ?, mtime_ns = ? WHERE id = ?", changed)
    _settle(connection, "given")


def _row(read: Read | Hashed) -> tuple[Any, ...]:
    raw = key_forms.to_bytes(read.key)
    if isinstance(read, Read):
        facts = (read.width, read.height, read.frames, key_forms.shown(read.format), json.dumps(read.warnings))
        return raw, read.content, read.size, read.mtime_ns, *facts
    return raw, read.content, read.size, read.mtime_ns, None, None, None, None, None


def with_features(connection: sqlite3.Connection, recipe_id: str, contents: Sequence[bytes]) -> set[bytes]:
    """Which of the contents have features of the recipe already."""
    with _together(connection):
        _fill_answered(connection, contents)
    found = connection.execute(
        """
        SELECT a.sha256 FROM answered a CROSS JOIN content c ON c.sha256 = a.sha256
        CROSS JOIN feature f ON f.content = c.id AND f.recipe = (SELECT id FROM recipe WHERE digest = ?)
        """,
        (recipe_id,),
    )
    return {sha256 for (sha256,) in found.fetchall()}


def record_features(connection: sqlite3.Connection, recipe: int, segment: int, contents: Sequence[bytes]) -> None:
    """Row i of a segment belongs to `contents[i]`; then settle."""
    _fill_answered(connection, contents)
    connection.execute(
        """
        INSERT INTO content (sha256) SELECT sha256 FROM answered WHERE true ORDER BY row ON CONFLICT DO NOTHING
        """
    )
    connection.execute(
        """
        INSERT INTO feature (content, recipe, segment, row)
        SELECT c.id, ?, ?, a.row FROM answered a CROSS JOIN content c ON c.sha256 = a.sha256 ORDER BY c.id
        """,
        (recipe, segment),
    )
    _settle(connection, "answered")


@contextlib.contextmanager
def _together(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction for many rows of a temporary table; locks nobody out."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _fill_answered(connection: sqlite3.Connection, contents: Sequence[bytes]) -> None:
    connection.execute("DELETE FROM answered")
    connection.executemany("INSERT INTO answered VALUES (?, ?)", enumerate(contents))


def _settle(connection: sqlite3.Connection, table: str) -> None:
    """Take away the quarantine of images that have features now, directly or through a copy."""
    connection.execute(
        f"""
        DELETE FROM quarantine WHERE id IN (
            SELECT q.id FROM {table} t CROSS JOIN content c ON c.sha256 = t.sha256
            CROSS JOIN image i ON i.content = c.id CROSS JOIN quarantine q ON q.image = i.id
            CROSS JOIN recipe r ON r.digest = q.recipe CROSS JOIN feature f ON f.content = c.id AND f.recipe = r.id)
        """
    )


def quarantine(
    connection: sqlite3.Connection, rows: Sequence[Quarantined], read_now: frozenset[str], folder: str
) -> None:
    """Note images that could not be used.

    Args:
        connection: of the writer.
        rows: one for each image and recipe.
        read_now: keys whose bytes were read in this block: their content is certain.
        folder: for the text of errors.

    Raises:
        Refused: an image was never listed.
    """
    for row in rows:
        found = connection.execute(
            """
            SELECT i.id, EXISTS (SELECT 1 FROM feature f JOIN recipe r ON r.id = f.recipe
                                 WHERE f.content = i.content AND r.digest = ?)
            FROM image i WHERE i.key = ?
            """,
            (row.recipe, key_forms.to_bytes(row.key)),
        ).fetchone()
        if found is None:
            raise Refused(f"{folder}: {key_forms.shown(row.key)!r} was never listed, so it cannot be quarantined")
        image, embedded = found
        if embedded and row.key in read_now:
            continue  # a copy of these very bytes was embedded
        if embedded:  # its bytes could not be read any more, so nobody knows whether they are still the same
            connection.execute("UPDATE image SET content = NULL, size = NULL, mtime_ns = NULL WHERE id = ?", (image,))
        connection.execute(
            """
            INSERT INTO quarantine (image, recipe, stage, code, reason, size, mtime_ns, rules)
            SELECT id, ?, ?, ?, ?, listed_size, listed_mtime_ns, ? FROM image WHERE id = ?
            ON CONFLICT (image, recipe) DO UPDATE SET stage = excluded.stage, code = excluded.code,
                reason = excluded.reason, size = excluded.size, mtime_ns = excluded.mtime_ns, rules = excluded.rules
            """,
            (
                row.recipe,
                str(row.unreadable.stage),
                str(row.unreadable.code),
                key_forms.shown(row.unreadable.reason),
                DECODE_RULES,
                image,
            ),
        )
