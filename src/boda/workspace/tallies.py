"""Questions about the latest listing: who is embedded, who is quarantined, who is left."""

import sqlite3
from collections.abc import Sequence

from boda import keys as key_forms
from boda.pixels.spec import DECODE_RULES
from boda.sources.base import ImageRef
from boda.workspace.records import Counts, Todo, TodoCounts

_LISTED = "i.position IS NOT NULL"
_LISTABLE = "NOT EXISTS (SELECT 1 FROM quarantine u WHERE u.image = i.id AND u.recipe = '')"
_STAT_HOLDS = "(i.size = i.listed_size AND i.mtime_ns = i.listed_mtime_ns)"
"""False or NULL where the stat changed or cannot be trusted (stored as NULL)."""


def ref(raw: bytes, path: bytes, inner: str, size: int | None, mtime_ns: int | None) -> ImageRef:
    """An image as the catalogue has it; a time that is not trusted is 0."""
    return ImageRef(key_forms.from_bytes(raw), path, inner, size or 0, mtime_ns or 0)


def counts(connection: sqlite3.Connection, recipe_ids: Sequence[str]) -> Counts:
    """Count the latest listing for some recipes together."""
    wanted = _Wanted(recipe_ids)
    (listed,) = connection.execute(f"SELECT count(*) FROM image i WHERE {_LISTED}").fetchone()
    embedded = 0
    if recipe_ids:
        (embedded,) = connection.execute(
            f"SELECT count(*) FROM image i WHERE {_LISTED} AND {wanted.has_all}", wanted.values
        ).fetchone()
    by_reason = connection.execute(
        f"""
        SELECT q.stage || '/' || q.code, count(*) FROM quarantine q
        WHERE q.id IN (
            SELECT min(o.id) FROM quarantine o JOIN image i ON i.id = o.image
            WHERE {_LISTED} AND o.recipe IN ('', {wanted.names}) GROUP BY o.image)
        GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        wanted.values,
    ).fetchall()
    reasons = {str(reason): int(number) for reason, number in by_reason}
    return Counts(int(listed), int(embedded), sum(reasons.values()), reasons)


def count_todo(connection: sqlite3.Connection, recipe_ids: Sequence[str]) -> TodoCounts:
    """Count the work that is left."""
    wanted = _Wanted(recipe_ids)
    listed, verify, compute, either = connection.execute(
        f"""
        SELECT count(*), total(verify), total(compute), total(verify OR compute) FROM (
            SELECT coalesce({wanted.to_verify}, 0) AS verify, coalesce({wanted.to_compute}, 0) AS compute
            FROM image i WHERE {_LISTED})
        """,
        wanted.values,
    ).fetchone()
    return TodoCounts(int(listed - either), int(verify), int(compute))


def verify_page(
    connection: sqlite3.Connection, recipe_ids: Sequence[str], after: int, page: int
) -> tuple[list[ImageRef], int]:
    """Images to read and hash again, beyond a position; and the position of the last one."""
    wanted = _Wanted(recipe_ids)
    rows = connection.execute(
        f"""
        SELECT i.position, i.key, i.path, i.inner, i.listed_size, i.listed_mtime_ns FROM image i
        WHERE i.position > :after AND {wanted.to_verify} ORDER BY i.position LIMIT :page
        """,
        wanted.values | {"after": after, "page": page},
    ).fetchall()
    return [ref(*row[1:]) for row in rows], rows[-1][0] if rows else after


def compute_page(
    connection: sqlite3.Connection, recipe_ids: Sequence[str], after: int, page: int
) -> tuple[list[Todo], int]:
    """Images that lack an answer, beyond a position; and the position of the last one."""
    wanted = _Wanted(recipe_ids)
    lacking = "".join(f", {lack}" for lack in wanted.lacks)
    rows = connection.execute(
        f"""
        SELECT i.position, i.key, i.path, i.inner, i.listed_size, i.listed_mtime_ns{lacking} FROM image i
        WHERE i.position > :after AND {wanted.to_compute} ORDER BY i.position LIMIT :page
        """,
        wanted.values | {"after": after, "page": page},
    ).fetchall()
    todo = [
        Todo(ref(*row[1:6]), frozenset(name for name, lacks in zip(recipe_ids, row[6:], strict=True) if lacks), row[0])
        for row in rows
    ]
    return todo, rows[-1][0] if rows else after


class _Wanted:
    """The conditions of some recipes, as SQL about `image i`."""

    def __init__(self, recipe_ids: Sequence[str]) -> None:
        self.values: dict[str, str | int] = {f"r{place}": name for place, name in enumerate(recipe_ids)}
        self.values["rules"] = DECODE_RULES
        places = range(len(recipe_ids))
        self.names = ", ".join(f":r{place}" for place in places) or "NULL"
        self.has = [
            "EXISTS (SELECT 1 FROM feature f WHERE f.content = i.content "
            f"AND f.recipe = (SELECT id FROM recipe WHERE digest = :r{place}))"
            for place in places
        ]
        self.lacks = [
            f"(NOT {has} AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.image = i.id AND q.recipe = :r{place} "
            "AND q.code NOT IN ('io_error', 'unreachable') AND q.rules = :rules "
            "AND q.size = i.listed_size AND q.mtime_ns = i.listed_mtime_ns))"
            for place, has in zip(places, self.has, strict=True)
        ]
        self.has_all = " AND ".join(self.has) or "0"
        self.to_compute = f"(({' OR '.join(self.lacks) or '0'}) AND {_LISTABLE})"
        self.to_verify = f"(i.content IS NOT NULL AND {_STAT_HOLDS} IS NOT 1 AND ({' OR '.join(self.has) or '0'}))"
