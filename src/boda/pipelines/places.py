"""Where verbs find workspaces and put their files."""

import os
from pathlib import Path
from typing import TypeAlias

from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.workspace.workspace import Workspace, open_workspace

Where: TypeAlias = "str | os.PathLike[str] | Workspace"
"""A workspace, or the path of one."""


def opened(where: Where) -> Workspace:
    """The workspace at a path; an open one as it is.

    Raises:
        NotAWorkspace, NewerFormat, Damaged: it cannot be opened.
    """
    return where if isinstance(where, Workspace) else open_workspace(where)


def existing_file(path: str | os.PathLike[str]) -> Path:
    """A file that is to be read.

    Raises:
        NotFound: there is none.
        Refused: it is a folder, a pipe or a device.
    """
    file = Path(path)
    if not file.exists():
        raise NotFound(f"{shown(str(file))}: no such file")
    if not file.is_file():
        raise Refused(f"{shown(str(file))}: not a file")
    return file


def place_for(path: str | os.PathLike[str], *, force: bool, ours: bool = False) -> Path:
    """A path where a result may be written.

    Args:
        path: of the file or folder that is to be.
        force: something that is there may be replaced.
        ours: what is there is known to be an older result of the same verb, and may be replaced.

    Raises:
        NotFound: its folder is not there.
        Refused: something is there, and may not be replaced.
    """
    place = Path(path)
    if not place.parent.is_dir():
        raise NotFound(f"{shown(str(place.parent))}: no such folder to write into; make it first")
    if place.is_symlink() or place.exists():
        if not force and not ours:
            raise Refused(f"{shown(str(place))}: is there already; give --force to write over it, or another name")
        if place.is_dir() and place.suffix != ".lance":
            raise Refused(f"{shown(str(place))}: is a folder; give the name of a file")
    return place


def name_beside(workspace: Path, verb: str) -> Path:
    """NAME-VERB/ beside the workspace, whether it is there or not."""
    name = workspace.name.removesuffix(".boda") or workspace.name
    return workspace.resolve().parent / f"{name}-{verb}"


def folder_beside(workspace: Path, verb: str) -> Path:
    """NAME-VERB/ beside the workspace, made where it is not there.

    Raises:
        OSError: it cannot be made.
    """
    folder = name_beside(workspace, verb)
    folder.mkdir(exist_ok=True)
    return folder
