"""Pixel settings as they are typed: `size=224,mean=0.485/0.456/0.406,filter=bilinear`.

size=224            what the network sees, in pixels; or size=192x256, height first. What is resized before the
                    crop keeps its share of it
resize=256          the short side; or resize=256x256, both sides exactly
crop=224            the centre; or crop=192x256
filter=bicubic      nearest, box, bilinear, hamming, bicubic, lanczos
antialias=false     sample the nearest pixels, however far the image is shrunk
mean=0.5            of all three colours, on a 0..1 scale; or mean=0.485/0.456/0.406
std=0.5             the same
"""

from dataclasses import replace
from typing import Any

from boda.errors import Refused
from boda.keys import shown
from boda.pixels.spec import PixelSpec

KNOWN = ("size", "resize", "crop", "filter", "antialias", "mean", "std")


def changed(spec: PixelSpec, settings: str) -> PixelSpec:
    """A spec with these settings in place of its own; `size` counts first, the others in any order.

    Raises:
        Refused: an unknown setting, one that is given twice, or a value that makes no sense.

    >>> changed(PixelSpec(resize=256, crop=(224, 224)), "size=112,mean=0.5").resize
    128
    """
    values = _parsed(settings)
    if "size" in values:
        spec = resized(spec, _sides("size", values.pop("size")))
    return replace(spec, **{name: _value(name, text) for name, text in values.items()})


def resized(spec: PixelSpec, size: tuple[int, int]) -> PixelSpec:
    """A spec whose result is `size` (height, width); what is resized before the crop keeps its share of the result."""
    if size == spec.shape or spec.crop is None:
        return spec if size == spec.shape else replace(spec, resize=size)
    if spec.resize is None:
        return replace(spec, crop=size)
    share = [new / old for new, old in zip(size, spec.crop, strict=True)]
    if isinstance(spec.resize, int):
        return replace(spec, resize=max(*size, round(spec.resize * max(share))), crop=size)
    height, width = (round(side * by) for side, by in zip(spec.resize, share, strict=True))
    return replace(spec, resize=(height, width), crop=size)


def _parsed(settings: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in settings.split(","):
        name, _, text = (piece.strip() for piece in part.partition("="))
        if name not in KNOWN:
            raise Refused(f"no pixel setting {shown(part)!r}; write NAME=VALUE, NAME one of {', '.join(KNOWN)}")
        if name in values:
            raise Refused(f"pixel setting {name} is given twice")
        values[name] = text
    return values


def _value(name: str, text: str) -> Any:
    if name == "resize":
        return _sides(name, text) if "x" in text else _sides(name, text)[0]
    if name == "crop":
        return _sides(name, text)
    if name in {"mean", "std"}:
        return _three(name, text)
    if name == "antialias":
        if text not in {"true", "false"}:
            raise Refused(f"antialias={shown(text)} must be true or false")
        return text == "true"
    return text


def _sides(name: str, text: str) -> tuple[int, int]:
    """(height, width) of "224" or "192x256"."""
    height, _, width = text.partition("x")
    try:
        return int(height), int(width or height)
    except ValueError:
        raise Refused(f"{name}={shown(text)} must be pixels, as 224, or height x width, as 192x256") from None


def _three(name: str, text: str) -> tuple[float, float, float]:
    parts = text.split("/") if "/" in text else [text] * 3
    try:
        red, green, blue = (float(part) for part in parts)
    except ValueError:
        raise Refused(
            f"{name}={shown(text)} must be one number, or three for red, green and blue, as 0.485/0.456/0.406"
        ) from None
    return red, green, blue
