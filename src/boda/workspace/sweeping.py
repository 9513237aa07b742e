"""Sweep away files that nobody names: what a crash left, and what a merge or a new table replaced.

Only under the lock, as another writer may be about to name a file; and only files that are called like ours.
"""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from boda.workspace import label_files, segments
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
    return len(gone)


def orphans(folder: Path, connection: sqlite3.Connection) -> Iterator[Path]:
    """Files called like ours that the catalogue does not name."""
    named = {
        (recipe, file)
        for recipe, file in connection.execute(
            """
            SELECT r.digest, s.file FROM segment s JOIN recipe r ON r.id = s.recipe
            UNION SELECT r.digest, m.keys_file FROM merged m JOIN recipe r ON r.id = m.recipe
            """
        ).fetchall()
    }
    labels = {file for (file,) in connection.execute("SELECT file FROM labels").fetchall()}
    for path in _plain_files(folder / label_files.FOLDER):
        if is_temporary(path.name) or (label_files.FILE_NAME.fullmatch(path.name) and path.name not in labels):
            yield path
    for recipe in _folders(folder / segments.FOLDER):
        for path in _plain_files(recipe):
            ours = segments.FILE_NAME.fullmatch(path.name)
            if is_temporary(path.name) or (ours and (recipe.name, path.name) not in named):
                yield path


def _plain_files(folder: Path) -> list[Path]:
    """Files right in a folder; none where the folder is a link or not there. Links are left alone."""
    return [path for path, mode in _entries(folder) if stat.S_ISREG(mode)]


def _folders(folder: Path) -> list[Path]:
    return [path for path, mode in _entries(folder) if stat.S_ISDIR(mode) and segments.RECIPE_NAME.fullmatch(path.name)]


def _entries(folder: Path) -> list[tuple[Path, int]]:
    try:
        if not stat.S_ISDIR(folder.stat(follow_symlinks=False).st_mode):
            return []
        return [(path, path.lstat().st_mode) for path in sorted(folder.iterdir())]
    except FileNotFoundError:
        return []
