"""Gathering: a source or a workspace becomes images in memory or on disk, with their targets."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.arrays import Pixels
from boda.cores import cores
from boda.errors import NotFound, NothingEmbedded, Refused
from boda.heads import columns
from boda.heads.asking import Asked, read_target
from boda.heads.inputs import Rows
from boda.heads.target import Target
from boda.keys import shown, to_bytes, to_json
from boda.pipelines.decoded import decoded
from boda.pixels.prepare import prepare, prepare_at_most
from boda.pixels.spec import PixelSpec
from boda.sources.base import ImageRef, Source, Unlistable, root_text
from boda.unreadable import BadImage, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

    from boda.training.images import Images

LARGEST = 4 << 30
"""Bytes of pixels that are kept in memory."""
_MOST_SHARED = 0.05
"""Of the images that choose the best epoch, at most this share may be learned from too: collections hold a few copies
of their own, a folder that is given twice holds nothing else."""
_LEAST_SIDE = 0.25
"""Of the side that the network sees: what is enlarged from less shows nothing."""


@dataclass(frozen=True, eq=False)
class Listing:
    """What a source holds, before any of it is decoded."""

    source: Source
    refs: tuple[ImageRef, ...]
    table: "pa.Table"
    """A row for each of `refs`, with `key` and what is known of it."""
    unreadable: dict[str, Unreadable] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    """SHA-256 of the bytes of each image that was decoded."""
    sides: dict[str, int] = field(default_factory=dict)
    """Short side of each of these, in pixels."""

    def take(self, rows: Rows) -> "Listing":
        """Only these."""
        return replace(self, refs=tuple(self.refs[row] for row in rows), table=self.table.take(rows))


@dataclass(frozen=True, eq=False)
class Gathered:
    """n images that can be learned from."""

    images: "Images"
    """To be learned from."""
    held: "Images"
    """The same, as they are tested on."""
    names: tuple[str, ...]
    target: Target | None
    """None where the images themselves are learned."""
    training: Rows
    validation: Rows
    unreadable: dict[str, Unreadable]
    contents: tuple[bytes, ...] = ()
    """(n,) SHA-256 of the bytes of each."""
    small: "Small | None" = None
    """Those of them that are smaller than what the network sees."""

    @property
    def content(self) -> str:
        """Of the bytes of all images: what a run that goes on must find again."""
        return hashlib.sha256(b"".join(self.contents)).hexdigest()

    @property
    def shared(self) -> list[str]:
        """Validation images whose bytes are learned from too."""
        learned = {self.contents[row] for row in self.training}
        return [self.names[row] for row in self.validation if self.contents[row] in learned]

    @property
    def digest(self) -> str:
        """Of the images' names, their targets and how they are divided: what a run that goes on must find again."""
        found = hashlib.sha256("\0".join(self.names).encode("utf-8", "surrogateescape"))
        if self.target is not None:
            found.update(repr(self.target.names).encode())
            found.update(np.ascontiguousarray(self.target.values).tobytes())
        found.update(self.validation.astype(np.int64).tobytes())
        return found.hexdigest()

    def beside(self, other: "Gathered") -> "Gathered":
        """All of these to be learned from, all of the other images to choose the best epoch by.

        Raises:
            Refused: many of them are learned from too, whatever they are called.
        """
        from boda.training.images import After

        before, names, target = len(self.names), (*self.names, *other.names), self.target
        if target is not None and other.target is not None:
            target = replace(target, values=np.concatenate([target.values, other.target.values]))
        found = Gathered(
            images=self.images,
            held=After(other.held, before, names),
            names=names,
            target=target,
            training=np.arange(before),
            validation=np.arange(before, len(names)),
            unreadable=self.unreadable | {f"{key} (validation)": why for key, why in other.unreadable.items()},
            contents=self.contents + other.contents,
            small=Small.of_both(self.small, other.small),
        )
        shared = found.shared
        if len(shared) > _MOST_SHARED * len(other.names):
            raise Refused(
                f"validation: {len(shared):,} of its {len(other.names):,} images are learned from too, as "
                f"{shown(shared[0])}; give others, or a share of them"
            )
        return found


