"""FITS: the first image of the file, by astropy, through a declared stretch.

The first row of a FITS image is its lowest, so pictures are turned upside down, as DS9 and Pillow show them.
A cube is a stack of frames, of which the first one is taken. 8-bit images without scaling are taken as they are.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from boda.pixels.resize import MOST_PIXELS
from boda.pixels.spec import PixelSpec
from boda.pixels.stretch import needs_stretch, parse_stretch, stretch_values
from boda.pixels.verdict import too_many_pixels
from boda.sources.fits import EMPTY_PRIMARY
from boda.unreadable import BadImage, Code, Stage


@dataclass(frozen=True, slots=True)
class FitsPlane:
    """The values of one picture, upright."""

    values: npt.NDArray[Any]
    """(h, w), any real type."""
    frames: int


def read_fits(data: bytes) -> FitsPlane:
    """The first image of a FITS file, or of one of its extensions alone.

    Raises:
        BadImage: identify/needs_plugin, identify/not_an_image, decode/truncated, decode/corrupt,
            decode/too_many_pixels.
    """
    try:
        from astropy.io import fits
    except ImportError:
        reason = "a FITS image; reading it needs astropy: pip install 'boda[fits]'"
        raise BadImage(Stage.IDENTIFY, Code.NEEDS_PLUGIN, reason) from None
    whole = data if data.startswith(b"SIMPLE") else EMPTY_PRIMARY + data
    try:
        with fits.open(BytesIO(whole), memmap=False, lazy_load_hdus=True) as units:
            return _first_image(units, whole)
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, AttributeError) as error:
        raise BadImage(Stage.DECODE, Code.CORRUPT, f"FITS: {error}") from error


def fits_to_grey(plane: FitsPlane, spec: PixelSpec) -> tuple[Image.Image, tuple[str, ...]]:
    """Grey levels as an RGB image, and warnings.

    Raises:
        BadImage: pixels/needs_stretch, pixels/not_finite.
    """
    if plane.values.dtype == np.uint8:
        return Image.fromarray(plane.values).convert("RGB"), ()
    if spec.stretch is None:
        raise needs_stretch(f"FITS values of type {plane.values.dtype.name}", plane.values)
    grey, warnings = stretch_values(plane.values, parse_stretch(spec.stretch))
    return Image.fromarray(grey).convert("RGB"), warnings


def _first_image(units: Any, data: bytes) -> FitsPlane:
    for unit in units:
        shape = tuple(getattr(unit, "shape", ()))
        if not unit.is_image or len(shape) < 2 or 0 in shape:
            continue
        if shape[-1] * shape[-2] > MOST_PIXELS:
            raise too_many_pixels(shape[-1], shape[-2], MOST_PIXELS)
        _check_length(unit, data)
        values = unit.data
        if values is None:
            break
        plane = values.reshape(-1, *shape[-2:])[0]
        upright = np.ascontiguousarray(plane[::-1])
        return FitsPlane(upright.astype(upright.dtype.newbyteorder("="), copy=False), int(np.prod(shape[:-2])))
    raise BadImage(Stage.IDENTIFY, Code.NOT_AN_IMAGE, "a FITS file without an image")


def _check_length(unit: Any, data: bytes) -> None:
    place = unit.fileinfo() or {}
    needed = int(place.get("datLoc", 0)) + int(unit.size)
    if needed > len(data):
        reason = f"truncated FITS: {len(data)} of at least {needed} bytes present"
        raise BadImage(Stage.DECODE, Code.TRUNCATED, reason)
