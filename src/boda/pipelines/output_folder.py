"""The folder of a command's output: what it wrote there before it may write again, what it did not it leaves alone.

A list in the folder has the SHA-256 of every file that was written. A file that is there and not on the list, or was
changed since, is somebody else's.
"""

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.pipelines.places import name_beside
from boda.sources.walking import is_workspace
from boda.workspace.atomic import write_whole


def output_folder(workspace: Path | None, verb: str, to: str | os.PathLike[str] | None) -> Path:
    """Where the files of a verb go: NAME-VERB/ beside the workspace, or `to`. It is made by the first file.

    Args:
        workspace: None where there is none; then it is `boda-VERB` in the current folder.
        verb: such as `cluster`.
        to: where they were asked to go.

    Raises:
        NotFound: the folder above is not there.
        Refused: a file or a workspace is there.
    """
    if to is None and workspace is not None:
        return name_beside(workspace, verb)
    folder = Path(f"boda-{verb}" if to is None else to)
    if not folder.absolute().parent.is_dir():
        raise NotFound(f"{shown(str(folder.parent))}: no such folder to write into; make it first")
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{shown(str(folder))}: is a file; give the name of a folder")
    if is_workspace(os.fsencode(folder)):
        raise Refused(f"{shown(str(folder))}: is a workspace; give another folder")
    return folder


class Folder:
    """Files of one verb by their path in a folder; paths have at most one `/`."""

    def __init__(self, path: Path, verb: str, *, force: bool) -> None:
        self.path, self._force = path, force
        self._made_by = f"boda {verb}"
        self._list = path / f"made-by-boda-{verb}.json"
        self._listed = _read(self._list, self._made_by)

    def check(self, names: Collection[str]) -> None:
        """Find out before anything is computed whether these may be written.

        Raises:
            Refused: one is there that is not ours, or a file where a folder of ours must be.
        """
        for name in names:
            place = self.path / name
            if place.parent.exists() and not place.parent.is_dir():
                raise Refused(f"{shown(str(place.parent))}: is a file where a folder must be; give another --to")
            if (place.is_symlink() or place.exists()) and not self._force and not self._is_ours(name):
                raise Refused(
                    f"{shown(str(place))}: is there already, and is not what {self._made_by} wrote; give --force to "
                    "write over it, or another --to"
                )

    def write(self, files: Mapping[str, bytes], *, instead_of: Collection[str] = ()) -> None:
        """Write files, each whole or not at all, then the list.

        Args:
            files: by name.
            instead_of: files here, or folders with all in them: what we once wrote of these and do not now goes, last.

        Raises:
            Refused: one is there that is not ours.
            DiskTrouble: the disk is full or failing.
        """
        self.check(files)
        old = [name for name in self._listed if {name, name.partition("/")[0]} & {*instead_of} and name not in files]
        new = {name: _digest(data) for name, data in files.items()}
        self.path.mkdir(parents=True, exist_ok=True)
        self._note({name: [*self._listed.get(name, ()), digest] for name, digest in new.items()})
        for name, data in files.items():
            (self.path / name).parent.mkdir(exist_ok=True)
            write_whole(self.path / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
        for name in old:
            if self._is_ours(name):
                (self.path / name).unlink(missing_ok=True)
            del self._listed[name]
        self._note({name: [digest] for name, digest in new.items()})

    def _note(self, files: Mapping[str, Sequence[str]]) -> None:
        """Put digests on the list; before a file is written its old and its new one, so that a stop costs nothing."""
        self._listed |= {name: list(digests) for name, digests in files.items()}
        text = json.dumps({"made_by": self._made_by, "files": dict(sorted(self._listed.items()))}, indent=1)
        write_whole(self._list, lambda file: file.write(text.encode()))

    def _is_ours(self, name: str) -> bool:
        place = self.path / name
        if name not in self._listed or place.is_symlink() or not place.is_file():
            return False
        return _digest(place.read_bytes()) in self._listed[name]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(place: Path, made_by: str) -> dict[str, list[str]]:
    """What was written here before; nothing where there is no such list, or it is none of ours."""
    try:
        record: Any = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    files = record.get("files") if isinstance(record, dict) and record.get("made_by") == made_by else None
    if not isinstance(files, dict):
        return {}
    inside = {str(name): digests for name, digests in files.items() if ".." not in str(name).split("/")}
    return {name: list(map(str, digests)) for name, digests in inside.items() if isinstance(digests, list)}
