"""Encoders by name: a short dict of lazy names. Importing this registers nothing and loads no library."""

import difflib
import importlib
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal

from boda.encoders.backends import Backend, backend_device, converted
from boda.encoders.base import Encoder
from boda.encoders.description import Description
from boda.encoders.names import parse_name
from boda.encoders.request import EncoderRequest
from boda.encoders.taking import taken
from boda.errors import MissingExtra, Refused, UnknownEncoder
from boda.keys import shown
from boda.pixels.spec import Decoder, PixelSpec
from boda.recipe import Recipe

FAMILIES: Final = {
    "auto": "boda.encoders.lite0:load",
    "handmade": "boda.encoders.handmade:load",
    "hf-hub": "boda.encoders.hf_hub:load",
    "hf_hub": "boda.encoders.hf_hub:load",
    "open_clip": "boda.encoders.open_clip_models:load",
    "resnet": "boda.encoders.resnets:load",
    "run": "boda.encoders.trained:load",
    "timm": "boda.encoders.timm_models:load",
    "transformers": "boda.encoders.transformers_models:load",
}
"""What stands before the colon, and the function that makes an encoder from an `EncoderRequest`."""

DESCRIPTIONS: Final = {
    "auto": "boda.encoders.lite0:describe",
    "hf-hub": "boda.encoders.hf_hub:describe",
    "hf_hub": "boda.encoders.hf_hub:describe",
    "open_clip": "boda.encoders.open_clip_models:describe",
    "resnet": "boda.encoders.resnets:describe",
    "run": "boda.encoders.trained:describe",
    "timm": "boda.encoders.timm_models:describe",
}
"""Of families that can say what they are without their weights: the function that makes a `Description`."""

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
    pixels: str | PixelSpec | None = None,
    layer: str | None = None,
    pooling: str | None = None,
    backend: Backend = "torch",
) -> Encoder:
    """The encoder of this name, ready to use.

    Args:
        name: `auto`, `timm:NAME`, `resnet:NAME`, `run:FOLDER`, `hf-hub:OWNER/NAME`, `open_clip:ARCH/TAG`,
            `transformers:OWNER/NAME`, `handmade:hog-colour`, or `module:function` of your own. Arguments of a model
            of timm ride on it: `timm:mobilenetv2_100?pad_type=same&drop_rate=0`.
        weights: a file (safetensors, .pt, .pth, .th, .bin) in place of the published weights.
        precision: `auto` gives fp32; `boda.embed` decides on its first batch whether bf16 will do.
        decode: `scaled` decodes large JPEGs at reduced size; `exact` never does. Part of the recipe. None: what the
            encoder has, which is `scaled` for all of boda's own.
        device: `auto` takes the first of cuda, mps and cpu that is here.
        range: (low, high), the values that become black and white in 16-bit files: a 12-bit camera has (0, 4095).
        stretch: `linear:LOW,HIGH`, `asinh:LOW,HIGH` or `log:LOW,HIGH` for FITS and float files, which have no black
            and white of their own and are refused without. Both are part of the recipe; None: what the encoder has.
        pixels: settings in place of the encoder's own, as `size=224,mean=0.5,std=0.5` (see `boda.pixels.settings`), or
            all of them.
        layer: the features are what this layer gives, pooled: `layer3`, `blocks.4`, any module of the network by its
            name; or `last`, its last map. None: the model's own features.
        pooling: `mean`, `gem`, `cls`, `none`, or `model` for the model's own (see `boda.encoders.pooling`). None: the
            model's own; of a layer `mean`, or `none` where it gives vectors. Without `layer` the last map is pooled.
        backend: what computes: `torch`, or on the CPU `onnx` (ONNX Runtime) or `openvino`, which must agree with torch
            (see `boda.encoders.backends`). Part of the recipe.

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
    device = backend_device(backend, device)
    file = Path(weights) if weights is not None else None
    request = EncoderRequest(name, file, decode, device, range, stretch, pixels)
    if is_our_own(name):
        encoder: Encoder = _function(FAMILIES[parse_name(name).family])(request)
    elif ":" in name:
        from boda.encoders.your_own import load

        encoder = load(request)
    else:
        raise UnknownEncoder(name, near_names(name))
    encoder = converted(taken(encoder, layer, pooling), backend)
    return encoder.at("bf16") if precision == "bf16" else encoder


def describe_encoder(name: str) -> Description | None:
    """What an encoder is, without its weights; None where only loading it can tell.

    Raises:
        UnknownEncoder, MissingExtra, Refused: as `load_encoder`.
    """
    family = parse_name(name).family
    if not is_our_own(name) or family not in DESCRIPTIONS:
        return None
    description: Description = _function(DESCRIPTIONS[family])(EncoderRequest(name))
    return description


def _function(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def is_our_own(name: str) -> bool:
    """Whether one of boda's own families makes this encoder, so that its name runs nobody else's code.

    >>> is_our_own("auto"), is_our_own("timm:resnet18"), is_our_own("auto:make"), is_our_own("my_module:make")
    (True, True, False, False)
    """
    family, colon, _ = name.partition("?")[0].partition(":")
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
        encoder = load_encoder(
            encoder,
            weights=weights,
            precision=recipe.precision,
            device=device,
            pixels=recipe.pixels,
            layer=recipe.layer,
            pooling=recipe.pooling,
            backend=recipe.arguments.get("backend", "torch"),
        )
    elif _same_network(encoder.recipe, recipe):
        encoder = taken(encoder, recipe.layer, recipe.pooling).at(recipe.precision)
    if encoder.recipe != recipe:
        raise Refused(
            f"the features there are {shown(recipe.name)} ({recipe.id}), the encoder makes "
            f"{shown(encoder.recipe.name)} ({encoder.recipe.id}): {shown(_difference(recipe, encoder.recipe))}. "
            "Give the encoder and weights they were made with, or embed again"
        )
    return encoder


def encoders_for(
    recipes: Sequence[Recipe],
    encoder: str | Encoder | None = None,
    *,
    weights: str | PathLike[str] | None = None,
    device: str = "auto",
) -> list[Encoder]:
    """As `encoder_for`, for several recipes: those that take other layers of one network share it, and one pass.

    Raises: as `encoder_for`.
    """
    found: list[Encoder] = []
    for recipe in recipes:
        shared = next((one for one in found if hasattr(one, "take") and _same_network(one.recipe, recipe)), encoder)
        found.append(encoder_for(recipe, shared, weights=weights, device=device))
    return found


def _same_network(one: Recipe, other: Recipe) -> bool:
    return replace(one, layer=other.layer, pooling=other.pooling, precision=other.precision) == other


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
    from boda.encoders.resnets import near_resnets
    from boda.encoders.timm_models import import_timm, near_models

    own = (*difflib.get_close_matches(name, _ALWAYS, n=2, cutoff=0.5), *near_resnets(name))

    try:
        return (*own, *near_models(import_timm(name), name))
    except MissingExtra:
        return own
