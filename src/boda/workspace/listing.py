"""A new frozen listing, in one transaction, with memory flat however many images there are.

The entries are streamed into a temporary table on disk first, so that walking a slow folder locks nobody out; then
one transaction compares it with the images that are known.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from boda import keys as key_forms
from boda.errors import SourceError
from boda.pixels.spec import DECODE_RULES
from boda.sources.base import ImageRef, Unlistable
from boda.workspace.records import LISTED, Listing

RACY_NS = 2_000_000_000
"""A file changed so shortly before the listing may change again without another time (git calls this racy)."""


def stage(connection: sqlite3.Connection, entries: Iterable[ImageRef | Unlistable], now_ns: int) -> None:
    """Stream the entries of a source into a temporary table; touches nothing that stays.

    Raises:
        SourceError: a key comes twice.
    """
    connection.execute("DROP TABLE IF EXISTS temp.incoming")
    connection.execute(
        "CREATE TEMP TABLE incoming (position INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, path, inner, shown,"
        " size, mtime_ns, stage, code, reason)"
    )
    connection.execute("BEGIN")
    rows = _Rows(entries, now_ns)
    try:
        connection.executemany("INSERT INTO incoming VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    except sqlite3.IntegrityError as error:
        raise SourceError(f"the source lists {rows.last!r} twice; every image needs its own key") from error
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


class _Rows:
    """Entries as rows; remembers the last one for the error."""

    def __init__(self, entries: Iterable[ImageRef | Unlistable], now_ns: int) -> None:
        self.entries, self.trusted_before, self.last = entries, now_ns - RACY_NS, ""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for position, entry in enumerate(self.entries):
            self.last = shown = key_forms.shown(entry.key)
            raw = key_forms.to_bytes(entry.key)
            if isinstance(entry, Unlistable):
                why = entry.unreadable
                reason = key_forms.shown(why.reason)
                yield position, raw, entry.path, "", shown, None, None, str(why.stage), str(why.code), reason
            else:
                if "\0" in entry.inner:
                    raise SourceError(f"the source lists {shown!r} at a place with a zero byte in it")
                trusted = 0 < entry.mtime_ns < self.trusted_before
                mtime_ns = entry.mtime_ns if trusted else None
                yield position, raw, entry.path, entry.inner, shown, entry.size, mtime_ns, None, None, None


def apply(connection: sqlite3.Connection) -> Listing:
    """Make the staged entries the latest listing; inside the caller's transaction."""
    one = connection.execute
    (unlistable,) = one("SELECT count(*) FROM incoming WHERE stage IS NOT NULL").fetchone()
    new, changed = one(
        """
        SELECT total(i.position IS NULL),
               total(i.position IS NOT NULL AND n.stage IS NULL
                     AND (i.listed_size IS NOT n.size
                          OR (i.listed_mtime_ns IS NOT NULL AND i.listed_mtime_ns IS NOT n.mtime_ns)))
        FROM incoming n LEFT JOIN image i ON i.key = n.key
        """
    ).fetchone()
    vanished = one(
        "UPDATE image SET position = NULL WHERE position IS NOT NULL AND key NOT IN (SELECT key FROM incoming)"
    ).rowcount
    one(
        """
        UPDATE image SET position = n.position, path = n.path, inner = n.inner,
            listed_size = n.size, listed_mtime_ns = n.mtime_ns
        FROM incoming n WHERE image.key = n.key AND (image.position IS NOT n.position OR image.path IS NOT n.path
            OR image.inner IS NOT n.inner OR image.listed_size IS NOT n.size
            OR image.listed_mtime_ns IS NOT n.mtime_ns)
        """
    )
    (last,) = one("SELECT coalesce(max(id), 0) FROM image").fetchone()
    one(
        """
        INSERT INTO image (key, position, path, inner, shown, listed_size, listed_mtime_ns)
        SELECT n.key, n.position, n.path, n.inner, n.shown, n.size, n.mtime_ns FROM incoming n
        WHERE NOT EXISTS (SELECT 1 FROM image i WHERE i.key = n.key AND i.id <= ?) ORDER BY n.position
        """,
        (last,),
    )
    _renew_unlistable(connection)
    (listed,) = one("SELECT count(*) FROM incoming").fetchone()
    one("DROP TABLE incoming")
    return Listing(int(listed), int(new), int(changed), int(vanished), int(unlistable))


def _renew_unlistable(connection: sqlite3.Connection) -> None:
    """Entries that cannot be listed have no content and no other reasons; all others lose theirs of last time."""
    connection.execute("DELETE FROM quarantine WHERE recipe = ?", (LISTED,))
    connection.execute(
        """
        UPDATE image SET content = NULL, size = NULL, mtime_ns = NULL
        WHERE content IS NOT NULL AND key IN (SELECT key FROM incoming WHERE stage IS NOT NULL)
        """
    )
    connection.execute(
        """
        DELETE FROM quarantine WHERE image IN
            (SELECT i.id FROM image i JOIN incoming n ON n.key = i.key WHERE n.stage IS NOT NULL)
        """
    )
    connection.execute(
        """
        INSERT INTO quarantine (image, recipe, stage, code, reason, rules)
        SELECT i.id, ?, n.stage, n.code, n.reason, ? FROM incoming n JOIN image i ON i.key = n.key
        WHERE n.stage IS NOT NULL ORDER BY n.position
        """,
        (LISTED, DECODE_RULES),
    )
