"""Encoders: what each takes and gives, whose it is, and whether it would work here without a network."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boda.encoders.anatomy import Anatomy
from boda.encoders.known import KNOWN, Known
from boda.encoders.layers import Layer
from boda.encoders.registry import describe_encoder, encoder_names, load_encoder
from boda.encoders.trained import NETWORK
from boda.errors import BodaError, MissingExtra

MORE = (
    "and resnet:NAME for boda's other ResNets, timm:NAME for any image model of timm, hf-hub:OWNER/NAME, "
    "open_clip:ARCH/TAG, transformers:OWNER/NAME, module:function for your own"
)


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
    layers: tuple[Layer, ...] = ()
    """Every module of its network, where they were asked for."""

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


def encoders(name: str | None = None, *, layers: bool = False) -> EncoderList:
    """Describe encoders. No weights are fetched, and none are loaded where that can be told without.

    Args:
        name: only this one; None: those that need nothing but what boda installs, those that were trained into folders
            inside the current one, and some known ones.
        layers: with a name, measure every layer of its network too: one forward pass.

    Raises:
        UnknownEncoder: no encoder has this name; the error has near ones.
        MissingExtra: the one that was asked for cannot be described without a part that is not installed.
        NotOffline: it cannot be described without its weights, and they cannot be fetched.
    """
    if name is not None:
        return EncoderList((_describe(name, layers=layers),), "")
    return EncoderList((*map(_ours, encoder_names()), *map(_run, run_names()), *map(_known, KNOWN)), MORE)


def run_names(folder: Path | None = None) -> list[str]:
    """Networks that were trained into folders inside this one, the current folder by default, as `run:FOLDER`."""
    here = folder or Path()
    return [f"run:{place.parent}" for place in sorted(here.glob(f"*/{NETWORK}"))]


def _run(name: str) -> EncoderInfo:
    """A run that cannot be read is a line of the list, not the end of it."""
    try:
        return _describe(name, layers=False)
    except MissingExtra as missing:
        return EncoderInfo(name, None, None, "", here=False, missing=_install(missing))
    except BodaError as error:
        return EncoderInfo(name, None, None, "", here=False, missing=str(error))


def _ours(name: str) -> EncoderInfo:
    try:
        return _describe(name, layers=False)
    except MissingExtra as missing:
        return EncoderInfo(name, None, None, "", here=False, missing=_install(missing))


def _known(known: Known) -> EncoderInfo:
    licence, shape = "", (known.side, known.side)
    try:
        description = describe_encoder(known.name)
        assert description is not None
        licence, missing = description.licence, description.missing
    except MissingExtra as extra:
        missing = _install(extra)
    return EncoderInfo(known.name, known.width, shape, licence, not missing, missing)


def _install(missing: MissingExtra) -> str:
    return f"pip install 'boda[{missing.extra}]'"


def _describe(name: str, *, layers: bool) -> EncoderInfo:
    description = describe_encoder(name)
    if description is None:
        return _loaded(name, layers=layers)
    anatomy = Anatomy(description.build(), name, description.pixels.shape)
    return EncoderInfo(
        name,
        anatomy.width,
        description.pixels.shape,
        description.licence,
        not description.missing,
        description.missing,
        anatomy.layers if layers else (),
    )


def _loaded(name: str, *, layers: bool) -> EncoderInfo:
    encoder = load_encoder(name)
    pixels = encoder.recipe.pixels
    shape = pixels.shape if pixels is not None else None
    found = getattr(encoder, "layers", ()) if layers else ()
    return EncoderInfo(name, encoder.width, shape, encoder.recipe.licence, here=True, missing="", layers=found)
