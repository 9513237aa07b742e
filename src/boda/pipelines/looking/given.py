"""What is looked into: a network, and the images that are shown beside it where there are some."""

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from boda.arrays import Pixels
from boda.cores import cores
from boda.counted import counted
from boda.encoders.layers import LAST
from boda.encoders.opened import OpenNetwork
from boda.encoders.opened import opened as open_network
from boda.encoders.registry import encoder_for, encoder_names, is_our_own, load_encoder
from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.pipelines.decoded import decoded
from boda.pipelines.explaining.images import (
    Chosen,
    files,
    images_of,
    is_usual,
    loaded,
    read_again,
    read_file,
    rows_of_workspace,
)
from boda.pipelines.places import opened
from boda.pipelines.run.meter import OnProgress, Progress
from boda.pipelines.searching.examples import key_of
from boda.pipelines.thumbnails import source_of
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.sources.base import ImageRef
from boda.sources.walking import is_workspace
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.encoders.base import Encoder

Into: TypeAlias = "str | os.PathLike[str] | Workspace | Encoder"
"""A workspace, images, or an encoder."""


@dataclass(frozen=True, eq=False)
class Collection:
    """Images that stream by as the network sees them."""

    chosen: Chosen
    spec: PixelSpec
    progress: OnProgress
    unseen: dict[str, str] = field(default_factory=dict)
    """Why images could not be looked at, by key; filled as they pass."""

    @property
    def refs(self) -> tuple[ImageRef, ...]:
        """Those that are looked at."""
        return self.chosen.refs

    @property
    def of(self) -> int:
        """Images that there were to choose from."""
        return self.chosen.of

    def pages(self) -> Iterator[tuple[tuple[ImageRef, ...], Pixels]]:
        """Up to 32 images at a time, in order, and their pixels (n, h, w, 3); those that cannot be read are left out.

        Raises:
            DecoderBroken: decoders die on everything here.
        """
        done = 0
        for page in decoded(self.chosen.source, self.refs, self.spec, workers=max(1, min(cores(), len(self.refs)))):
            good = [row for row, verdict in enumerate(page.verdicts) if verdict is None]
            pairs = zip(page.refs, page.verdicts, strict=True)
            self.unseen.update({ref.key: str(verdict) for ref, verdict in pairs if verdict is not None})
            if good:
                yield tuple(page.refs[row] for row in good), page.pixels[good]
            done += len(page.refs)
            self.progress(Progress("looking", done, len(self.refs)))

    def passing(self, refs: list[ImageRef]) -> Iterator[Pixels]:
        """The pixels of `pages`; who has passed is added to `refs`."""
        for some, pixels in self.pages():
            refs.extend(some)
            yield pixels

    def again(self, refs: list[ImageRef]) -> list[Pixels]:
        """The pixels (h, w, 3) of some that have passed.

        Raises:
            Refused: one can no longer be read.
        """
        return read_again(self.chosen.source, refs, self.spec)

    @property
    def words(self) -> str:
        """How many images were looked at: "400 images", "2,000 of 60,000 images, drawn at random"."""
        count = len(self.refs) - len(self.unseen)
        if len(self.refs) == self.of:
            return counted(count, "image")
        return f"{count:,} of {self.of:,} images, drawn at random"


@dataclass(frozen=True, eq=False)
class Seen:
    """One image as the network sees it."""

    name: str
    pixels: Pixels
    """(h, w, 3)."""
    key: str | None
    """Where it is one of the collection."""


@dataclass(frozen=True, eq=False)
class Inside:
    """What is looked into."""

    network: OpenNetwork
    recipe: Recipe
    """As it is stored; the network computes in fp32."""
    encoder: "Encoder"
    workspace: Workspace | None
    collection: Collection | None
    said: tuple[str, ...]
    """For names of files, what is looked into: the network, where it is not the only one of the workspace or the one
    that is taken unasked; the images, where they are of no workspace."""

    @property
    def name(self) -> str:
        """Of the encoder, for people."""
        return shown(self.network.name)

    @property
    def own_layer(self) -> str:
        """The layer of the recipe's features; of the network's own features the last map."""
        return LAST if self.network.part is None else self.network.part.layer

    def images(self, kind: str) -> Collection:
        """The collection.

        Raises:
            Refused: there is none.
        """
        if self.collection is None and self.workspace is not None:
            images_of(self.workspace)
        if self.collection is None:
            raise Refused(f"{kind} needs images to look at: give a workspace, or a folder of images with an encoder")
        return self.collection

    def image(self, asked: str | None) -> Seen:
        """One image: by its key in the collection, or a file; the only one where none is named.

        Raises:
            NotFound: there is none; names near keys.
            Refused: none is named, or it cannot be read.
        """
        there = self.collection
        if asked is None:
            if there is None or there.of != 1:
                raise Refused("say which image: give its key, or a file")
            asked = there.refs[0].key
        key = self._key(asked)
        assert self.network.recipe.pixels is not None
        if key is None or there is None:
            return Seen(asked, read_file(asked, self.network.recipe.pixels), None)
        ref = there.chosen.every[key] if self.workspace is None else self.workspace.ref(key)
        return Seen(key, there.again([ref])[0], key)

    def _key(self, asked: str) -> str | None:
        """The key that is meant; None where it is a file."""
        if self.workspace is not None and self.collection is not None:
            try:
                return key_of(self.workspace, asked)
            except NotFound:
                if Path(asked).is_file():
                    return None
                raise
        return asked if self.collection is not None and asked in self.collection.chosen.every else None


