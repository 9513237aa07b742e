"""Which images a network is shown, all that there are or some at random, and their pixels as it sees them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boda.arrays import Pixels
from boda.encoders.registry import load_encoder
from boda.errors import NotFound, Refused
from boda.keys import from_text, shown
from boda.maps.faithful import rows_looked_at
from boda.pipelines.places import existing_file
from boda.pipelines.searching.examples import key_of, ref_of, rows_of
from boda.pipelines.thumbnails import seen, source_of
from boda.pipelines.together import together
from boda.pixels.spec import PixelSpec
from boda.sources.base import ImageRef, Source
from boda.sources.single import SingleFile
from boda.unreadable import Unreadable
from boda.workspace.features import FeatureSet
from boda.workspace.where import rows_where
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.encoders.base import Encoder

_USUAL = "auto"
"""What sees images where no encoder is named."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Images of a source, in order."""

    source: Source
    refs: tuple[ImageRef, ...]
    """Those that are looked at."""
    every: Mapping[str, ImageRef]
    """By key, where the source alone knows them; of a workspace none."""
    of: int
    """Images that there were to choose from."""


def images_of(workspace: Workspace) -> Source:
    """Where its images are.

    Raises:
        Refused: they are not there.
    """
    source = source_of(workspace)
    if source is None:
        place = workspace.path
        raise Refused(f"{place}: the images are not there: say where with boda info {place} --source")
    return source


def rows_of_workspace(
    workspace: Workspace,
    source: Source,
    features: FeatureSet,
    *,
    limit: int,
    rng: np.random.Generator,
    row: Sequence[str] = (),
    where: str | None = None,
) -> Chosen:
    """Rows that are named, or so many at random of those that meet a condition.

    Args:
        workspace: whose.
        source: of its images.
        features: of the rows that there are to choose from.
        limit: at most so many, where none are named.
        rng: draws them.
        row: keys as they were typed.
        where: a condition on columns.

    Raises:
        NotFound: no such row, or none meets the condition.
        Refused: a row has no features; says why.
    """
    if row:
        named = [key_of(workspace, one) for one in row]
        rows_of(workspace, features, named)  # refuses those that have none
        some = list(dict.fromkeys(named))
        of = len(some)
    else:
        among = features.keys if where is None else _meeting(workspace, features.keys, where)
        some, of = [among[one] for one in rows_looked_at(len(among), rng, most=limit).tolist()], len(among)
    refs = workspace.refs(some)
    return Chosen(source, tuple(refs[key] for key in some), {}, of)


def files(given: Sequence[str | os.PathLike[str]], *, limit: int, rng: np.random.Generator) -> Chosen:
    """Image files and folders of them; of more than `limit` so many are drawn.

    Raises:
        NotFound, SourceError: one is not there or cannot be listed.
        Refused: there is no image.
    """
    source = together(given)
    found = [entry for entry in source.entries() if isinstance(entry, ImageRef)]
    if not found:
        raise Refused(f"no images in {', '.join(shown(os.fspath(one)) for one in given)}")
    drawn = tuple(found[one] for one in rows_looked_at(len(found), rng, most=limit).tolist())
    return Chosen(source, drawn, {one.key: one for one in found}, len(found))


def read(chosen: Chosen, spec: PixelSpec) -> tuple[Pixels, dict[str, str]]:
    """The pixels (n, h, w, 3) of those that can be read, in order, and by key why others cannot.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    found = {ref.key: one for ref, one in zip(chosen.refs, seen(chosen.source, chosen.refs, spec), strict=True)}
    unseen = {key: str(one) for key, one in found.items() if isinstance(one, Unreadable)}
    good = [one for one in found.values() if not isinstance(one, Unreadable)]
    return np.stack(good) if good else np.zeros((0, *spec.shape, 3), np.uint8), unseen


def read_again(source: Source, refs: Sequence[ImageRef], spec: PixelSpec) -> list[Pixels]:
    """The pixels (h, w, 3) of images that could be read before.

    Raises:
        Refused: one can no longer be read.
    """
    return [_readable(one, ref.key) for one, ref in zip(seen(source, refs, spec), refs, strict=True)]


def read_file(name: str, spec: PixelSpec) -> Pixels:
    """The pixels (h, w, 3) of an image file.

    Raises:
        NotFound: there is none.
        Refused: it cannot be read.
    """
    file = SingleFile.at(os.fspath(existing_file(name)))
    (pixels,) = seen(file, [ref_of(file)], spec)
    return _readable(pixels, name)


def loaded(encoder: "str | Encoder | None", weights: str | os.PathLike[str] | None, device: str) -> "Encoder":
    """What sees images that no workspace knows: an encoder, or the one of this name; `auto` where none is named.

    Raises:
        UnknownEncoder, MissingExtra, NotOffline: it cannot be loaded.
    """
    if encoder is None or isinstance(encoder, str):
        return load_encoder(encoder or _USUAL, weights=weights, device=device)
    return encoder


def is_usual(encoder: "str | Encoder | None", weights: str | os.PathLike[str] | None) -> bool:
    """Whether `loaded` gives what it gives where nobody names anything."""
    return encoder in (None, _USUAL) and weights is None


def _meeting(workspace: Workspace, keys: Sequence[str], where: str) -> list[str]:
    table = workspace.frame()
    met = {from_text(key) for key in table["key"].filter(rows_where(table, where)).to_pylist()}
    found = [key for key in keys if key in met]
    if not found:
        raise NotFound(f"no image with features meets {where!r}")
    return found


def _readable(pixels: Pixels | Unreadable, name: str) -> Pixels:
    if isinstance(pixels, Unreadable):
        raise Refused(f"{shown(name)} cannot be read: {pixels}")
    return pixels
