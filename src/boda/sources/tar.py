"""A plain .tar or .tar.gz of images; the key is the member's name."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boda.errors import SourceError
from boda.keys import from_bytes, shown, to_bytes
from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.holding import Holding
from boda.sources.members import Member, members, opened_tar, read_member
from boda.unreadable import BadImage

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class TarSource:
    """One archive. Members are read where they lie; from .tar.gz by reading on from the last one.

    Of several members with one name the last counts, as it does when an archive is unpacked; the others, and the
    names that a folder passes over too, are counted as ignored.
    """

    holding: Holding
    ignored: int = field(default=0, init=False, compare=False)

    @classmethod
    def described(cls, description: Description, root: str) -> "TarSource":
        """The source that this describes, at `root`: the archive."""
        return cls(Holding.described(description, root))

    @property
    def description(self) -> Description:
        """`kind`, `root`, `name`."""
        return {"kind": "tar", **self.holding.description}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The members in their order.

        Raises:
            NotFound: the archive is not there.
            SourceError: it is no tar archive, or changed while it was listed.
        """
        self.ignored = 0
        for holder in self.holding.files():
            path = self.holding.locate(holder.path)
            keep = last_of_each(scanned(path))
            for place, member in enumerate(scanned(path)):
                if place >= len(keep):
                    raise SourceError(f"{shown(from_bytes(path))}: changed while it was listed; run again")
                if member.is_ignored or not keep[place]:
                    self.ignored += 1
                elif member.unreadable is not None:
                    yield Unlistable(member.name, holder.path, member.unreadable)
                else:
                    yield ImageRef(member.name, holder.path, member.inner, holder.size, holder.mtime_ns)

    def columns(self) -> "pa.Table | None":
        """None: a plain archive says nothing of its images."""
        return None

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one member."""
        return read_member(self.holding.locate(ref.path), ref, lambda name: name == ref.key)


def scanned(path: bytes) -> Iterator[Member]:
    """The members of an archive on this machine.

    Raises:
        SourceError: it cannot be read, or is no archive.
    """
    where = os.fsdecode(path)
    try:
        with opened_tar(path) as file:
            yield from members(file, where)
    except BadImage as error:
        raise SourceError(f"{shown(where)}: cannot be read: {error.unreadable.reason}") from error
    except OSError as error:
        raise SourceError(f"{shown(where)}: cannot be read: {error.strerror or error}") from error


def last_of_each(found: Iterable[Member]) -> npt.NDArray[np.bool_]:
    """(n,): whether a member is the last of its name. Names are remembered as 64-bit digests: 8 bytes a member."""
    digests = np.fromiter((_digest(member.name) for member in found), np.uint64)
    _, places = np.unique(digests[::-1], return_index=True)
    keep = np.zeros(len(digests), np.bool_)
    keep[len(digests) - 1 - places] = True
    return keep


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(to_bytes(name), digest_size=8).digest(), "little")
