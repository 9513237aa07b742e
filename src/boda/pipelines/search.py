"""Search: the images of a workspace that are most like one image."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.errors import NotFound, Refused
from boda.keys import from_text, shown, to_json
from boda.pictures.sheet import Tile, contact_sheet, thumbnail, write_sheet, written_by
from boda.pipelines.places import Where, existing_file, folder_beside, opened, place_for
from boda.recipe import Recipe
from boda.retrieval.search import Hits, similar
from boda.unreadable import BadImage, Unreadable
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.arrays import StoredFeatures
    from boda.encoders.base import Encoder
    from boda.sources.base import Source

_MARK = "boda search"
_SIDE = 180
_FROM_WORKSPACE = ("timm:", "handmade:")
"""Names of encoders that a workspace may bring in. `module:function` is code, and a workspace may be a stranger's."""
_COUNTED = ("architecture", "weights", "layer", "pooling", "pixels", "precision", "arguments")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    workspace: str
    query: str
    """The key of the row, or the path of the image."""
    recipe: Recipe
    hits: Hits
    sheet: Path
    """The contact sheet, a PNG: the query first, then the hits."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "workspace": to_json(self.workspace),
            "query": to_json(self.query),
            "recipe": self.recipe.id,
            "encoder": self.recipe.name,
            "hits": self.hits.as_json(),
            "sheet": to_json(str(self.sheet)),
        }


def search(
    workspace: Where,
    *,
    row: str | None = None,
    image: str | os.PathLike[str] | None = None,
    k: int = 20,
    recipe: str | Recipe | None = None,
    encoder: "str | Encoder | None" = None,
    weights: str | os.PathLike[str] | None = None,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Found:
    """Find the k images whose features have the smallest angle to one image's, exactly, and draw a contact sheet.

    Args:
        workspace: where to search.
        row: the key of an image in it, which is no hit of itself; its copies are.
        image: or any image file, which gets features by the recipe of the workspace.
        k: how many; fewer come back where there are not so many.
        recipe: which features, where there are several: id, beginning of an id, or name.
        encoder: for `image`, what made the features, where the workspace may not say it itself.
        weights: for `image`, the weights file they were made with.
        to: the contact sheet; by default a PNG in NAME-search/ beside the workspace.
        force: write over a file at `to`.

    Raises:
        NotFound: no such row, file or features.
        Refused: not exactly one of row and image; the row is quarantined; the encoder makes other features.
        BadImage: the image cannot be used.
    """
    if (row is None) == (image is None):
        raise Refused("search takes either a row or an image")
    there = opened(workspace)
    features = there.features(recipe)
    source = _source(there)
    query: StoredFeatures
    if row is not None:
        key = _key(there, row)
        place = _row_of(there, features.keys, key, features.recipe)
        query, name, data = features.array[place], key, _bytes_of(there, source, key)
    else:
        assert image is not None
        place, name = None, os.fspath(image)
        data = existing_file(image).read_bytes()
        query = _features_of(data, features.recipe, encoder, weights)
    sheet = _place_for_sheet(there, name, to, force=force)
    hits = similar(features, query, k, exclude=place)
    write_sheet(_sheet(there, source, features.recipe, name, data, hits), sheet, mark=_MARK)
    return Found(str(there.path), name, features.recipe, hits, sheet)


def _key(workspace: Workspace, typed: str) -> str:
    """The key that was typed, also in the spelling of tables (`bytes:...`)."""
    other = from_text(typed)
    if other == typed:
        return workspace.ref(typed).key
    try:
        return workspace.ref(typed).key
    except NotFound:
        return workspace.ref(other).key


def _row_of(workspace: Workspace, keys: "Any", key: str, recipe: Recipe) -> int:
    for place, one in enumerate(keys):
        if one == key:
            return place
    why = [str(q.unreadable) for q in workspace.quarantined(recipe.id) if q.key == key]
    reason = f"it is quarantined, {why[0]}" if why else "it is not embedded yet"
    raise Refused(f"{shown(key)} has no features of {recipe.name} ({recipe.id}): {reason}")


def _features_of(
    data: bytes, recipe: Recipe, encoder: "str | Encoder | None", weights: str | os.PathLike[str] | None
) -> "StoredFeatures":
    """The features of one image file, by the same recipe as those of the workspace."""
    from boda.pixels.prepare import prepare

    if recipe.pixels is None:
        raise Refused(
            f"features {recipe.name} ({recipe.id}) were imported and nobody knows how to make them: use --row"
        )
    made = _encoder_of(recipe, encoder, weights)
    pixels, _ = prepare(data, recipe.pixels)
    one: StoredFeatures = made(pixels[None])[0].astype(recipe.dtype)
    if not np.isfinite(one).all():
        raise Refused("the encoder gave NaN or infinity for this image")
    return one


def _encoder_of(recipe: Recipe, encoder: "str | Encoder | None", weights: str | os.PathLike[str] | None) -> "Encoder":
    """What makes features of exactly this recipe."""
    from boda.encoders.registry import encoder_for, load_encoder

    assert recipe.pixels is not None
    if encoder is None:
        if not (recipe.name == "auto" or recipe.name.startswith(_FROM_WORKSPACE)):
            name = shown(recipe.name)
            raise Refused(f"features were made by {name!r}, which is code: if you trust it, say --encoder {name}")
        return encoder_for(recipe, weights=weights)
    pixels = recipe.pixels
    made = (
        load_encoder(
            encoder,
            weights=weights,
            precision=recipe.precision,
            decode=pixels.decoder,
            range=pixels.range,
            stretch=pixels.stretch,
        )
        if isinstance(encoder, str)
        else encoder
    )
    if made.recipe != recipe:
        before, now = recipe.as_json(), made.recipe.as_json()
        differing = [
            f"{what} {before[what]!r} there, {now[what]!r} here" for what in _COUNTED if before[what] != now[what]
        ]
        raise Refused(
            f"the workspace has features {shown(recipe.name)} ({recipe.id}), the encoder makes {made.recipe.name} "
            f"({made.recipe.id}): {shown('; '.join(differing))}. Give the encoder and weights they were made with"
        )
    return made


def _source(workspace: Workspace) -> "Source | None":
    """Where the images are, if they still are there: a search works without."""
    from boda.errors import BodaError
    from boda.sources.opening import open_described

    try:
        return open_described(workspace.source) if workspace.source else None
    except (BodaError, OSError):
        return None


def _bytes_of(workspace: Workspace, source: "Source | None", key: str) -> "bytes | str":
    """The bytes of an image, or why there are none."""
    if source is None:
        return "the source is not there"
    try:
        return source.read(workspace.ref(key)).data
    except BadImage as bad:
        return str(bad.unreadable)


def _tile(data: "bytes | str", recipe: Recipe, *caption: str) -> Tile:
    if isinstance(data, str):
        return Tile(None, caption, data)
    drawn = thumbnail(data, _SIDE, recipe)
    return Tile(None, caption, str(drawn)) if isinstance(drawn, Unreadable) else Tile(drawn, caption)


def _sheet(
    workspace: Workspace, source: "Source | None", recipe: Recipe, name: str, data: "bytes | str", hits: Hits
) -> "Any":
    tiles = [_tile(data, recipe, "query", name)]
    for number, (key, likeness) in enumerate(zip(hits.keys, hits.likeness, strict=True), 1):
        tiles.append(_tile(_bytes_of(workspace, source, key), recipe, f"{number}   {likeness:.4f}", key))
    return contact_sheet(tiles, side=_SIDE, columns=7, title=f"{workspace.path.name}: {recipe.name} ({recipe.id})")


def _place_for_sheet(workspace: Workspace, name: str, to: str | os.PathLike[str] | None, *, force: bool) -> Path:
    if to is not None and Path(to).suffix.lower() != ".png":
        raise Refused(f"{shown(os.fspath(to))}: a contact sheet is a PNG; give a name that ends in .png")
    path = Path(to) if to is not None else folder_beside(workspace.path, "search") / f"{_slug(name)}.png"
    return place_for(path, force=force, ours=written_by(path, _MARK))


def _slug(name: str) -> str:
    """A tame file name for any query: its letters, and a few digits of its digest where some were left out."""
    tame = re.sub(r"[^\w.-]+", "_", name, flags=re.UNICODE).lstrip("._-")[-60:]
    tame = "".join(sign for sign in tame if sign.isprintable())
    return tame if tame == name else f"{tame}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
