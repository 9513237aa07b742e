"""Stretch: values without a black and a white of their own (FITS, float files) to 0..255.

With x = (value - LOW) / (HIGH - LOW), cut to 0..1:

    linear   x
    log      log(1 + 1000 x) / log(1001)
    asinh    asinh(x / 0.1) / asinh(10)

The constants are those of astropy.visualization and SAOImage DS9.
Source of asinh: Lupton, Gunn and Szalay, The Astronomical Journal 118, 1999.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.unreadable import BadImage, Code, Stage

Curve: TypeAlias = Literal["linear", "asinh", "log"]

_LOG_STEEPNESS = 1000.0
_ASINH_SOFTENING = 0.1
_MOST_NAN = 0.05
_ROWS_VALUES = 1 << 20  # values in one block of rows: float64 temporaries stay under 10 MB each


@dataclass(frozen=True, slots=True)
class Stretch:
    """A curve between the values that become black and white."""

    curve: Curve
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.curve}:{self.low!r},{self.high!r}"


def parse_stretch(text: str) -> Stretch:
    """The stretch written as `CURVE:LOW,HIGH`.

    >>> str(parse_stretch("asinh:0,1e4"))
    'asinh:0.0,10000.0'

    Raises:
        Refused: it is not one.
    """
    refused = Refused(f"stretch {text!r} must be linear:LOW,HIGH, asinh:LOW,HIGH or log:LOW,HIGH, LOW below HIGH")
    curve, _, limits = str(text).partition(":")
    try:
        low, high = (float(limit) + 0.0 for limit in limits.split(","))
    except ValueError:
        raise refused from None
    if curve not in get_args(Curve) or not low < high or not math.isfinite(high - low):
        raise refused
    return Stretch(cast("Curve", curve), low, high)


def stretch_values(values: npt.NDArray[Any], stretch: Stretch) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Values to grey levels.

    Args:
        values: (h, w), any real type. Infinities are cut to the limits; NaN becomes LOW.
        stretch: how.

    Returns:
        (h, w) grey levels, and the warning `nan_filled:SHARE` where there was NaN.

    Raises:
        BadImage: pixels/not_finite, where 5 % or more are NaN.
    """
    grey = np.empty(values.shape, np.uint8)
    rows = max(1, _ROWS_VALUES // max(1, values.shape[1]))
    nan = 0
    for top in range(0, values.shape[0], rows):
        block = values[top : top + rows].astype(np.float64)
        missing = np.isnan(block)
        nan += int(missing.sum())
        block[missing] = stretch.low
        grey[top : top + rows] = _to_grey(block, stretch)
    share = nan / max(1, values.size)
    if share >= _MOST_NAN:
        raise BadImage(Stage.PIXELS, Code.NOT_FINITE, f"{share:.1%} of the values are NaN; under 5 % would be filled")
    return grey, (f"nan_filled:{share:.4f}",) if nan else ()


def _to_grey(block: npt.NDArray[np.float64], stretch: Stretch) -> npt.NDArray[np.float64]:
    x = np.clip((block - stretch.low) / (stretch.high - stretch.low), 0, 1)
    if stretch.curve == "log":
        x = np.log1p(_LOG_STEEPNESS * x) / math.log1p(_LOG_STEEPNESS)
    elif stretch.curve == "asinh":
        x = np.arcsinh(x / _ASINH_SOFTENING) / math.asinh(1 / _ASINH_SOFTENING)
    return np.floor(x * 255 + 0.5)


def needs_stretch(what: str, values: npt.NDArray[Any]) -> BadImage:
    """What to say of values that nobody knows the black and white of."""
    finite = values[np.isfinite(values)]
    limits = f"{finite.min():g},{finite.max():g}" if finite.size else "LOW,HIGH"
    return BadImage(
        Stage.PIXELS, Code.NEEDS_STRETCH, f"{what}: name its black and white, for instance --stretch linear:{limits}"
    )
