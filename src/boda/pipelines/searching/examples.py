"""What a search is given: rows, image files and texts that hits are to be like, or not to be like, as features."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from boda.errors import NotFound, Refused
from boda.keys import from_text, shown, to_json
from boda.pipelines.places import existing_file
from boda.pipelines.thumbnails import seen
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Source
from boda.sources.single import SingleFile
from boda.unreadable import BadImage, Unreadable
from boda.workspace.features import FeatureSet
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.arrays import StoredFeatures
    from boda.encoders.base import Encoder

Kind: TypeAlias = Literal["row", "image", "text"]
ImagePath: TypeAlias = str | os.PathLike[str]
Some: TypeAlias = ImagePath | Sequence[ImagePath] | None


@dataclass(frozen=True, slots=True)
class Given:
    """One thing that hits are to be like."""

    kind: Kind
    name: str
    """The key of a row, the path of an image, or a text."""
    less: bool = False
    """They are not to be like it."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": self.kind, "name": to_json(self.name), "less": self.less}


@dataclass(frozen=True, slots=True)
class Example:
    """What was given, with its features."""

    given: Given
    features: "StoredFeatures"
    """(d,)."""
    row: int | None = None
    """Of the feature set, where it is one."""
    file: Source | None = None


def all_given(like: tuple[Some, Some, Some], less: tuple[Some, Some, Some]) -> list[Given]:
    """Rows, images and texts of both sides, what hits are to be like first.

    Raises:
        Refused: there is nothing that hits are to be like.
    """
    kinds: tuple[Kind, ...] = ("row", "image", "text")
    found = [
        Given(kind, os.fspath(name), side is less)
        for side in (like, less)
        for kind, some in zip(kinds, side, strict=True)
        for name in ([some] if isinstance(some, str | os.PathLike) else some or ())
    ]
    if not found or found[0].less:
        raise Refused("search takes either a row or an image or a text, or several, that hits are to be like")
    return found


def read_examples(
    workspace: Workspace, features: FeatureSet, given: Sequence[Given], maker: "Callable[[], Encoder]"
) -> list[Example]:
    """Each with its features, in the same order.

    Args:
        workspace: of the rows.
        features: of the rows; all others get features of the same recipe.
        given: what.
        maker: the encoder of that recipe; asked once, and only for images and texts.

    Raises:
        NotFound: no such row or file.
        Refused: a row has no features; the encoder makes other ones, or knows no texts.
        BadImage: an image cannot be used.
    """
    encoder = cache(maker)
    keys = [one.name if one.kind != "row" else key_of(workspace, one.name) for one in given]
    rows = rows_of(workspace, features, [key for key, one in zip(keys, given, strict=True) if one.kind == "row"])
    found = []
    for key, one in zip(keys, given, strict=True):
        named = Given(one.kind, key, one.less)
        match one.kind:
            case "row":
                found.append(Example(named, features.array[rows[key]], row=rows[key]))
            case "image":
                file = SingleFile.at(os.fspath(existing_file(one.name)))
                found.append(Example(named, _features_of(file, features.recipe, encoder()), file=file))
            case "text":
                found.append(Example(named, _features_of_text(one.name, encoder())))
    return found


def rows_of(workspace: Workspace, features: FeatureSet, keys: Sequence[str]) -> dict[str, int]:
    """The row of each key.

    Raises:
        Refused: one has no features; says why.
    """
    wanted = set(keys)
    found = {key: row for row, key in enumerate(features.keys) if key in wanted} if wanted else {}
    for key in keys:
        if key not in found:
            recipe = features.recipe
            why = [str(q.unreadable) for q in workspace.quarantined(recipe.id) if q.key == key]
            reason = f"it is quarantined, {why[0]}" if why else "it is not embedded yet"
            raise Refused(f"{shown(key)} has no features of {recipe.name} ({recipe.id}): {reason}")
    return found


def encoder_of(
    recipe: Recipe, encoder: "str | Encoder | None", weights: ImagePath | None, device: str
) -> "Callable[[], Encoder]":
    """What makes features of the same recipe as those of a workspace, when it is asked for."""

    def make() -> "Encoder":
        from boda.encoders.registry import encoder_for

        if recipe.pixels is None:
            raise Refused(
                f"features {recipe.name} ({recipe.id}) were imported and nobody knows how to make them: use --row"
            )
        return encoder_for(recipe, encoder, weights=weights, device=device)

    return make


def ref_of(image: Source) -> ImageRef:
    """The image of a file; of a FITS file of several the first."""
    return next(entry for entry in image.entries() if isinstance(entry, ImageRef))


def key_of(workspace: Workspace, typed: str) -> str:
    """The key that was typed, also in the spelling of tables (`bytes:...`)."""
    other = from_text(typed)
    if other == typed:
        return workspace.ref(typed).key
    try:
        return workspace.ref(typed).key
    except NotFound:
        return workspace.ref(other).key


def _features_of(image: Source, recipe: Recipe, encoder: "Encoder") -> "StoredFeatures":
    """The features of one image file."""
    assert recipe.pixels is not None
    ref = ref_of(image)
    (pixels,) = seen(image, [ref], recipe.pixels)
    if isinstance(pixels, Unreadable):
        raise BadImage(pixels.stage, pixels.code, f"{shown(ref.key)}: {pixels.reason}")
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
