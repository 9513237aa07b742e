"""WebDataset shards: tar archives whose members `key.jpg`, `key.json`, `key.cls` make one sample; key `shard/key`."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from boda.errors import SourceError
from boda.keys import shown, to_bytes
from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.columns import column_of, keyed
from boda.sources.endings import TAR, has_ending, like_an_image
from boda.sources.gzipped import is_gzipped, read_unpacked
from boda.sources.holding import Holder, Holding
from boda.sources.members import Member, read_member
from boda.sources.reading import read_part
from boda.sources.tar import scanned
from boda.unreadable import BadImage, Code, Stage, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

Sample: TypeAlias = dict[str, Member]
"""The members of a sample by what follows the first dot of their names, in lower case."""

_TOLD = ("json", "cls", "txt")
_LARGEST_TOLD = 1 << 20
_LOOKED_AT = 500


@dataclass(slots=True)
class Shards:
    """One shard, or several by a pattern. `shard` is the archive's name without its ending.

    Members belong together up to the first dot of their names, wherever they stand in the shard. A sample without an
    image is listed as one that has none; one with several images has a key for each, `shard/key.ending`. `.cls`
    becomes the column `class`, `.txt` the column `text`, numbers and text of `.json` columns of their names; other
    members are counted as ignored. Of members with one name the last counts.
    """

    holding: Holding
    ignored: int = field(default=0, init=False, compare=False)
    _told: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list, init=False, compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "Shards"], tuple[Holding]]:
        """Travel without what the last listing left behind."""
        return Shards, (self.holding,)

    @classmethod
    def described(cls, description: Description, root: str) -> "Shards":
        """The source that this describes, at `root`: the shard, or the folder of shards."""
        return cls(Holding.described(description, root))

    @property
    def description(self) -> Description:
        """`kind`, `root`, and `name` or `pattern`."""
        return {"kind": "shards", **self.holding.description}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The samples, shard by shard.

        Raises:
            NotFound: a shard is not there.
            SourceError: a shard is no tar archive, or two shards have one name.
        """
        self.ignored, self._told = 0, []
        seen: set[str] = set()
        for holder in self.holding.files():
            if not has_ending(holder.name, TAR):
                self.ignored += 1
                continue
            shard = _shard_name(holder.name)
            if shard in seen:
                raise SourceError(f"{shown(holder.name)}: another shard has the name {shown(shard)}; rename one")
            seen.add(shard)
            yield from self._shard(holder, shard)

    def columns(self) -> "pa.Table | None":
        """What the members beside the images say; None where there are none."""
        import pyarrow as pa

        names = dict.fromkeys(name for _, told in self._told for name in told)
        if not names:
            return None
        arrays = {name: column_of([told.get(name) for _, told in self._told]) for name in names}
        table = pa.table({name: array for name, array in arrays.items() if array is not None})
        return keyed(pa.array([key for key, _ in self._told], pa.binary()), table)

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one image."""
        return read_member(self.holding.locate(ref.path), ref, lambda name: _belongs(name, ref.key))

    def _shard(self, holder: Holder, shard: str) -> Iterator[ImageRef | Unlistable]:
        path = self.holding.locate(holder.path)
        samples: dict[str, Sample] = {}
        for member in scanned(path):
            if member.is_ignored:
                self.ignored += 1
            elif member.unreadable is not None:
                yield Unlistable(f"{shard}/{member.name}", holder.path, member.unreadable)
            else:
                stem, ending = split_name(member.name)
                sample = samples.setdefault(stem, {})
                self.ignored += ending in sample
                sample[ending] = member
        for stem, sample in samples.items():
            yield from self._sample(holder, f"{shard}/{stem}", sample)

    def _sample(self, holder: Holder, key: str, sample: Sample) -> Iterator[ImageRef | Unlistable]:
        images = [ending for ending in sample if is_image_ending(ending)]
        told = self._told_of(self.holding.locate(holder.path), sample)
        self.ignored += len(set(sample) - set(images) - set(_TOLD))
        if not images:
            none = Unreadable(Stage.READ, Code.MISSING, f"a sample without an image: {', '.join(sample)}")
            yield Unlistable(key, holder.path, none)
        for ending in images:
            name = key if len(images) == 1 else f"{key}.{ending}"
            if told:
                self._told.append((to_bytes(name), told))
            yield ImageRef(name, holder.path, sample[ending].inner, holder.size, holder.mtime_ns)

    def _told_of(self, path: bytes, sample: Sample) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for ending in _TOLD:
            member = sample.get(ending)
            if member is not None and 0 < member.size <= _LARGEST_TOLD:
                told |= _parsed(ending, _text_of(path, member), f"{os.fsdecode(path)}: {member.name}")
        return told


def looks_like_shard(path: str) -> bool:
    """Whether an archive is a WebDataset shard: an image among its first members has a `.json`, `.cls` or `.txt`."""
    endings: dict[str, set[str]] = {}
    for member in itertools.islice(scanned(os.fsencode(path)), _LOOKED_AT):
        if not member.is_ignored and member.unreadable is None:
            stem, ending = split_name(member.name)
            endings.setdefault(stem, set()).add(ending)
    return any(found & set(_TOLD) and any(map(is_image_ending, found)) for found in endings.values())


def split_name(name: str) -> tuple[str, str]:
    """A member's name up to the first dot after its folders, and what follows, in lower case.

    >>> split_name("a.b/0001.seg.PNG")
    ('a.b/0001', 'seg.png')
    """
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending.lower()


def is_image_ending(ending: str) -> bool:
    """Whether a member of a sample is an image by its ending."""
    return ending != "" and like_an_image(f"x.{ending}")


def _belongs(name: str, key: str) -> bool:
    """Whether a member of this name can be the image of this key."""
    stem, ending = split_name(name)
    return key.endswith((f"/{stem}", f"/{stem}.{ending}"))


def _shard_name(name: str) -> str:
    ending = next(ending for ending in sorted(TAR, key=len, reverse=True) if name.lower().endswith(ending))
    return name[: -len(ending)]


def _text_of(path: bytes, member: Member) -> str:
    try:
        packed = is_gzipped(path)
        blob = (read_unpacked if packed else read_part)(path, member.offset, member.size)
    except BadImage as error:
        raise SourceError(f"{shown(os.fsdecode(path))}: {shown(member.name)}: {error.unreadable.reason}") from error
    return blob.data.decode("utf-8", "backslashreplace")


def _parsed(ending: str, text: str, where: str) -> dict[str, Any]:
    if ending == "cls":
        label = text.strip()
        return {"class": int(label) if label.isdecimal() and len(label) <= 15 else label}
    if ending == "txt":
        return {"text": text}
    try:
        record = json.loads(text)
    except ValueError as error:
        raise SourceError(f"{shown(where)}: not JSON: {error}") from None
    return record if isinstance(record, dict) else {"json": record}
