"""Where heads are kept: in a workspace by name, or in a folder."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeAlias

from boda.errors import NotFound, Refused
from boda.heads.head import FILES, Head
from boda.keys import shown
from boda.sources.walking import is_workspace
from boda.workspace.atomic import fsync_folder, write_whole
from boda.workspace.results import check_given
from boda.workspace.workspace import Workspace, open_workspace

KIND = "head"
"""Of a result in a workspace."""

AnyHead: TypeAlias = str | os.PathLike[str] | Head
"""A head; or its name in a workspace (`W.boda/NAME` where no workspace is at hand); or its folder."""


def load_head(head: AnyHead, workspace: Workspace | None = None) -> Head:
    """The head of this name in the workspace, or in this folder.

    Raises:
        NotFound: neither; lists the heads that are there.
        Damaged, NewerFormat: it cannot be read.
    """
    if isinstance(head, Head):
        return head
    name = os.fspath(head)
    above, _, last = name.rpartition("/")
    if above and is_workspace(os.fsencode(above)):  # no name of a head has a slash
        return load_head(last, open_workspace(above))
    if workspace is not None and name in {one.name for one in workspace.results(KIND)}:
        return Head.from_files(workspace.result(KIND, name), f"{workspace.path}: head {shown(name)}")
    folder = Path(head)
    if (folder / "head.json").is_file():
        files = {file: (folder / file).read_bytes() for file in FILES if (folder / file).is_file()}
        return Head.from_files(files, str(folder))
    known = ", ".join(shown(one.name) for one in workspace.results(KIND)) if workspace is not None else ""
    there = f" {workspace.path} has: {known or 'no heads; make one with boda train'}" if workspace is not None else ""
    raise NotFound(f"{shown(name)}: no head of this name, and no folder with one.{there}")


def keep_head(head: Head, workspace: Workspace) -> None:
    """Keep a head in the workspace under its name, in place of one that has this name.

    Raises:
        Busy, ReadOnly, DiskTrouble: the workspace cannot be written now.
    """
    summary = {"target": head.target.name, "kind": head.target.kind, "headline": headline(head)}
    with workspace.write() as writer:
        writer.put_result(KIND, head.name, head.files(), summary=summary)


def check_can_keep(name: str, workspace: Workspace) -> None:
    """Find out before a head is made whether it can be kept under this name.

    Raises:
        Refused: it is no name for a head.
        Busy, ReadOnly: the workspace cannot be written now.
    """
    check_given(KIND, name, {"head.json": b""})
    with workspace.write():
        pass


def head_place(place: str | os.PathLike[str], *, force: bool) -> Path:
    """A path where a head may be written as a folder.

    Raises:
        NotFound: the folder above is not there.
        Refused: something else is there.
    """
    folder = Path(place)
    if not folder.absolute().parent.is_dir():
        raise NotFound(f"{shown(str(folder.parent))}: no such folder to write into; make it first")
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{shown(str(folder))}: is a file; a head is written as a folder")
    if is_workspace(os.fsencode(folder)):
        raise Refused(f"{shown(str(folder))}: is a workspace, where heads are kept anyway; give another folder")
    if folder.exists() and not force and any(folder.iterdir()):
        raise Refused(f"{shown(str(folder))}: is there already; give --force to write over it, or another name")
    return folder


def write_folder(files: Mapping[str, bytes], folder: Path, names: Collection[str] = FILES) -> None:
    """Write a head as a folder that `--head FOLDER` takes. Other files there stay.

    `head.json` goes first and comes last: a folder without it is no head, and so a half-written one is none.

    Args:
        files: by name.
        folder: made if it is not there.
        names: what such a folder may hold; what an older head left there under these goes.
    """
    folder.mkdir(exist_ok=True)
    for name in ("head.json", *names):
        if name == "head.json" or name not in files:
            (folder / name).unlink(missing_ok=True)
    fsync_folder(folder)
    for name, data in sorted(files.items(), key=lambda pair: pair[0] == "head.json"):
        write_whole(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    fsync_folder(folder)


def headline(head: Head) -> dict[str, object]:
    """The metric that counts most, with its interval and baseline; empty where nothing was measured."""
    primary = head.evaluation.get("primary")
    metrics = head.evaluation.get("metrics", {})
    return {"metric": primary, **metrics[primary]} if primary in metrics else {}
