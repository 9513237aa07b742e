"""`FORMAT`: what makes a folder a workspace, for people and for programs."""

import errno
from pathlib import Path

from boda.errors import Damaged, NewerFormat, NotAWorkspace
from boda.workspace.atomic import open_no_follow, write_whole
from boda.workspace.schema import VERSION

NAME = "FORMAT"
FIRST_LINE = "boda workspace"
_LIMIT = 4096

_TEXT = f"""{FIRST_LINE}
version {VERSION}

This folder holds features of images and what belongs to them. It opens without boda:
boda.db is a SQLite database with the images, labels, recipes, runs, and the images that
could not be used; features/<recipe>/*.npy are NumPy arrays, one feature vector a row,
and the table `feature` says which row belongs to which image content; labels/*.parquet
are joined columns by key; results/<kind>/<digest>/ holds the files of a result, which the
table `result` names. Files named by a digest are never changed. Copy the folder as a
whole, while nothing writes to it. Programs that do not know this version leave it alone.
"""


def write(folder: Path) -> None:
    """Make the folder a workspace; the last step of creating one."""
    write_whole(folder / NAME, lambda file: file.write(_TEXT.encode()))


def check(folder: Path) -> int:
    """Refuse what is no workspace, or one that this boda does not know. Returns the version it says it has.

    Raises:
        NotAWorkspace: nothing there, or something else.
        NewerFormat: a newer boda made it; names both versions.
        Damaged: `FORMAT` says nothing sensible.
    """
    try:
        with open_no_follow(folder, NAME) as file:
            lines = file.read(_LIMIT).decode("utf-8", "replace").splitlines()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL} and not folder.exists():
            raise NotAWorkspace(f"{folder}: nothing there; make a workspace with: boda embed SOURCE") from error
        raise NotAWorkspace(f"{folder}: no workspace; it has no readable file FORMAT") from error
    if not lines or lines[0] != FIRST_LINE:
        raise NotAWorkspace(f"{folder}: no workspace; its file FORMAT is something else's")
    word, _, number = (lines[1] if len(lines) > 1 else "").partition(" ")
    if word != "version" or not number.isdecimal() or len(number) > 9:
        raise Damaged(f"{folder}: FORMAT names no version; restore it from a copy")
    if int(number) > VERSION:
        raise NewerFormat(f"{folder}: format {number}, but this boda knows only up to {VERSION}; update boda")
    return int(number)
