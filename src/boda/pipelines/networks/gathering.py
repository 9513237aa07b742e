"""Gathering: a source or a workspace becomes images in memory or on disk, with their targets, in two parts."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.arrays import Pixels
from boda.errors import NotFound, NothingEmbedded, Refused
from boda.evaluation.folds import split, strata_of
from boda.heads import columns
from boda.heads.asking import Asked, read_target
from boda.heads.inputs import Rows
from boda.heads.target import Target
from boda.keys import shown, to_bytes
from boda.pipelines.decoded import cores, decoded
from boda.pixels.prepare import prepare, prepare_at_most
from boda.pixels.spec import PixelSpec
from boda.sources.base import ImageRef, Source, Unlistable
from boda.unreadable import Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

    from boda.training.images import Images

LARGEST = 4 << 30
"""Bytes of pixels that are kept in memory."""


@dataclass(frozen=True, eq=False)
class Listing:
    """What a source holds, before any of it is decoded."""

    source: Source
    refs: tuple[ImageRef, ...]
    table: "pa.Table"
    """A row for each of `refs`, with `key` and what is known of it."""
    unreadable: dict[str, Unreadable] = field(default_factory=dict)

    def take(self, rows: Rows) -> "Listing":
        """Only these."""
        return Listing(self.source, tuple(self.refs[row] for row in rows), self.table.take(rows), self.unreadable)


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
        """All of these to be learned from, all of the other images to choose the best epoch by."""
        from boda.training.images import After

        before, names, target = len(self.names), (*self.names, *other.names), self.target
        if target is not None and other.target is not None:
            target = replace(target, values=np.concatenate([target.values, other.target.values]))
        return Gathered(
            images=self.images,
            held=After(other.held, before, names),
            names=names,
            target=target,
            training=np.arange(before),
            validation=np.arange(before, len(names)),
            unreadable=self.unreadable | {f"{key} (validation)": why for key, why in other.unreadable.items()},
        )


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
        raise NothingEmbedded("no images here to learn from")
    keys = pa.array([to_bytes(ref.key) for ref in refs], pa.binary())
    table = pa.table({"key": keys})
    known = source.columns()
    if known is not None:
        places = {key: row for row, key in enumerate(known["key"].to_pylist())}
        rows = pa.array([places.get(key) for key in keys.to_pylist()], pa.int64())
        table = pa.table({"key": keys} | {n: known[n].take(rows) for n in known.column_names if n != "key"})
    return Listing(source, tuple(refs), table, unreadable)


def known_targets(listing: Listing, asked: Asked | None) -> tuple[Listing, Target | None]:
    """Only what has a target; all of it where none is asked for.

    Raises:
        NotFound: no such column.
        Refused: nothing to learn, or a class with one image.
    """
    if asked is None:
        return listing, None
    rows, target = read_target(listing.table, asked)
    kept = listing.take(rows)
    refuse_lonely_classes(target, [ref.key for ref in kept.refs])
    return kept, target


def refuse_lonely_classes(target: Target, keys: Sequence[str]) -> None:
    """A class needs an image to be learned from and another to be tested on.

    Args:
        target: n rows.
        keys: (n,) of the images.

    Raises:
        Refused: a class has fewer; names it, and its image.
    """
    if target.kind != "class":
        return
    counts = np.bincount(target.values, minlength=len(target.names))
    place = int(counts.argmin())
    if counts[place] < 2:
        where = "".join(f" ({shown(keys[row])})" for row in np.flatnonzero(target.values == place).tolist())
        raise Refused(
            f"target {shown(target.name)!r}: class {shown(target.names[place])!r} has {counts[place]} image{where}; "
            "one has to be learned from and another tested on: add images, or leave the class out"
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


def divided(
    target: Target | None, rows: int, *, share: float, groups: Sequence[Any] | None, seed: int
) -> tuple[Rows, Rows]:
    """Training and validation rows; classes in equal shares, groups whole.

    Args:
        target: of these rows.
        rows: how many.
        share: of the validation rows, between 0 and 0.5.
        groups: rows that agree here stay together.
        seed: of the division.

    Raises:
        Refused: the share makes no sense, or there are too few rows or groups.
    """
    if not 0 < share <= 0.5:
        raise Refused(f"validation={share}: it must be a share above 0, at most 0.5")
    if rows < 4:
        raise Refused(f"{rows} images are too few: some must be learned from, others tested on")
    folds = max(2, min(round(1 / share), rows // 2))
    strata = None
    if target is not None:
        strata = strata_of(target.kind, target.values, levels=target.levels)
    numbered = None if groups is None else np.unique(np.array([str(one) for one in groups]), return_inverse=True)[1]
    if numbered is not None and len(np.unique(numbered)) < folds:
        raise Refused(f"{len(np.unique(numbered))} groups are too few to keep {share:.0%} of the rows apart")
    found = split(rows, folds=folds, strata=strata, groups=numbered, rng=np.random.default_rng([seed, 12]))
    return np.flatnonzero(found != 0), np.flatnonzero(found == 0)


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
    fine: list[int] = []
    unreadable, row = dict(listing.unreadable), 0
    for page in decoded(listing.source, listing.refs, spec, workers=workers or cores()):
        for place, verdict in enumerate(page.verdicts):
            if verdict is None:
                pixels[len(fine)] = page.pixels[place]
                fine.append(row + place)
            else:
                unreadable[page.refs[place].key] = verdict
        row += len(page.refs)
    _refuse_none(fine, listing, unreadable)
    rows = np.array(fine, np.intp)
    names = [listing.refs[place].key for place in fine]
    left = Listing(listing.source, listing.refs, listing.table, unreadable)
    return InMemory(torch.from_numpy(pixels[: len(fine)]), names), rows, left


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
    fine: list[int] = []
    unreadable, row = dict(listing.unreadable), 0
    for page in decoded(listing.source, listing.refs, tried, workers=count):
        for place, verdict in enumerate(page.verdicts):
            if verdict is None:
                fine.append(row + place)
            else:
                unreadable[page.refs[place].key] = verdict
        row += len(page.refs)
    _refuse_none(fine, listing, unreadable)
    refs = [listing.refs[place] for place in fine]
    names = [ref.key for ref in refs]
    pool = ThreadPoolExecutor(count)

    def images(spec: PixelSpec) -> "Images":
        def read(place: int) -> Pixels:
            data = listing.source.read(refs[place]).data
            return prepare(data, spec)[0] if enlarge or spec.crop else prepare_at_most(data, spec)

        return FromFiles(read, names, pool)

    left = Listing(listing.source, listing.refs, listing.table, unreadable)
    return [images(spec) for spec in specs], np.array(fine, np.intp), left


def _refuse_none(fine: Sequence[int], listing: Listing, unreadable: dict[str, Unreadable]) -> None:
    if not fine:
        key, why = next(iter(unreadable.items()))
        raise NothingEmbedded(f"none of {len(listing.refs):,} images can be decoded, as {shown(key)}: {why}")


def groups_of(listing: Listing, column: str | None) -> Sequence[Any] | None:
    """The values of a column of groups."""
    return None if column is None else list(columns.texts(listing.table, column))
