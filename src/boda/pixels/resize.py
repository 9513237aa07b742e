"""Resize and crop, exactly as torchvision's pipeline for Pillow images does.

`fit` equals, byte for byte, `Compose([Resize(resize, interpolation), CenterCrop(crop), PILToTensor()])` on the same
RGB image: the same rounding of sizes and offsets, the same black padding. Only shapes more than `EXTREME` times longer
than wide go another way: they are cropped before they are resized, as 1 x 10000 pixels with a short side of 256 would
ask for 2 GB. The result is the same within one level, save where a filter overshoots black or white: Pillow cuts that
off between its two passes, whose order it chooses by the size asked for.

Without antialias each output pixel is sampled at its centre (Pillow's affine transform): bilinear from 2 x 2, bicubic
from 4 x 4 pixels (Catmull-Rom's shape with a = -1), whatever the ratio.
"""

from typing import TypeAlias

import numpy as np
from PIL import Image

from boda.arrays import Pixels
from boda.pixels.spec import PixelSpec
from boda.unreadable import BadImage, Code, Stage

Size: TypeAlias = tuple[int, int]
"""(width, height), as Pillow has it."""
Box: TypeAlias = tuple[float, float, float, float]
"""Left, upper, right, lower, in pixels from the upper left corner."""

EXTREME = 64
MOST_PIXELS = 178_956_970
"""Pillow's own error limit: twice its `MAX_IMAGE_PIXELS`."""

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resized_size(size: Size, spec: PixelSpec) -> Size:
    """(width, height) after resizing and before cropping.

    >>> resized_size((500, 375), PixelSpec(resize=256, crop=(224, 224)))
    (341, 256)
    """
    width, height = size
    if spec.resize is None:
        return size
    if isinstance(spec.resize, tuple):
        return spec.resize[1], spec.resize[0]
    short, long = min(size), max(size)
    new_long = int(spec.resize * long / short)
    return (spec.resize, new_long) if width <= height else (new_long, spec.resize)


def is_extreme(size: Size, spec: PixelSpec) -> bool:
    """Whether an image of this (width, height) is cropped before it is resized."""
    return isinstance(spec.resize, int) and spec.crop is not None and max(size) > EXTREME * min(size)


def fit(image: Image.Image, spec: PixelSpec, *, size: Size | None = None, box: Box | None = None) -> Pixels:
    """Resize and crop an upright RGB image to the pixels of a spec.

    Args:
        image: mode RGB.
        spec: resize, crop, filter and antialias count.
        size: (width, height) of the picture in the file, where `image` is a smaller decoding of it.
        box: the part of `image` that is the picture; None: all of it.

    Returns:
        (h, w, 3) uint8, writable, of `spec.shape` where the spec fixes it.

    Raises:
        BadImage: decode/too_many_pixels, where a spec without crop asks for a result larger than that.
    """
    size = size or image.size
    box = box or (0, 0, *image.size)
    new = resized_size(size, spec)
    if is_extreme(size, spec):
        return np.array(_crop_and_resize(image, box, new, spec))
    if new[0] * new[1] > MOST_PIXELS:
        raise BadImage(Stage.DECODE, Code.TOO_MANY_PIXELS, f"{new[0]} x {new[1]} pixels after resizing")
    resized = _resize(image, new, spec, box)
    return np.array(resized if spec.crop is None else _centre_crop(resized, spec.crop))


def _resize(image: Image.Image, new: Size, spec: PixelSpec, box: Box) -> Image.Image:
    if spec.antialias or spec.filter == "nearest":
        width, height = image.size
        if new == image.size and box == (0.0, 0.0, float(width), float(height)):
            return image
        return image.resize(new, _FILTERS[spec.filter], box)
    left, upper, right, lower = box
    affine = ((right - left) / new[0], 0, left, 0, (lower - upper) / new[1], upper)
    return image.transform(new, Image.Transform.AFFINE, affine, _FILTERS[spec.filter])


def kept_along(length: int, wanted: int) -> tuple[int, int, int]:
    """Along one axis of a resized image: where the crop begins, how much it shows, and how much black comes before."""
    if length >= wanted:
        return round((length - wanted) / 2), wanted, 0
    return 0, length, (wanted - length) // 2


def _centre_crop(image: Image.Image, crop: tuple[int, int]) -> Image.Image:
    x, shown_width, black_left = kept_along(image.width, crop[1])
    y, shown_height, black_above = kept_along(image.height, crop[0])
    part = image.crop((x, y, x + shown_width, y + shown_height))
    return _on_black(part, crop, (black_left, black_above))


def _on_black(part: Image.Image, crop: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    height, width = crop
    if part.size == (width, height):
        return part
    black = Image.new("RGB", (width, height))
    black.paste(part, at)
    return black


def _crop_and_resize(image: Image.Image, box: Box, new: Size, spec: PixelSpec) -> Image.Image:
    """The centre crop of the resized image, without ever making the resized image."""
    assert spec.crop is not None
    x, shown_width, black_left = kept_along(new[0], spec.crop[1])
    y, shown_height, black_above = kept_along(new[1], spec.crop[0])
    left, upper, right, lower = box
    across, down = (right - left) / new[0], (lower - upper) / new[1]
    shown = (
        left + x * across,
        upper + y * down,
        min(right, left + (x + shown_width) * across),
        min(lower, upper + (y + shown_height) * down),
    )
    part = _resize(image, (shown_width, shown_height), spec, shown)
    return _on_black(part, spec.crop, (black_left, black_above))
