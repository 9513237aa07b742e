"""Search: the images of a workspace that are most like one image, or nearest to a text."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from boda.errors import NotFound, Refused
from boda.keys import from_text, shown, to_json
from boda.pictures.sheet import Tile, contact_sheet, write_sheet, written_by
from boda.pipelines.places import Where, existing_file, folder_beside, opened, place_for
from boda.pipelines.thumbnails import seen, source_of, thumbnails
from boda.recipe import Recipe
from boda.retrieval.search import Hits, similar
from boda.sources.base import ImageRef, Source
from boda.sources.single import SingleFile
from boda.unreadable import BadImage, Unreadable
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.arrays import StoredFeatures
    from boda.encoders.base import Encoder

_MARK = "boda search"
_SIDE = 180


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    workspace: str
    query: str
    """The key of the row, the path of the image, or the text."""
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
    text: str | None = None,
    k: int = 20,
    recipe: str | Recipe | None = None,
    encoder: "str | Encoder | None" = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Found:
    """Find the k images whose features have the smallest angle to those of one image or text, exactly, and draw them.

    Args:
        workspace: where to search.
        row: the key of an image in it, which is no hit of itself; its copies are.
        image: or any image file, which gets features by the recipe of the workspace.
        text: or words, where what made the features has a text side (`open_clip:ARCH/TAG`).
        k: how many; fewer come back where there are not so many.
        recipe: which features, where there are several: id, beginning of an id, or name.
        encoder: for `image` and `text`, what made the features, where the workspace may not say it itself.
        weights: for both, the weights file they were made with.
        device: for both, where to compute: `auto`, `cpu`, `cuda`, ...
        to: the contact sheet; by default a PNG in NAME-search/ beside the workspace.
        force: write over a file at `to`.

    Raises:
        NotFound: no such row, file or features.
        Refused: not exactly one of row, image and text; the row is quarantined; the encoder makes other features, or
            knows no texts.
        BadImage: the image cannot be used.
    """
    if sum(one is not None for one in (row, image, text)) != 1:
        raise Refused("search takes either a row or an image or a text")
    there = opened(workspace)
    features = there.features(recipe)
    if row is not None:
        key = _key(there, row)
        place = _row_of(there, features.keys, key, features.recipe)
        query = _Query(key, features.array[place], row=place)
    elif image is not None:
        file = SingleFile.at(os.fspath(existing_file(image)))
        found = _features_of(file, features.recipe, _maker(features.recipe, encoder, weights, device))
        query = _Query(os.fspath(image), found, file=file)
    else:
        assert text is not None
        query = _Query(text, _features_of_text(text, _maker(features.recipe, encoder, weights, device)))
    sheet = _place_for_sheet(there, query.name, to, force=force)
    hits = similar(features, query.features, k, exclude=query.row)
    write_sheet(_sheet(there, query, features.recipe, hits), sheet, mark=_MARK)
    return Found(str(there.path), query.name, features.recipe, hits, sheet)


@dataclass(frozen=True, slots=True)
class _Query:
    """What is searched for: a row of the workspace, an image file, or, with neither, a text."""

    name: str
    features: "StoredFeatures"
    """(d,)."""
    row: int | None = None
    file: Source | None = None


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


def _maker(
    recipe: Recipe, encoder: "str | Encoder | None", weights: str | os.PathLike[str] | None, device: str
) -> "Encoder":
    """What makes features of the same recipe as those of the workspace."""
    from boda.encoders.registry import encoder_for

    if recipe.pixels is None:
        raise Refused(
            f"features {recipe.name} ({recipe.id}) were imported and nobody knows how to make them: use --row"
        )
    return encoder_for(recipe, encoder, weights=weights, device=device)


def _features_of(image: Source, recipe: Recipe, encoder: "Encoder") -> "StoredFeatures":
    """The features of one image file."""
    assert recipe.pixels is not None
    (pixels,) = seen(image, [_ref_of(image)], recipe.pixels)
    if isinstance(pixels, Unreadable):
        raise BadImage(pixels.stage, pixels.code, pixels.reason)
    one: StoredFeatures = encoder(pixels[None])[0].astype(recipe.dtype)
    if not np.isfinite(one).all():
        raise Refused("the encoder gave NaN or infinity for this image")
    return one


def _features_of_text(text: str, encoder: "Encoder") -> "StoredFeatures":
    """Where words lie among the features of images."""
    from boda.encoders.text import as_text_encoder

    one: StoredFeatures = as_text_encoder(encoder).encode_text([text])[0]
    if not np.isfinite(one).all():
        raise Refused("the encoder gave NaN or infinity for this text")
    return one


def _ref_of(image: Source) -> ImageRef:
    """The image of a file; of a FITS file of several the first."""
    return next(entry for entry in image.entries() if isinstance(entry, ImageRef))


def _sheet(workspace: Workspace, query: _Query, recipe: Recipe, hits: Hits) -> "Any":
    """The query first, which is a row, a file or a text; then the hits."""
    source = source_of(workspace)
    keys = [query.name, *hits.keys] if query.row is not None else list(hits.keys)
    pictures: list[Image.Image | Unreadable | str] = []
    if query.file is not None:
        pictures += thumbnails(query.file, [_ref_of(query.file)], _SIDE, recipe)
    elif query.row is None:
        pictures.append(query.name)
    if source is None:
        pictures += ["the source is not there"] * len(keys)
    else:
        pictures += thumbnails(source, list(workspace.refs(keys).values()), _SIDE, recipe)
    captions = [("query", query.name)]
    captions += [
        (f"{number}   {likeness:.4f}", key)
        for number, (key, likeness) in enumerate(zip(hits.keys, hits.likeness, strict=True), 1)
    ]
    tiles = [
        Tile(picture, caption) if isinstance(picture, Image.Image) else Tile(None, caption, str(picture))
        for picture, caption in zip(pictures, captions, strict=True)
    ]
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
