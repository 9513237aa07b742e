"""Walk a folder in the byte order of the relative paths, with memory that stays flat.

A folder of 600,000 names costs little more than the bytes of these names: they are sorted in runs, each run is kept
as one packed string, and the runs are merged while they are walked.
"""

import heapq
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from boda.sources.base import Unlistable
from boda.sources.reading import bad_read
from boda.unreadable import Code, Stage, Unreadable

IGNORED_NAMES = frozenset({b"thumbs.db", b"desktop.ini", b"metadata.csv", b"metadata.jsonl"})
"""Compared in lower case. Dot files, dot folders and workspaces are passed over as well."""

_RUN = 8192
_MARK = b"boda workspace"


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file, or a link to one."""

    relative: bytes
    status: os.stat_result


def is_ignored(name: bytes) -> bool:
    """Whether a file or folder of this name is passed over: dot files, thumbnails, metadata tables."""
    return name.startswith(b".") or name.lower() in IGNORED_NAMES


def is_workspace(folder: bytes) -> bool:
    """Whether a folder is one of boda's own workspaces: the first line of its `FORMAT` says so."""
    path = os.path.join(folder, b"FORMAT")  # noqa: PTH118 - bytes
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - bytes
            return False
        with open(path, "rb") as file:  # noqa: PTH123 - bytes
            return file.read(len(_MARK)) == _MARK
    except OSError:
        return False


@dataclass(slots=True)
class Walk:
    """Every regular file under a folder; iterate once. `ignored` counts what was passed over so far.

    Links to files are found like copies. Links to folders are passed over and counted, unless `follow`; a link back
    to a folder that is being walked is a loop, and said to be one.
    """

    root: bytes
    follow: bool = False
    ignored: int = 0
    _open: list[tuple[bytes, Iterator[bytes], tuple[int, int]]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Found | Unlistable]:
        """In the byte order of the relative paths.

        Raises:
            OSError: the root itself cannot be read.
        """
        self._enter(b"")
        while self._open:
            prefix, names, _ = self._open[-1]
            name = next(names, None)
            if name is None:
                self._open.pop()
            elif is_ignored(name.removesuffix(b"/")):
                self.ignored += 1
            else:
                found = self._folder(prefix + name) if name.endswith(b"/") else self._file(prefix + name)
                if found is not None:
                    yield found

    def _enter(self, relative: bytes) -> None:
        path = self.root + b"/" + relative
        status = os.stat(path)  # noqa: PTH116 - bytes
        names = _sorted_names(path)
        self._open.append((relative, names, (status.st_dev, status.st_ino)))

    def _folder(self, relative: bytes) -> Unlistable | None:
        """Go into a folder; what stands against it, if anything does."""
        path = self.root + b"/" + relative
        if is_workspace(path) or (not self.follow and os.path.islink(path[:-1])):  # noqa: PTH114 - bytes
            self.ignored += 1
            return None
        try:
            self._enter(relative)
        except OSError as error:
            return _unlistable(relative, error)
        if self._open[-1][2] in {identity for _, _, identity in self._open[:-1]}:
            self._open.pop()
            return _refused(relative, Code.LINK_LOOP, "a link back to a folder that holds it")
        return None

    def _file(self, relative: bytes) -> Found | Unlistable | None:
        path = self.root + b"/" + relative
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None  # gone since the folder was read: never was part of this listing
        except OSError as error:
            return _unlistable(relative, error)
        if stat.S_ISLNK(status.st_mode):
            try:
                status = os.stat(path)  # noqa: PTH116 - bytes
            except FileNotFoundError:
                return _refused(relative, Code.DANGLING, "a link to nothing")
            except OSError as error:
                return _unlistable(relative, error)
        if not stat.S_ISREG(status.st_mode):
            return _refused(relative, Code.NOT_A_FILE, "not a regular file")
        return Found(relative, status)


def _refused(relative: bytes, code: Code, reason: str) -> Unlistable:
    return Unlistable(os.fsdecode(relative), relative, Unreadable(Stage.LIST, code, reason))


def _unlistable(relative: bytes, error: OSError) -> Unlistable:
    unreadable = bad_read(error).unreadable
    if unreadable.code is Code.LINK_LOOP:
        return _refused(relative, Code.LINK_LOOP, "a link that leads to itself")
    return Unlistable(os.fsdecode(relative), relative, unreadable)


def _sorted_names(folder: bytes) -> Iterator[bytes]:
    """The names in a folder; folders, and links to them, end with a slash, so that whole paths come in byte order."""
    runs: list[bytes] = []
    names: list[bytes] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name + b"/" if _leads_on(entry) else entry.name)
            if len(names) == _RUN:
                runs.append(b"\0".join(sorted(names)))
                names.clear()
    runs.append(b"\0".join(sorted(names)))
    return heapq.merge(*map(_unpacked, runs))


def _unpacked(run: bytes) -> Iterator[bytes]:
    return (match.group() for match in re.finditer(rb"[^\0]+", run))


def _leads_on(entry: "os.DirEntry[bytes]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
