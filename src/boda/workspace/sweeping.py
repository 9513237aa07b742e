"""Sweep away files that nobody names: what a crash left, and what a merge, a new table or a new result replaced.

Only under the lock, as another writer may be about to name a file; and only files that are called like ours.
"""

import errno
import re
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from boda.workspace import label_files, results, segments
from boda.workspace.atomic import TEMPORARY, disk_trouble


def is_temporary(name: str) -> bool:
    """Whether a file of this name was being written when a process died."""
    return TEMPORARY.fullmatch(name) is not None


def sweep(folder: Path, connection: sqlite3.Connection) -> int:
    """Remove what nobody names; whoever calls holds the lock. Returns how many files."""
    with disk_trouble(folder):
        gone = list(orphans(folder, connection))
        for path in gone:
            path.unlink(missing_ok=True)
        for left in _empty_results(folder, connection):
            _remove_folder(left)
    return len(gone)


def orphans(folder: Path, connection: sqlite3.Connection) -> Iterator[Path]:
    """Files called like ours that the catalogue does not name."""
    yield from _orphan_features(folder, connection)
    yield from _orphan_labels(folder, connection)
    named = results.folders(connection)
    for kind, result in _result_folders(folder):
        for path in _plain_files(result):
            ours = results.NAME.fullmatch(path.name) and (kind, result.name) not in named
            if is_temporary(path.name) or ours:
                yield path


def _orphan_labels(folder: Path, connection: sqlite3.Connection) -> Iterator[Path]:
    named = {file for (file,) in connection.execute("SELECT file FROM labels").fetchall()}
    for path in _plain_files(folder / label_files.FOLDER):
        if is_temporary(path.name) or (label_files.FILE_NAME.fullmatch(path.name) and path.name not in named):
            yield path


def _orphan_features(folder: Path, connection: sqlite3.Connection) -> Iterator[Path]:
    named = {
        (recipe, file)
        for recipe, file in connection.execute(
            """
            SELECT r.digest, s.file FROM segment s JOIN recipe r ON r.id = s.recipe
            UNION SELECT r.digest, m.keys_file FROM merged m JOIN recipe r ON r.id = m.recipe
            """
        ).fetchall()
    }
    for recipe in _folders(folder / segments.FOLDER, segments.RECIPE_NAME):
        for path in _plain_files(recipe):
            ours = segments.FILE_NAME.fullmatch(path.name)
            if is_temporary(path.name) or (ours and (recipe.name, path.name) not in named):
                yield path


def _plain_files(folder: Path) -> list[Path]:
    """Files right in a folder; none where the folder is a link or not there. Links are left alone."""
    return [path for path, mode in _entries(folder) if stat.S_ISREG(mode)]


def _folders(folder: Path, called: re.Pattern[str]) -> list[Path]:
    return [path for path, mode in _entries(folder) if stat.S_ISDIR(mode) and called.fullmatch(path.name)]


def _result_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    """The folder of each result, with its kind."""
    for kind in _folders(folder / results.FOLDER, results.KIND):
        for result in _folders(kind, results.DIGEST):
            yield kind.name, result


def _empty_results(folder: Path, connection: sqlite3.Connection) -> list[Path]:
    named = results.folders(connection)
    return [path for kind, path in _result_folders(folder) if (kind, path.name) not in named]


def _remove_folder(path: Path) -> None:
    """Where something else lies in it, it stays."""
    try:
        path.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            raise


def _entries(folder: Path) -> list[tuple[Path, int]]:
    try:
        if not stat.S_ISDIR(folder.stat(follow_symlinks=False).st_mode):
            return []
        return [(path, path.lstat().st_mode) for path in sorted(folder.iterdir())]
    except FileNotFoundError:
        return []
