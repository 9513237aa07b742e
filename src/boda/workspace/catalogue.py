"""Connections to `boda.db`: how they are opened, what a transaction is, and what SQLite's errors mean.

Readers open, fetch, and let go: no connection lives longer than one question, so none crosses a fork and none
keeps a commit waiting. The writer holds one connection while it holds the lock.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from boda.errors import BodaError, Busy, Damaged, DiskTrouble, ReadOnly
from boda.keys import shown
from boda.workspace import digests, schema
from boda.workspace.locking import holder

NAME = "boda.db"
JOURNAL = "boda.db-journal"
BUSY_SECONDS = 60.0
CACHE_KIB = 16 * 1024
"""SQLite spills to disk above this, so that memory stays flat however long a listing is."""

_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")


@contextlib.contextmanager
def reading(folder: Path, *, writable: bool = True) -> Iterator[sqlite3.Connection]:
    """One committed state of the catalogue, for as long as the block runs. Fetch, then leave the block.

    Rows of a hostile or damaged catalogue can hold anything, so what breaks while they are understood is damage.

    Args:
        folder: the workspace.
        writable: whether this process may write there; if so, an interrupted commit is undone first.

    Raises:
        Damaged: the file is not a catalogue of ours, or rows in it make no sense.
        Busy: a writer kept it locked for more than a minute.
        ReadOnly: an interrupted commit must be undone, and cannot here.
        DiskTrouble: it cannot be read.
    """
    with translated(folder):
        check_files(folder)
        connection = _open_reading(folder, writable=writable)
        try:
            connection.execute("BEGIN")
            schema.check(connection, str(folder))
            yield connection
        except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
            if isinstance(error, BodaError):
                raise
            raise Damaged(
                f"{folder}: a row of boda.db makes no sense ({_one_line(error)}); see: boda doctor"
            ) from error
        finally:
            connection.close()


def open_writing(folder: Path) -> sqlite3.Connection:
    """The one connection that writes; whoever opens it holds the lock and closes it."""
    with translated(folder):
        check_files(folder)
        connection = _connect(folder, "rw")
        try:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA temp.cache_size = -{CACHE_KIB // 4}")
            if mode != "delete":
                raise Damaged(f"{folder}: boda.db is in journal mode {mode!r} and does not leave it")
            schema.check(connection, str(folder))
            _upgrade(connection)
            digests.watch(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def create(folder: Path) -> None:
    """Make an empty catalogue, in one transaction; whoever calls holds the lock."""
    with translated(folder):
        connection = _connect(folder, "rwc")
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                schema.create(connection)
                connection.execute("INSERT INTO seal VALUES (1, zeroblob(32))")
            connection.execute("COMMIT")
            schema.check(connection, str(folder))
            _upgrade(connection)
            digests.watch(connection)
            with transaction(connection, folder):
                connection.execute("UPDATE setting SET value = value")
        finally:
            connection.close()


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring an older format to the present one, in one transaction."""
    if schema.version_of(connection) == schema.VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        schema.upgrade(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, folder: Path) -> Iterator[None]:
    """All of the block becomes visible, with its digests, or nothing of it."""
    with translated(folder):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            digests.reseal(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # on a full disk SQLite has often rolled back already
                connection.execute("ROLLBACK")
            raise


@contextlib.contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, in one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, folder) from error


def check_files(folder: Path) -> None:
    """Refuse a catalogue that is no plain file, and a journal that would touch other files.

    SQLite finishes an interrupted commit by what the journal says, and a journal can name another file, which is
    then deleted. Ours never do, as a commit touches one database only.
    """
    for name in (NAME, JOURNAL):
        try:
            kind = (folder / name).lstat()
        except FileNotFoundError:
            if name == NAME:
                raise Damaged(f"{folder}: boda.db is not there; restore it from a copy") from None
            continue
        except OSError as error:
            raise DiskTrouble(f"{folder / name}: {error.strerror}") from error
        if not stat.S_ISREG(kind.st_mode):
            raise Damaged(f"{folder}: {name} is not a plain file; such a workspace is not opened")
    with contextlib.suppress(OSError):
        # Never open boda.db itself: closing it would drop SQLite's locks of this whole process.
        with (folder / JOURNAL).open("rb") as journal:
            journal.seek(-len(_JOURNAL_MAGIC), os.SEEK_END)
            foreign = journal.read() == _JOURNAL_MAGIC
        if foreign:
            raise Damaged(f"{folder}: {JOURNAL} names another file; such a workspace is not opened")


def _open_reading(folder: Path, *, writable: bool) -> sqlite3.Connection:
    if writable:
        connection = _connect(folder, "rw")
        connection.execute("PRAGMA query_only = ON")
        return connection
    connection = _connect(folder, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        locks_fail = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL}
        if not locks_fail or (folder / JOURNAL).exists():
            raise
        return _connect(folder, "ro", immutable=True)  # nobody can write here, and no commit was interrupted
    return connection


def _connect(folder: Path, mode: str, *, immutable: bool = False) -> sqlite3.Connection:
    address = f"{(folder.absolute() / NAME).as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        for pragma in (
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "temp_store = FILE",
            f"cache_size = -{CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except UnicodeDecodeError as error:  # SQLite quotes a damaged schema, and Python cannot read the quotation
        connection.close()
        raise sqlite3.DatabaseError("its schema is not text") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _one_line(error: Exception) -> str:
    """What a library says; it may quote what is in a hostile file."""
    return shown(str(error))[:200]


def _translation(error: sqlite3.Error, folder: Path) -> BodaError:
    said = _one_line(error)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DiskTrouble(f"{folder}: no space left for boda.db; make room and run again. What was committed stays")
    if code == sqlite3.SQLITE_IOERR:
        return DiskTrouble(f"{folder}: boda.db: {said}; look at the disk or mount. What was committed stays")
    if code == sqlite3.SQLITE_CANTOPEN:
        return DiskTrouble(f"{folder}: boda.db cannot be opened: {said}; look at its permissions and the disk")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return Busy(str(folder), holder(folder))
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        interrupted = " An interrupted commit must be undone first." if (folder / JOURNAL).exists() else ""
        return ReadOnly(f"{folder}: boda.db cannot be written here.{interrupted} Copy the workspace elsewhere")
    return Damaged(f"{folder}: boda.db is damaged ({said}); see: boda doctor, or restore it from a copy")
