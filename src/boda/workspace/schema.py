"""The tables of `boda.db`, and the check that a file has these and nothing else."""

import functools
import sqlite3

from boda.errors import Damaged, NewerFormat

VERSION = 2
"""Of the format, in `FORMAT` and as `user_version` of `boda.db`."""

OLDEST = 1
"""The oldest version that is read; the first writer makes it the present one. It has no table `result`."""

APPLICATION_ID = 0x626F6461
"""ASCII "boda", in the header of `boda.db`."""

_FIRST = """
CREATE TABLE setting (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    value TEXT NOT NULL
);
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    width INTEGER,
    height INTEGER,
    frames INTEGER,
    format TEXT,
    warnings TEXT
);
CREATE TABLE image (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    position INTEGER,
    path BLOB NOT NULL,
    inner TEXT NOT NULL,
    shown TEXT NOT NULL,
    listed_size INTEGER,
    listed_mtime_ns INTEGER,
    content INTEGER REFERENCES content (id),
    size INTEGER,
    mtime_ns INTEGER
);
CREATE INDEX image_position ON image (position) WHERE position IS NOT NULL;
CREATE INDEX image_content ON image (content) WHERE content IS NOT NULL;
CREATE TABLE recipe (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    json TEXT NOT NULL,
    width INTEGER NOT NULL,
    dtype TEXT NOT NULL,
    generation INTEGER NOT NULL
);
CREATE TABLE segment (
    id INTEGER PRIMARY KEY,
    recipe INTEGER NOT NULL REFERENCES recipe (id),
    file TEXT NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    contents BLOB NOT NULL,
    UNIQUE (recipe, file)
);
CREATE TABLE feature (
    content INTEGER NOT NULL REFERENCES content (id),
    recipe INTEGER NOT NULL REFERENCES recipe (id),
    segment INTEGER NOT NULL REFERENCES segment (id),
    row INTEGER NOT NULL,
    PRIMARY KEY (content, recipe)
) WITHOUT ROWID;
CREATE UNIQUE INDEX feature_segment ON feature (segment, row);
CREATE TABLE merged (
    id INTEGER PRIMARY KEY,
    recipe INTEGER NOT NULL UNIQUE REFERENCES recipe (id),
    segment INTEGER NOT NULL REFERENCES segment (id),
    rows INTEGER NOT NULL,
    listing_generation INTEGER NOT NULL,
    recipe_generation INTEGER NOT NULL,
    keys_file TEXT NOT NULL,
    keys_bytes INTEGER NOT NULL,
    keys_sha256 BLOB NOT NULL
);
CREATE INDEX merged_segment ON merged (segment);
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    image INTEGER NOT NULL REFERENCES image (id),
    recipe TEXT NOT NULL,
    stage TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER,
    mtime_ns INTEGER,
    rules INTEGER NOT NULL,
    UNIQUE (image, recipe)
);
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    recipes TEXT NOT NULL,
    versions TEXT NOT NULL,
    state TEXT NOT NULL,
    summary TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    ended_ns INTEGER
);
CREATE TABLE labels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    file TEXT NOT NULL,
    rows INTEGER NOT NULL,
    columns TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL
);
CREATE TABLE batch (
    tbl TEXT NOT NULL,
    chunk INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (tbl, chunk)
) WITHOUT ROWID;
CREATE TABLE seal (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    sha256 BLOB NOT NULL
);
"""

_SECOND = """
CREATE TABLE result (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    files TEXT NOT NULL,
    summary TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    UNIQUE (kind, name)
)
"""

COLUMNS: dict[str, tuple[str, ...]] = {
    "setting": ("id", "name", "value"),
    "content": ("id", "sha256", "width", "height", "frames", "format", "warnings"),
    "image": (
        "id", "key", "position", "path", "inner", "shown",
        "listed_size", "listed_mtime_ns", "content", "size", "mtime_ns",
    ),
    "recipe": ("id", "digest", "json", "width", "dtype", "generation"),
    "segment": ("id", "recipe", "file", "rows", "bytes", "sha256", "contents"),
    "feature": ("content", "recipe", "segment", "row"),
    "merged": (
        "id", "recipe", "segment", "rows", "listing_generation", "recipe_generation",
        "keys_file", "keys_bytes", "keys_sha256",
    ),
    "quarantine": ("id", "image", "recipe", "stage", "code", "reason", "size", "mtime_ns", "rules"),
    "run": ("id", "recipes", "versions", "state", "summary", "started_ns", "ended_ns"),
    "labels": ("id", "name", "file", "rows", "columns", "bytes", "sha256"),
    "result": ("id", "kind", "name", "digest", "files", "summary", "created_ns"),
}  # fmt: skip
"""Every table that digests cover, its columns in order; the first one says which chunk a row belongs to."""


def create(connection: sqlite3.Connection, version: int = VERSION) -> None:
    """Make the tables in an empty database; inside the caller's transaction."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {OLDEST}")
    for statement in _FIRST.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("INSERT INTO setting (name, value) VALUES ('generation', '0')")
    if version == VERSION:
        upgrade(connection)


def upgrade(connection: sqlite3.Connection) -> None:
    """Make an older version the present one; inside the caller's transaction.

    The new table has no rows, so no digest moves.
    """
    if version_of(connection) < VERSION:
        connection.execute(_SECOND.strip())
        connection.execute(f"PRAGMA user_version = {VERSION}")


def version_of(connection: sqlite3.Connection) -> int:
    """The version that the database says it has."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def tables(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """As `COLUMNS`, for the tables that a database of its version has."""
    present = version_of(connection) == VERSION
    return {table: columns for table, columns in COLUMNS.items() if present or table != "result"}


def check(connection: sqlite3.Connection, where: str) -> None:
    """Refuse a database that is not exactly ours: no other tables, triggers, views or indexes.

    Raises:
        NewerFormat: a newer boda made it.
        Damaged: it is something else.
    """
    version = version_of(connection)
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION_ID and version > VERSION:
        raise NewerFormat(f"{where}: format {version}, but this boda knows only up to {VERSION}; update boda")
    known = application == APPLICATION_ID and version >= OLDEST
    if not known or _objects(connection) != _expected(version):
        raise Damaged(f"{where}: boda.db does not have the tables of format {VERSION}; restore it from a copy")


def _objects(connection: sqlite3.Connection) -> list[tuple[str, str, str, str | None]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


@functools.cache
def _expected(version: int) -> list[tuple[str, str, str, str | None]]:
    connection = sqlite3.connect(":memory:")
    try:
        create(connection, version)
        return _objects(connection)
    finally:
        connection.close()
