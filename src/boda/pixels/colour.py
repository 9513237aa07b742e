"""Any Pillow mode to RGB in sRGB: profiles, CMYK, 16 bits, palettes, transparency over white.

A profile that moves no colour of a 17 x 17 x 17 grid by more than one level is sRGB under whatever name, and is not
applied: most photographs carry one, and applying it costs as much as decoding. Every other profile is applied to the
pixels before they are resized, with the perceptual intent, as ImageCms does by default.
"""

from functools import lru_cache
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from boda.pixels.spec import PixelSpec
from boda.pixels.stretch import needs_stretch, parse_stretch, stretch_values

ICC_IGNORED: Final = "icc_ignored"

_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_SAME: Final = "same"


def to_srgb(image: Image.Image, spec: PixelSpec, *, file_maximum: int = 65_535) -> tuple[Image.Image, tuple[str, ...]]:
    """An RGB image in sRGB, and the warnings on the way.

    Args:
        image: loaded, any mode.
        spec: `range` and `stretch` count.
        file_maximum: the value in the file that Pillow has made 65535 (Pillow scales PGM by its own maximum).

    Raises:
        BadImage: pixels/needs_stretch, pixels/not_finite.
    """
    profile = image.info.get("icc_profile")
    warnings: tuple[str, ...] = ()
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        image, warnings = _from_numbers(image, spec)
    elif image.mode == "I" or image.mode.startswith("I;16"):
        image = _from_sixteen_bits(image, spec, file_maximum)
    if image.mode == "RGB" and not profile and "transparency" not in image.info:
        return image, warnings
    image, alpha = _without_alpha(image)
    image, ignored = _through_profile(image, profile)
    return (_over_white(image, alpha) if alpha else image), warnings + ignored


def from_upper_bytes(image: Image.Image, spec: PixelSpec) -> Image.Image:
    """A colour image of 16 bits, of which Pillow reads the upper 8 only: its transparent colour and `range` to match.

    A range for 12 bits leaves 16 levels of colour so; grey files keep all their levels.
    """
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    if spec.range is None:
        return image
    if "transparency" in image.info:
        image = image.convert("RGBA")
    levels = _levels(spec.range, 65_535)[np.arange(256) * 257].tolist()
    return image.point(levels * 3 + (list(range(256)) if image.mode == "RGBA" else []))


def _levels(limits: tuple[float, float], file_maximum: int) -> npt.NDArray[np.uint8]:
    """The grey level of each 16-bit value; value / 257 for the full range."""
    low, high = limits
    values = np.arange(65_536) * (file_maximum / 65_535)
    levels: npt.NDArray[np.uint8] = np.floor(np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels


def _from_sixteen_bits(image: Image.Image, spec: PixelSpec, file_maximum: int) -> Image.Image:
    values = np.asarray(image).astype(np.uint16, copy=False)
    limits = spec.range or (0, file_maximum)
    grey = Image.fromarray(np.take(_levels(limits, file_maximum), values))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _from_numbers(image: Image.Image, spec: PixelSpec) -> tuple[Image.Image, tuple[str, ...]]:
    values: npt.NDArray[Any] = np.asarray(image)
    if spec.stretch is None:
        kind = "float" if image.mode == "F" else "integer"
        raise needs_stretch(f"32-bit {kind} values", values)
    grey, warnings = stretch_values(values, parse_stretch(spec.stretch))
    return Image.fromarray(grey), warnings


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The image as L, RGB or CMYK, and its transparency, if any, as L."""
    if image.mode == "LAB":
        image.info.pop("icc_profile", None)
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A")
    if "transparency" in image.info or image.mode in ("RGBA", "RGBa", "La", "PA"):
        whole = image if image.mode == "RGBA" else image.convert("RGBA")
        return whole.convert("RGB"), whole.getchannel("A")
    if image.mode in ("L", "RGB", "CMYK"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _over_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _through_profile(image: Image.Image, profile: object) -> tuple[Image.Image, tuple[str, ...]]:
    """An L, RGB or CMYK image as RGB, by its profile where that fits it."""
    if not profile:
        return image.convert("RGB"), ()
    if not isinstance(profile, bytes):
        return image.convert("RGB"), (ICC_IGNORED,)
    transform = _transform(profile, image.mode)
    if transform is None and image.mode == "L":
        image = image.convert("RGB")
        transform = _transform(profile, "RGB")
    if transform is None:
        return image.convert("RGB"), (ICC_IGNORED,)
    if isinstance(transform, str):
        return image.convert("RGB"), ()
    return _applied(transform, image), ()


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    result = Image.new("RGB", image.size)
    return transform.apply(image, result)


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | str | None:
    """The way from a profile to sRGB; `_SAME` where there is none to go; None where the profile does not fit."""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        if opened.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        transform = ImageCms.ImageCmsTransform(opened, _SRGB, mode, "RGB")
        return _SAME if mode == "RGB" and _moves_nothing(transform) else transform
    except (OSError, ValueError, TypeError):
        return None


def _moves_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(17, -1, 3)
    moved = np.asarray(_applied(transform, Image.fromarray(grid)))
    return int(np.abs(moved.astype(int) - grid).max()) <= 1
