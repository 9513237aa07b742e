"""Encoders by name: a short dict of lazy names. Importing this registers nothing and loads no library."""

import difflib
import importlib
from os import PathLike
from pathlib import Path
from typing import Final, Literal

from boda.encoders.base import Encoder
from boda.encoders.request import EncoderRequest
from boda.errors import MissingExtra, Refused, UnknownEncoder
from boda.keys import shown
from boda.pixels.spec import Decoder
from boda.recipe import Recipe

FAMILIES: Final = {
    "auto": "boda.encoders.lite0:load",
    "handmade": "boda.encoders.handmade:load",
    "timm": "boda.encoders.timm_models:load",
}
"""What stands before the colon, and the function that makes an encoder from an `EncoderRequest`."""

_ALWAYS: Final = ("auto", "handmade:hog-colour")
_COUNTED: Final = ("architecture", "weights", "layer", "pooling", "pixels", "precision", "arguments")


def load_encoder(
    name: str = "auto",
    *,
    weights: str | PathLike[str] | None = None,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    decode: Decoder | None = None,
    device: str = "auto",
    range: tuple[float, float] | None = None,
    stretch: str | None = None,
) -> Encoder:
    """The encoder of this name, ready to use.

    Args:
        name: `auto`, `timm:NAME`, `handmade:hog-colour`, or `module:function` of your own.
        weights: a file (safetensors, .pt, .pth, .th, .bin) in place of the published weights.
        precision: `auto` gives fp32; `boda.embed` decides on its first batch whether bf16 will do.
        decode: `scaled` decodes large JPEGs at reduced size; `exact` never does. Part of the recipe. None: what the
            encoder has, which is `scaled` for all of boda's own.
        device: `auto` takes the first of cuda, mps and cpu that is here.
        range: (low, high), the values that become black and white in 16-bit files: a 12-bit camera has (0, 4095).
        stretch: `linear:LOW,HIGH`, `asinh:LOW,HIGH` or `log:LOW,HIGH` for FITS and float files, which have no black
            and white of their own and are refused without. Both are part of the recipe; None: what the encoder has.

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
    if is_our_own(name):
        module, _, function = FAMILIES[name.partition(":")[0]].partition(":")
        encoder: Encoder = getattr(importlib.import_module(module), function)(request)
    elif ":" in name:
        from boda.encoders.your_own import load

        encoder = load(request)
    else:
        raise UnknownEncoder(name, near_names(name))
    return encoder.at("bf16") if precision == "bf16" else encoder


def is_our_own(name: str) -> bool:
    """Whether one of boda's own families makes this encoder, so that its name runs nobody else's code.

    >>> is_our_own("auto"), is_our_own("timm:resnet18"), is_our_own("auto:make"), is_our_own("my_module:make")
    (True, True, False, False)
    """
    family, colon, _ = name.partition(":")
    return family in FAMILIES and bool(colon) == (family != "auto")


def encoder_for(
    recipe: Recipe,
    encoder: str | Encoder | None = None,
    *,
    weights: str | PathLike[str] | None = None,
    device: str = "auto",
) -> Encoder:
    """The encoder that computes features of exactly this recipe, to give new images features that compare.

    Args:
        recipe: of the features that are there.
        encoder: what made them, by name or loaded; None: what the recipe names, if it is one of boda's own. A recipe
            may be a stranger's, and `module:function` is code.
        weights: the file of weights it was made with, where it was one.
        device: as `load_encoder`.

    Raises:
        Refused: what can be loaded here would give other numbers, or the recipe does not say what computed it.
        NotOffline, MissingExtra, UnknownEncoder: as `load_encoder`.
    """
    if not recipe.known or recipe.pixels is None:
        raise Refused(
            f"nobody knows what computed the features {recipe.name or recipe.id!r}: no new image can join them"
        )
    if encoder is None:
        encoder = recipe.name or recipe.architecture
        if not is_our_own(encoder):
            name = shown(encoder)
            raise Refused(f"features were made by {name!r}, which is code: if you trust it, say --encoder {name}")
    if isinstance(encoder, str):
        pixels = recipe.pixels
        encoder = load_encoder(
            encoder,
            weights=weights,
            precision=recipe.precision,
            decode=pixels.decoder,
            device=device,
            range=pixels.range,
            stretch=pixels.stretch,
        )
    if encoder.recipe != recipe:
        raise Refused(
            f"the features there are {shown(recipe.name)} ({recipe.id}), the encoder makes "
            f"{shown(encoder.recipe.name)} ({encoder.recipe.id}): {shown(_difference(recipe, encoder.recipe))}. "
            "Give the encoder and weights they were made with, or embed again"
        )
    return encoder


def _difference(there: Recipe, here: Recipe) -> str:
    before, now = there.as_json(), here.as_json()
    return "; ".join(
        f"{what} {before[what]!r} there, {now[what]!r} here" for what in _COUNTED if before[what] != now[what]
    )


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