def given(
    into: Into,
    *,
    recipe: str | Recipe | None,
    encoder: "str | Encoder | None",
    weights: str | os.PathLike[str] | None,
    device: str,
    limit: int,
    rng: np.random.Generator,
    progress: OnProgress,
) -> Inside:
    """Open what is looked into.

    Args:
        into: a workspace, images (a folder, a file, whatever names some), or an encoder by name or itself.
        recipe: of a workspace.
        encoder: of images; what made the features of a workspace, where it may not say it itself.
        weights: of the encoder.
        device: where it computes.
        limit: images of the collection at most; of more so many are drawn.
        rng: of what is drawn.
        progress: is told how many images have passed.

    Raises:
        NotFound: there is no such thing.
        Refused: it makes no sense together, or what computes is no network of torch.
    """
    if isinstance(into, Workspace) or (isinstance(into, str | os.PathLike) and is_workspace(os.fsencode(into))):
        there = opened(into)
        known = there.recipe(recipe)
        made = encoder_for(known, encoder, weights=weights, device=device)
        images = _of_workspace(there, known, made, limit, rng, progress)
        return Inside(_network(made), known, made, there, images, _said(known, unasked=len(there.recipes()) == 1))
    if recipe is not None:
        raise Refused("a recipe is one of a workspace: give that, or leave the recipe out")
    if not isinstance(into, os.PathLike) and (not isinstance(into, str) or _is_name(into)):
        if encoder is not None:
            raise Refused("an encoder is given twice: give images or a workspace, or leave one of them out")
        made = load_encoder(into, weights=weights, device=device) if isinstance(into, str) else into
        said = _said(made.recipe, unasked=is_usual(into, weights))
        return Inside(_network(made), made.recipe, made, None, None, said)
    place = os.fspath(into)
    if "://" not in place and not Path(place).exists():
        near = difflib.get_close_matches(place, encoder_names(), n=2, cutoff=0.5)
        raise NotFound(
            f"{shown(place)}: no workspace, no images and no encoder of this name"
            + (f". Near: {', '.join(near)}" if near else "")
        )
    made = loaded(encoder, weights, device)
    network = _network(made)
    images = _collection(files([place], limit=limit, rng=rng), made, progress)
    said = _said(made.recipe, unasked=is_usual(encoder, weights))
    return Inside(network, made.recipe, made, None, images, (*said, os.path.normpath(place)))


def _said(recipe: Recipe, *, unasked: bool) -> tuple[str, ...]:
    """The name of a network with digits of its recipe's id, as names may be those of several."""
    return () if unasked else (f"{recipe.name or recipe.architecture}-{recipe.id[:8]}".replace(":", "-"),)


def _network(encoder: "Encoder") -> OpenNetwork:
    found = open_network(encoder)
    if found.closed:
        raise Refused(f"encoder {shown(found.name)!r} is no network of torch: there are no layers in it to look at")
    return found


def _is_name(text: str) -> bool:
    """Whether this is the name of an encoder, and not a path or an address."""
    return is_our_own(text) or (":" in text and "://" not in text and not Path(text).exists())


def _of_workspace(
    workspace: Workspace,
    recipe: Recipe,
    encoder: "Encoder",
    limit: int,
    rng: np.random.Generator,
    progress: OnProgress,
) -> Collection | None:
    """Its images that have features; None where they are not there."""
    source = source_of(workspace)
    if source is None:
        return None
    chosen = rows_of_workspace(workspace, source, workspace.features(recipe), limit=limit, rng=rng)
    return _collection(chosen, encoder, progress)


def _collection(chosen: Chosen, encoder: "Encoder", progress: OnProgress) -> Collection:
    assert encoder.recipe.pixels is not None
    return Collection(chosen, encoder.recipe.pixels, progress)