@dataclass(frozen=True, slots=True)
class Small:
    """Images that are smaller than what the network sees, so that they are enlarged."""

    count: int
    smallest: str
    """The key of the smallest."""
    side: int
    """Its short side in pixels."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"count": self.count, "smallest": to_json(self.smallest), "side": self.side}

    @classmethod
    def of_both(cls, one: "Small | None", other: "Small | None") -> "Small | None":
        """Of two listings together."""
        if one is None or other is None:
            return one or other
        smallest = min(one, other, key=lambda small: small.side)
        return replace(smallest, count=one.count + other.count)


def small_among(sides: Mapping[str, int], side: int) -> Small | None:
    """Images that have to be enlarged for a network that sees this side; None where there are none.

    Raises:
        Refused: one is so small that it would show nothing; names it, and the side that it would do for.
    """
    small = {key: short for key, short in sides.items() if short < side}
    if not small:
        return None
    smallest = min(small, key=lambda key: small[key])
    short = small[smallest]
    if short < _LEAST_SIDE * side:
        raise Refused(
            f"{shown(smallest)}: its short side is {short} pixels, too few for a network that sees {side}: give "
            f"--size {max(8, short)}, or leave it out"
        )
    return Small(len(small), smallest, short)


def listing_of(source: Source) -> Listing:
    """Everything a source names, with its own columns.

    Raises:
        NothingEmbedded: nothing is there.
    """
    import pyarrow as pa

    refs, unreadable = [], {}
    for entry in source.entries():
        if isinstance(entry, Unlistable):
            unreadable[entry.key] = entry.unreadable
        else:
            refs.append(entry)
    if not refs:
        raise NothingEmbedded(f"{shown(root_text(source.description))}: no images here to learn from")
    keys = pa.array([to_bytes(ref.key) for ref in refs], pa.binary())
    table = pa.table({"key": keys})
    known = source.columns()
    if known is not None:
        places = {key: row for row, key in enumerate(known["key"].to_pylist())}
        rows = pa.array([places.get(key) for key in keys.to_pylist()], pa.int64())
        table = pa.table({"key": keys} | {n: known[n].take(rows) for n in known.column_names if n != "key"})
    return Listing(source, tuple(refs), table, unreadable)


def known_targets(listing: Listing, asked: Asked | None, *, each: int = 2) -> tuple[Listing, Target | None]:
    """Only what has a target; all of it where none is asked for.

    Args:
        listing: of everything.
        asked: the target.
        each: images that a class needs at least.

    Raises:
        NotFound: no such column.
        Refused: nothing to learn, or a class with fewer images.
    """
    if asked is None:
        return listing, None
    rows, target = read_target(listing.table, asked)
    kept = listing.take(rows)
    refuse_lonely_classes(target, [ref.key for ref in kept.refs], each=each)
    return kept, target


def refuse_lonely_classes(target: Target, keys: Sequence[str], *, each: int = 2) -> None:
    """A class needs an image to be learned from and another to be tested on.

    Args:
        target: n rows.
        keys: (n,) of the images.
        each: images that a class needs; 1 where others choose the best epoch.

    Raises:
        Refused: a class has fewer; names it, and its image.
    """
    if target.kind != "class":
        return
    counts = np.bincount(target.values, minlength=len(target.names))
    place = int(counts.argmin())
    if counts[place] < each:
        where = "".join(f" ({shown(keys[row])})" for row in np.flatnonzero(target.values == place).tolist())
        images = "no image that can be decoded" if not counts[place] else f"{counts[place]} image{where}"
        why = "one has to be learned from and another tested on" if each > 1 else "one has to be learned from"
        raise Refused(
            f"target {shown(target.name)!r}: class {shown(target.names[place])!r} has {images}; {why}: add images, or "
            "leave the class out"
        )


def known_elsewhere(
    listing: Listing, asked: Asked | None, target: Target | None, learned: Source
) -> tuple[Listing, Target | None]:
    """Of images of another source what has a target, with the classes of those that are learned from.

    Args:
        listing: of the other source.
        asked: the target; None where images are learned.
        target: of the images that are learned from.
        learned: where these are.

    Raises:
        NotFound: no such column there.
        Refused: it is the same source, or has a class that nothing is learned of.
    """
    if listing.source.description == learned.description:
        raise Refused("validation: these are the images that are learned from; give others, or a share of them")
    if asked is None or target is None:
        return listing, None
    try:
        rows, known = read_target(listing.table, replace(asked, kind=target.kind, names=target.names))
    except (NotFound, Refused) as error:
        raise type(error)(f"validation: {error}") from error
    return listing.take(rows), known


def in_memory(listing: Listing, spec: PixelSpec, *, workers: int | None = None) -> tuple["Images", Rows, Listing]:
    """Every image decoded once, to one size.

    Returns:
        The images, which rows of the listing they are, and the listing with what could not be decoded.

    Raises:
        Refused: they do not fit.
        NothingEmbedded: none could be decoded.
    """
    import torch

    from boda.training.images import InMemory

    height, width = spec.shape
    need = len(listing.refs) * height * width * 3
    if need > LARGEST:
        raise Refused(
            f"{len(listing.refs):,} images of {height} x {width} take {need / 2**30:.0f} GiB of memory: give a smaller "
            "--size, or fewer images"
        )
    pixels = np.empty((len(listing.refs), height, width, 3), np.uint8)

    def keep(place: int, decoded: Pixels) -> None:
        pixels[place] = decoded

    rows, left = _decoded(listing, spec, keep, workers or cores())
    names = [listing.refs[place].key for place in rows]
    return InMemory(torch.from_numpy(pixels[: len(rows)]), names), rows, left


def from_files(
    listing: Listing, specs: Sequence[PixelSpec], *, workers: int | None = None, enlarge: bool = True
) -> tuple[list["Images"], Rows, Listing]:
    """Images that are decoded anew in every epoch, after each was decoded once to find out which can be.

    Args:
        listing: of all.
        specs: what is made of the bytes of an image, one result each.
        workers: decoders.
        enlarge: whether small images are enlarged where a spec has no crop; in vain where an augmentation makes them
            of one size anyway.

    Returns and raises: as `in_memory`.
    """
    from boda.training.images import FromFiles

    count = workers or cores()
    tried = replace(specs[0], resize=(8, 8), crop=None)
    rows, left = _decoded(listing, tried, lambda _place, _decoded: None, count)
    refs = [listing.refs[place] for place in rows]
    names = [ref.key for ref in refs]
    pool = ThreadPoolExecutor(count)

    def images(spec: PixelSpec) -> "Images":
        def read(place: int) -> Pixels:
            try:
                data = listing.source.read(refs[place]).data
                return prepare(data, spec)[0] if enlarge or spec.crop else prepare_at_most(data, spec)
            except BadImage as bad:
                why = bad.unreadable
                said = f"{shown(names[place])}: could be decoded when this began, and cannot any more: {why.reason}"
                raise BadImage(why.stage, why.code, said) from bad

        return FromFiles(read, names, pool)

    return [images(spec) for spec in specs], rows, left


def _decoded(
    listing: Listing, spec: PixelSpec, keep: Callable[[int, Pixels], None], workers: int
) -> tuple[Rows, Listing]:
    """Every image decoded once: which can be, and the listing with what is known of these and of the others.

    Args:
        listing: of all.
        spec: what is made of them.
        keep: is given each image that can be used, and its place among these.
        workers: decoders.
    """
    fine: list[int] = []
    unreadable, contents, sides = dict(listing.unreadable), dict[str, bytes](), dict[str, int]()
    row = 0
    for page in decoded(listing.source, listing.refs, spec, workers=workers):
        for place, verdict in enumerate(page.verdicts):
            key, content, facts = page.refs[place].key, page.contents[place], page.facts[place]
            if verdict is not None or content is None or facts is None:
                assert verdict is not None
                unreadable[key] = verdict
                continue
            keep(len(fine), page.pixels[place])
            contents[key], sides[key] = content, min(facts.width, facts.height)
            fine.append(row + place)
        row += len(page.refs)
    _refuse_none(fine, listing, unreadable)
    found = replace(listing, unreadable=unreadable, contents=contents, sides=sides)
    return np.array(fine, np.intp), found


def _refuse_none(fine: Sequence[int], listing: Listing, unreadable: dict[str, Unreadable]) -> None:
    if not fine:
        key, why = next(iter(unreadable.items()))
        raise NothingEmbedded(f"none of {len(listing.refs):,} images can be decoded, as {shown(key)}: {why}")


def groups_of(listing: Listing, column: str | None) -> Sequence[Any] | None:
    """The values of a column of groups."""
    return None if column is None else list(columns.texts(listing.table, column))
