"""Galaxies cut out of one picture of the sky, by source detection.

The sky is what is left when everything bright is clipped away; a source is a patch that stands out of it by several
times its noise. After the thresholding of Bertin and Arnouts, Astronomy and Astrophysics Supplement 117, 1996
(SExtractor), without its deblending: two galaxies that touch are one source, and a star is a source too.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.arrays import Pixels

SIGMAS = 5.0
SMALLEST_AREA = 60
SMALLEST_SIDE = 40
ROOM = 1.6
_SMOOTHING = 1.5


@dataclass(frozen=True, slots=True)
class Square:
    """Where a source is: a square around it, in pixels of the picture."""

    left: int
    top: int
    side: int


def sky(values: npt.NDArray[np.floating], *, clip: float = 3.0) -> tuple[float, float]:
    """The level of the empty sky and its noise: median and standard deviation, clipped until nothing changes.

    Args:
        values: any shape, finite, at least one.
        clip: what is further from the median than this many standard deviations is no sky.
    """
    rest = values.ravel()
    while True:
        level, noise = float(np.median(rest)), float(rest.std())
        kept = rest[np.abs(rest - level) <= clip * noise]
        if len(kept) == len(rest):
            return level, noise
        rest = kept


def find_sources(picture: Pixels, *, sigmas: float = SIGMAS, smallest_area: int = SMALLEST_AREA) -> list[Square]:
    """Squares around what stands out of the sky, from the top down; none that would reach over the border.

    Args:
        picture: (h, w, 3) uint8.
        sigmas: how far above the sky, in units of its noise, a pixel of the smoothed picture must be.
        smallest_area: of a source, in pixels; smaller ones show no shape.

    Returns:
        Squares of at least 40 pixels and 1.6 times the source's longer side.
    """
    from scipy import ndimage

    grey = picture.mean(axis=2)
    level, noise = sky(grey)
    patches, _ = ndimage.label(ndimage.gaussian_filter(grey, _SMOOTHING) > level + sigmas * noise)
    areas = np.bincount(patches.ravel())[1:]
    found = ndimage.find_objects(patches)
    squares = [_around(place) for place, area in zip(found, areas, strict=True) if area >= smallest_area]
    height, width = grey.shape
    return [
        square
        for square in squares
        if min(square.left, square.top) >= 0
        and square.left + square.side <= width
        and square.top + square.side <= height
    ]


def _around(place: tuple[slice, slice]) -> Square:
    rows, columns = place
    side = max(SMALLEST_SIDE, round(ROOM * max(rows.stop - rows.start, columns.stop - columns.start)))
    return Square((columns.start + columns.stop - side) // 2, (rows.start + rows.stop - side) // 2, side)


def cut(picture: Pixels, square: Square) -> Pixels:
    """The (side, side, 3) pixels inside a square."""
    return picture[square.top : square.top + square.side, square.left : square.left + square.side]
