"""Why are these two similar? Which features carry the likeness, and which places of both images."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.arrays import Features, Pixels
from boda.errors import MissingExtra, NotOffline, Refused
from boda.keys import shown, to_json
from boda.pictures.likeness import Alike, draw_likeness
from boda.pictures.sheet import write_sheet
from boda.pipelines.places import Where, opened
from boda.pipelines.searching.examples import encoder_of, key_of, rows_of
from boda.pipelines.searching.sheet import place_for_sheet
from boda.pipelines.thumbnails import seen, source_of
from boda.recipe import Recipe
from boda.retrieval.likeness import Carried, Dimension, Likeness, likeness_of
from boda.retrieval.places import Matched, match_places
from boda.unreadable import Unreadable
from boda.workspace.features import FeatureSet
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.encoders.base import Encoder

_MARK = "boda search --explain"
_OFF = {"fp32": 1e-3, "bf16": 3e-2}
"""How far features may lie from what is computed now, of their length: precision, other batches, other machines."""


@dataclass(frozen=True, eq=False)
class Alikeness:
    """Why two images of a workspace are alike."""

    workspace: str
    first: str
    second: str
    recipe: Recipe
    images: int
    """Of the collection that they were compared with, themselves among them."""
    width: int
    """Dimensions of the features."""
    likeness: Likeness
    most: tuple[tuple[str, ...], ...]
    """For each dimension the keys of the images that have most of it."""
    places: Matched | None
    """What each place of both images adds; None where that cannot be said."""
    places_centred: Matched | None
    why_no_places: str
    """Why `places` is None; "" where it is not."""
    picture: Path | None

    @property
    def gap(self) -> float | None:
        """By how much the shares of all places miss the likeness."""
        return None if self.places is None else abs(self.places.likeness - self.likeness.plain.likeness)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        told = zip(self.likeness.dimensions, self.most, strict=True)
        return {
            "workspace": to_json(self.workspace),
            "first": to_json(self.first),
            "second": to_json(self.second),
            "recipe": self.recipe.id,
            "encoder": self.recipe.name,
            "images": self.images,
            "width": self.width,
            "likeness": self.likeness.plain.likeness,
            "ranks": list(self.likeness.ranks),
            "plain": _carried(self.likeness.plain),
            "centred": None if self.likeness.centred is None else _carried(self.likeness.centred),
            "dimensions": [_dimension(one, most) for one, most in told],
            "places": None if self.places is None else _matched(self.places),
            "places_centred": None if self.places_centred is None else _matched(self.places_centred),
            "why_no_places": self.why_no_places,
            "completeness_gap": self.gap,
            "picture": None if self.picture is None else to_json(str(self.picture)),
        }


def why_similar(
    workspace: Where,
    first: str,
    second: str,
    *,
    top: int = 10,
    recipe: str | Recipe | None = None,
    encoder: "str | Encoder | None" = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Alikeness:
    """Say what carries the likeness of two images: which dimensions of their features, and which places in them.

    What the places add is exact for features that are the mean of a map over its places, as those of most
    convolutional networks are (global average pooling), and `--pooling mean` of any layer. Whether they are is not
    assumed but computed: where the mean of the map is not what is stored, there are no places and the reason is told.

    Args:
        workspace: where both are.
        first: the key of an image.
        second: the key of another.
        top: how many dimensions are told.
        recipe: which features, where there are several.
        encoder: what made them, where the workspace may not say it itself.
        weights: the weights file they were made with.
        device: where to compute.
        to: the picture; by default a PNG in NAME-search/ beside the workspace.
        force: write over a file at `to`.

    Raises:
        NotFound: no such row or features.
        Refused: a row has no features, or both are one.
    """
    there = opened(workspace)
    features = there.features(recipe)
    keys = key_of(there, first), key_of(there, second)
    rows = rows_of(there, features, keys)
    found = likeness_of(features.array, rows[keys[0]], rows[keys[1]], top=top, rng=np.random.default_rng(0))
    place = place_for_sheet(there, f"{keys[0]} and {keys[1]}", to, force=force, mark=_MARK)
    plain = centred = picture = None
    try:
        images, maps = _maps(there, features, keys, encoder_of(features.recipe, encoder, weights, device)())
        plain, why = match_places(*maps), ""
        centred = match_places(*maps, found.mean)
    except (Refused, MissingExtra, NotOffline) as error:
        why = str(error)
    if plain is not None:
        alike = [_alike("Likeness", plain)]
        alike += [] if centred is None else [_alike("Less the mean of all images", centred)]
        write_sheet(draw_likeness(images, keys, alike), place, mark=_MARK)
        picture = place
    most = tuple(tuple(features.keys[row] for row in one.most) for one in found.dimensions)
    return Alikeness(
        str(there.path), *keys, features.recipe, len(features), features.array.shape[1], found, most, plain, centred,
        why, picture,
    )  # fmt: skip


def _maps(
    workspace: Workspace, features: FeatureSet, keys: tuple[str, str], encoder: "Encoder"
) -> tuple[tuple[Pixels, Pixels], tuple[Features, Features]]:
    """What the encoder saw of both images, and what its layer gave at each place.

    Raises:
        Refused: the images are not there or have changed, or the stored features are not the mean over places.
    """
    source, recipe = source_of(workspace), features.recipe
    places = getattr(encoder, "places", None)
    if places is None:
        raise Refused(f"{shown(recipe.name)} does not tell what it finds at which place")
    if source is None or recipe.pixels is None:
        raise Refused("the images are not there: say where with boda info W --source")
    refs = workspace.refs(keys)
    pixels: list[Pixels] = []
    for key, one in zip(keys, seen(source, [refs[key] for key in keys], recipe.pixels), strict=True):
        if isinstance(one, Unreadable):
            raise Refused(f"{shown(key)} can no longer be read: {one}")
        pixels.append(one)
    maps = [places(one[None])[0] for one in pixels]
    rows = rows_of(workspace, features, keys)
    for key, seen_now, map_ in zip(keys, pixels, maps, strict=True):
        stored = np.asarray(features.array[rows[key]], np.float64)
        if _off(map_.mean(axis=(0, 1)), stored) <= _OFF[recipe.precision]:
            continue
        if _off(encoder(seen_now[None])[0], stored) > _OFF[recipe.precision]:
            raise Refused(f"{shown(key)} is not the image that was embedded, or not as it was: embed again")
        raise Refused(
            f"the features of {shown(recipe.name)} are not the mean of layer {recipe.layer} over places (a class "
            "token, a norm or another pooling makes them), so no place has a share: embed with --layer last --pooling "
            "mean"
        )
    return (pixels[0], pixels[1]), (maps[0], maps[1])


def _off(found: Any, stored: Any) -> float:
    """Of the length of what is stored."""
    return float(np.linalg.norm(np.asarray(found, np.float64) - stored)) / max(float(np.linalg.norm(stored)), 1e-12)


def _alike(what: str, matched: Matched) -> Alike:
    pairs = [(one.first, one.second) for one in matched.pairs]
    return Alike(f"{what}: {matched.likeness:.4f}, the sum over all places", matched.first, matched.second, pairs)


def _carried(one: Carried) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(one).items()}


def _dimension(one: Dimension, most: Sequence[str]) -> dict[str, Any]:
    return asdict(one) | {"most": [to_json(key) for key in most]}


def _matched(one: Matched) -> dict[str, Any]:
    return {
        "likeness": one.likeness,
        "first": one.first.tolist(),
        "second": one.second.tolist(),
        "pairs": [asdict(pair) for pair in one.pairs],
    }
