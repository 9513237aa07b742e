"""Encoders by name: a short dict of lazy names. Importing this registers nothing and loads no library."""

import difflib
import importlib
from os import PathLike
from pathlib import Path
from typing import Final, Literal

from boda.encoders.base import Encoder
from boda.encoders.request import EncoderRequest
from boda.errors import MissingExtra, Refused, UnknownEncoder
from boda.pixels.spec import Decoder
from boda.recipe import Recipe

FAMILIES: Final = {
    "auto": "boda.encoders.lite0:load",
    "handmade": "boda.encoders.handmade:load",
    "timm": "boda.encoders.timm_models:load",
}
"""What stands before the colon, and the function that makes an encoder from an `EncoderRequest`."""

_ALWAYS: Final = ("auto", "handmade:hog-colour")


def load_encoder(
    name: str = "auto",
    *,
    weights: str | PathLike[str] | None = None,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    decode: Decoder = "scaled",
    device: str = "auto",
    range: tuple[float, float] | None = None,
    stretch: str | None = None,
) -> Encoder:
    """The encoder of this name, ready to use.

    Args:
        name: `auto`, `timm:NAME`, `handmade:hog-colour`, or `module:function` of your own.
        weights: a file (safetensors, .pt, .pth, .th, .bin) in place of the published weights.
        precision: `auto` gives fp32; `boda.embed` decides on its first batch whether bf16 will do.
        decode: `scaled` decodes large JPEGs at reduced size; `exact` never does. Part of the recipe.
        device: `auto` takes the first of cuda, mps and cpu that is here.
        range: (low, high), the values that become black and white in 16-bit files: a 12-bit camera has (0, 4095).
        stretch: `linear:LOW,HIGH`, `asinh:LOW,HIGH` or `log:LOW,HIGH` for FITS and float files, which have no black
            and white of their own and are refused without. Both are part of the recipe.

    Raises:
        UnknownEncoder: no encoder has this name; the error has near ones.
        MissingExtra: it needs a part that is not installed.
        NotOffline: its weights are not here and cannot be fetched.
        NotFound: no such weights file.
        Refused: the weights do not fit, or what was asked for makes no sense.

    >>> encoder = load_encoder("handmade:hog-colour")
    >>> encoder.width, encoder.recipe.dtype
    (2020, 'float32')
    """
    request = EncoderRequest(name, Path(weights) if weights is not None else None, decode, device, range, stretch)
    family, colon, _ = name.partition(":")
    if family in FAMILIES and bool(colon) == (family != "auto"):
        module, _, function = FAMILIES[family].partition(":")
        encoder: Encoder = getattr(importlib.import_module(module), function)(request)
    elif colon:
        from boda.encoders.your_own import load

        encoder = load(request)
    else:
        raise UnknownEncoder(name, near_names(name))
    return encoder.at("bf16") if precision == "bf16" else encoder


def encoder_for(recipe: Recipe, *, weights: str | PathLike[str] | None = None, device: str = "auto") -> Encoder:
    """The encoder that computes features of exactly this recipe, to give new images features that compare.

    Only boda's own families are loaded: a recipe may be a stranger's, and `module:function` is code.

    Raises:
        Refused: what can be loaded here would give other numbers, or the recipe does not say what computed it.
        NotOffline, MissingExtra, UnknownEncoder: as `load_encoder`.
    """
    if not recipe.known or recipe.pixels is None:
        raise Refused(
            f"nobody knows what computed the features {recipe.name or recipe.id!r}: no new image can join them"
        )
    name = recipe.name or recipe.architecture
    if name.partition(":")[0] not in FAMILIES:
        raise Refused(f"the features were made by {name!r}, which is code: if you trust it, load that encoder yourself")
    pixels = recipe.pixels
    encoder = load_encoder(
        name,
        weights=weights,
        precision=recipe.precision,
        decode=pixels.decoder,
        device=device,
        range=pixels.range,
        stretch=pixels.stretch,
    )
    if encoder.recipe != recipe:
        told = "other weights" if encoder.recipe.weights != recipe.weights else "another recipe"
        raise Refused(
            f"the encoder {name!r} here has {told} ({encoder.recipe.id}) than the stored features ({recipe.id}): "
            "give the same weights with --weights FILE, or embed again"
        )
    return encoder


def encoder_names() -> list[str]:
    """The names that need nothing but what boda installs: no hub and no file."""
    return list(_ALWAYS)


def near_names(name: str) -> tuple[str, ...]:
    """Names that somebody who wrote `name` may have meant; timm's where timm is installed."""
    own = difflib.get_close_matches(name, _ALWAYS, n=2, cutoff=0.5)
    from boda.encoders.timm_models import import_timm, near_models

    try:
        return (*own, *near_models(import_timm(name), name))
    except MissingExtra:
        return tuple(own)
