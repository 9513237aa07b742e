"""The files that hold the images of an archive source: one file, or those of a folder that match a pattern."""

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from boda.errors import NotFound, SourceError
from boda.keys import shown, to_bytes, to_json
from boda.sources.base import Description

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST_NAMES = 100_000


@dataclass(frozen=True, slots=True)
class Holder:
    """One holding file, with its stat when it was listed."""

    name: str
    """As keys show it: the file's name, or its path relative to the folder."""
    path: bytes
    """Relative to the source's root; b"" where the root is the file."""
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Holding:
    """Where the holding files are. With a `name` the root is the one file; its keys keep that name when it moves."""

    root: bytes
    name: str = ""
    pattern: str = ""
    """Of names in the folder `root`: `*`, `?`, `[...]` find what is there; `{000..012}` and `{a,b}` must be there."""

    @classmethod
    def one(cls, path: str) -> "Holding":
        """A single file."""
        return cls(os.fsencode(os.path.abspath(path)), name=os.path.basename(path))  # noqa: PTH100, PTH119

    @classmethod
    def described(cls, description: Description, root: str) -> "Holding":
        """What `description` wrote, at `root`: of a single file the file, or the folder where it lies."""
        name = str(description.get("name", ""))
        path = os.path.join(root, name) if name and os.path.isdir(root) else root  # noqa: PTH112, PTH118
        return cls(os.fsencode(path), name, str(description.get("pattern", "")))

    @property
    def description(self) -> Description:
        """`root`, and `name` or `pattern`."""
        told = {"name": self.name} if self.name else {"pattern": self.pattern}
        return {"root": to_json(os.fsdecode(self.root)), **told}

    def locate(self, path: bytes) -> bytes:
        """Where a holding file is on this machine, from its path relative to the root."""
        return self.root + b"/" + path if path else self.root

    def files(self) -> Iterator[Holder]:
        """The files in byte order of their names.

        Raises:
            NotFound: a file is not there, or none is.
        """
        names = [self.name] if self.name else _matching(self.root, self.pattern)
        for name in names:
            path = b"" if self.name else to_bytes(name)
            try:
                status = os.stat(self.locate(path))  # noqa: PTH116 - bytes
            except OSError as error:
                raise NotFound(f"{shown(os.fsdecode(self.locate(path)))}: {error.strerror}") from None
            yield Holder(name, path, status.st_size, status.st_mtime_ns)


def has_pattern(name: str) -> bool:
    """Whether a name stands for several files."""
    return any(sign in name for sign in "*?[") or _BRACES.search(name) is not None


def expanded(pattern: str) -> list[str]:
    """The names that braces stand for: `{a,b}`, and `{000..012}` with its leading zeros.

    >>> expanded("train-{08..10}.tar")
    ['train-08.tar', 'train-09.tar', 'train-10.tar']

    Raises:
        SourceError: more than 100,000 names.
    """
    found = [pattern]
    while any(_BRACES.search(name) for name in found):
        shorter, found = found, []
        for name in shorter:
            found.extend(_expanded_once(name))
            if len(found) > _MOST_NAMES:
                raise SourceError(f"{shown(pattern)}: stands for more than {_MOST_NAMES} files")
    return found


def _expanded_once(name: str) -> list[str]:
    braces = _BRACES.search(name)
    if braces is None:
        return [name]
    inside = braces.group(1)
    span = _RANGE.fullmatch(inside)
    if span is None:
        choices = inside.split(",")
    else:
        first, last = int(span.group(1)), int(span.group(2))
        if abs(last - first) > _MOST_NAMES:
            raise SourceError(f"{shown(name)}: stands for more than {_MOST_NAMES} files")
        width = len(span.group(1))
        choices = [str(number).zfill(width) for number in range(first, last + 1)]
    return [name[: braces.start()] + choice + name[braces.end() :] for choice in choices]


def _matching(root: bytes, pattern: str) -> list[str]:
    names: set[str] = set()
    for one in expanded(pattern):
        if any(sign in one for sign in "*?["):
            names.update(_present(root, one))
        else:
            names.add(one)
    if not names:
        raise NotFound(f"{shown(os.fsdecode(root))}: no file here is named like {shown(pattern)}")
    return sorted(names, key=to_bytes)


def _present(root: bytes, pattern: str) -> list[str]:
    try:
        there = os.listdir(os.fsdecode(root))  # noqa: PTH208 - names that are not UTF-8
    except OSError as error:
        raise NotFound(f"{shown(os.fsdecode(root))}: {error.strerror}") from None
    return [name for name in there if fnmatch.fnmatchcase(name, pattern) and not name.startswith(".")]
