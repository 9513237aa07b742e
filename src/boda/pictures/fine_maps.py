"""Fine maps made readable: a value for every pixel is a powder of dots, most of them faint, and none for the eye.

Gradients, integrated gradients and DeepLIFT jump from pixel to pixel, also from one sign to the other. Made smaller
they cancel, and on a scale that the largest few set the rest is grey. So sizes of neighbours are averaged, under the
sign of their sum, until few enough places are left to be seen one by one; what was done stands on the scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.pictures.heat import OPACITY, QUANTILE, Scale, limits_of
from boda.pictures.wording import share

FINE = 64
"""Places down or across beyond which a map is too fine for the eye; maps of small images and last layers are not."""
PLACES = 32
"""Places down and across that are left of such a map, at most: of 224 pixels 7 each."""

_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Readable:
    """n maps as they are drawn."""

    maps: _Floats
    """(n, y, x)"""
    signed: bool
    about: str
    """What a value is, where it is not the map's own; else ""."""

    def scale(self, unit: str, image: int | None = None, *, opacity: float = OPACITY) -> Scale:
        """The scale of one image, or of all; it says so where values lie beyond its ends.

        Args:
            unit: of the values.
            image: which; None: one scale for all of them.
            opacity: of the highest value.
        """
        maps = self.maps if image is None else self.maps[image : image + 1]
        limits = limits_of(maps, self.signed)
        beyond = np.abs(maps) > max(limits) if self.signed else (maps > limits[1]) | (maps < limits[0])
        ends = f"colours end at the {share(QUANTILE)} quantile" if beyond.any() else ""
        about = "; ".join(one for one in (self.about, ends) if one)
        return Scale(limits, unit, self.signed, opacity, about=about)


def readable(maps: npt.NDArray[np.floating], *, signed: bool) -> Readable:
    """Maps of at most `PLACES` places down and across, made of those that have more than `FINE`; others as they are.

    Args:
        maps: (n, y, x), finite.
        signed: whether signs count; else plain averages.
    """
    own: Sequence[int] = maps.shape[1:]
    if max(own) <= FINE:
        return Readable(np.asarray(maps, np.float32), signed, "")
    fold = math.ceil(max(own) / PLACES)
    down, across = (_shares(side, math.ceil(side / fold)) for side in own)
    sums = down @ maps.astype(np.float64) @ across.T
    if not signed:
        return Readable(sums.astype(np.float32), signed, f"averages over {fold} x {fold} places")
    sizes = down @ np.abs(maps.astype(np.float64)) @ across.T
    about = f"mean sizes over {fold} x {fold} places, signed as their sum"
    return Readable((np.sign(sums) * sizes).astype(np.float32), signed, about)


def _shares(length: int, count: int) -> npt.NDArray[np.float64]:
    """(count, length): what each of `count` equal parts of a side has of its places; rows sum to 1."""
    edges = np.arange(count + 1) * length / count
    first, last = edges[:-1, None], edges[1:, None]
    places = np.arange(length)
    overlap = np.minimum(last, places + 1) - np.maximum(first, places)
    shares: npt.NDArray[np.float64] = np.clip(overlap, 0, None) * count / length
    return shares
