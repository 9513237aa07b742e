"""Where in an upright image the pixels lie that a network sees, and how a map of those pixels is laid back over it."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.pixels.resize import Size, kept_along, resized_size
from boda.pixels.spec import PixelSpec

_Floats = npt.NDArray[np.float32]
_WHOLE = 1 - 1e-4


@dataclass(frozen=True, slots=True)
class Window:
    """The part of an upright image that its prepared pixels show, in pixels from the image's upper left corner.

    Pixel i of the image reaches from i to i + 1. Where pixels are padded with black, the window is larger than the
    image.
    """

    left: float
    top: float
    right: float
    bottom: float

    def scaled(self, across: float, down: float) -> "Window":
        """The same window of the image once it is this many times as wide and as high."""
        return Window(self.left * across, self.top * down, self.right * across, self.bottom * down)


def window(spec: PixelSpec, size: Size) -> Window:
    """The part of an image that `prepare` makes pixels of.

    Args:
        spec: how the pixels were made.
        size: (width, height) of the image, upright: after its EXIF orientation, as `Facts` have it.

    >>> window(PixelSpec(resize=256, crop=(224, 224)), (600, 400))
    Window(left=125.0, top=25.0, right=475.0, bottom=375.0)
    """
    new_width, new_height = resized_size(size, spec)
    rows, columns = spec.crop or (new_height, new_width)
    left, right = _along(size[0], new_width, columns)
    top, bottom = _along(size[1], new_height, rows)
    return Window(left, top, right, bottom)


def _along(length: int, resized: int, wanted: int) -> tuple[float, float]:
    """Where the crop begins and ends along one axis of the image, `length` pixels long."""
    first, _, black = kept_along(resized, wanted)
    unit = length / resized
    return (first - black) * unit, (first - black + wanted) * unit


def placed(heat: npt.NDArray[np.floating], window: Window, size: Size) -> _Floats:
    """A map of the pixels that a network saw, laid over the image that they were made of.

    Values lie at the middle of their places, and between them is read in a straight line; where a pixel of the image
    is larger than a place, it gets the mean of the places under it, weighted by a triangle, and loses none.

    Args:
        heat: (y, x), at any resolution: its places share the window evenly.
        window: of the image.
        size: (width, height) of the image.

    Returns:
        (height, width); NaN where the network did not look, and where a place has no finite value.

    Raises:
        Refused: the map or the image has no pixels.
    """
    width, height = size
    if heat.ndim != 2 or 0 in heat.shape or width < 1 or height < 1:
        raise Refused(f"a map of shape {heat.shape} cannot be laid over {width} x {height} pixels: it takes (y, x)")
    rows, down = _reading(heat.shape[0], window.top, window.bottom, height)
    columns, across = _reading(heat.shape[1], window.left, window.right, width)
    known = np.isfinite(heat)
    values = down @ np.where(known, heat, 0).astype(np.float32) @ across.T
    if not known.all():
        values[down @ known.astype(np.float32) @ across.T < _WHOLE] = np.nan
    found = np.full((height, width), np.nan, np.float32)
    found[rows, columns] = values
    return found


def _reading(count: int, start: float, end: float, length: int) -> tuple[slice, _Floats]:
    """Along one axis: the pixels whose middle lies in the window, and how each reads the `count` places.

    Returns:
        k of `length` pixels, and (k, count) weights whose rows sum to 1.
    """
    first, last = (min(length, max(0, math.ceil(edge - 0.5))) for edge in (start, end))
    places_per_pixel = count / (end - start)
    middles = (np.arange(first, last) + 0.5 - start) * places_per_pixel
    apart = np.abs(middles[:, None] - (np.arange(count) + 0.5))
    weights = np.maximum(0, 1 - apart / max(1.0, places_per_pixel))
    return slice(first, last), (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
