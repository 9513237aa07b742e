"""Every row of every table is under exactly one digest, and the table of digests is under its own.

SQLite has no page checksums: a flipped bit in a row is read as another value. So rows are taken in chunks of 1,024
by the first column of their table, and `batch` holds the SHA-256 of each chunk: the lines

    quote(column),quote(column),...\\n

in the order of the primary key, as SQLite's own `quote()` writes them. `seal` holds the SHA-256 of `batch` in the
same way. TEMP triggers on the writing connection note the chunks a transaction touches, so that none is forgotten;
`reseal` computes just these again in the same transaction.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from boda.workspace.schema import COLUMNS, tables

CHUNK_BITS = 10


@dataclass(frozen=True, slots=True)
class BadChunk:
    """Rows that do not match their digest."""

    table: str
    first: int
    """Smallest and largest value of the table's first column that belong to the chunk."""
    last: int


def watch(connection: sqlite3.Connection) -> None:
    """From now on, note what each transaction of this connection touches."""
    connection.execute("CREATE TEMP TABLE touched (tbl, chunk, PRIMARY KEY (tbl, chunk)) WITHOUT ROWID")
    connection.execute("CREATE TEMP TABLE moved (recipe INTEGER PRIMARY KEY)")
    for table, columns in COLUMNS.items():
        for event, rows in (("INSERT", ("new",)), ("DELETE", ("old",)), ("UPDATE", ("old", "new"))):
            notes = "".join(
                _note("touched", tbl=f"'{table}'", chunk=f"{row}.{columns[0]} >> {CHUNK_BITS}") for row in rows
            )
            connection.execute(
                f"CREATE TEMP TRIGGER watch_{table}_{event} AFTER {event} ON main.{table} BEGIN {notes} END"
            )
    moves = (
        ("image", "INSERT", "1", "0"),
        ("image", "UPDATE", "old.position IS NOT new.position OR old.content IS NOT new.content", "0"),
        ("feature", "INSERT", "1", "new.recipe"),
        ("feature", "DELETE", "1", "old.recipe"),
    )
    for table, event, when, recipe in moves:
        connection.execute(
            f"CREATE TEMP TRIGGER move_{table}_{event} AFTER {event} ON main.{table} WHEN {when} "
            f"BEGIN {_note('moved', recipe=recipe)} END"
        )


def _note(table: str, **values: str) -> str:
    """Insert a row once. Not by `OR IGNORE`, which the conflict clause of the outer statement would override."""
    same = " AND ".join(f"{name} = {value}" for name, value in values.items())
    row = ", ".join(values.values())
    return f"INSERT INTO {table} SELECT {row} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same});"


def reseal(connection: sqlite3.Connection) -> None:
    """Raise the generations of what moved and digest what was touched; the last step of every transaction."""
    for (recipe,) in connection.execute("SELECT recipe FROM moved").fetchall():
        if recipe == 0:
            connection.execute(
                "UPDATE setting SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'generation'"
            )
        else:
            connection.execute("UPDATE recipe SET generation = generation + 1 WHERE id = ?", (recipe,))
    for table, chunk in connection.execute("SELECT tbl, chunk FROM touched").fetchall():
        digest = _chunk_digest(connection, table, chunk)
        if digest is None:
            connection.execute("DELETE FROM batch WHERE tbl = ? AND chunk = ?", (table, chunk))
        else:
            connection.execute(
                "INSERT INTO batch VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET sha256 = excluded.sha256",
                (table, chunk, digest),
            )
    connection.execute(
        "INSERT INTO seal VALUES (1, ?) ON CONFLICT DO UPDATE SET sha256 = excluded.sha256",
        (_seal_digest(connection),),
    )
    connection.execute("DELETE FROM touched")
    connection.execute("DELETE FROM moved")


def seal_holds(connection: sqlite3.Connection) -> bool:
    """Whether the table of digests matches its own digest."""
    sealed = connection.execute("SELECT sha256 FROM seal").fetchall()
    return sealed == [(_seal_digest(connection),)]


def bad_chunks(connection: sqlite3.Connection) -> Iterator[BadChunk]:
    """Compute every digest again, and name the chunks that do not match."""
    noted: dict[tuple[str, int], bytes] = {
        (table, chunk): digest for table, chunk, digest in connection.execute("SELECT tbl, chunk, sha256 FROM batch")
    }
    for table, columns in tables(connection).items():
        query = f"SELECT DISTINCT {columns[0]} >> {CHUNK_BITS} FROM {table}"
        present = {chunk for (chunk,) in connection.execute(query)}
        for chunk in sorted(present | {chunk for name, chunk in noted if name == table}):
            if _chunk_digest(connection, table, chunk) != noted.pop((table, chunk), None):
                yield BadChunk(table, chunk << CHUNK_BITS, ((chunk + 1) << CHUNK_BITS) - 1)
    for table, chunk in noted:
        yield BadChunk(str(table), chunk << CHUNK_BITS, ((chunk + 1) << CHUNK_BITS) - 1)


def _chunk_digest(connection: sqlite3.Connection, table: str, chunk: int) -> bytes | None:
    """Of the rows of one chunk; None where it has none."""
    columns = COLUMNS[table]
    line = " || ',' || ".join(f"quote({column})" for column in columns)
    order = "content, recipe" if table == "feature" else "id"
    rows = connection.execute(
        f"SELECT CAST({line} || char(10) AS BLOB) FROM {table} WHERE {columns[0]} BETWEEN ? AND ? ORDER BY {order}",
        (chunk << CHUNK_BITS, ((chunk + 1) << CHUNK_BITS) - 1),
    ).fetchall()
    return hashlib.sha256(b"".join(row for (row,) in rows)).digest() if rows else None


def _seal_digest(connection: sqlite3.Connection) -> bytes:
    digest = hashlib.sha256()
    query = (
        "SELECT CAST(quote(tbl) || ',' || quote(chunk) || ',' || quote(sha256) || char(10) AS BLOB) "
        "FROM batch ORDER BY tbl, chunk"
    )
    for (line,) in connection.execute(query):
        digest.update(line)
    return digest.digest()
