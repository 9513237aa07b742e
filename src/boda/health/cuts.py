"""Whether one picture is cut out of another: it is found inside it, pixel by pixel, at some size and place.

Features propose such pairs (`standing_out`), but two pictures of tigers stand out among others as well. So the smaller
part is laid over the whole at every place and at sizes 4 % apart, and the best correlation of the grey values decides.
"""

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

SIDE = 64
"""Long side of the pictures that are compared, in pixels."""
SAME = 0.85
"""Correlation of a picture with the place that it is cut out of."""

_SMALLEST, _STEP = 0.4, 0.96  # share of the long side that a cut may have; of one size to the next
_FEWEST = 8  # pixels a side of a part that can be told from any other

Grey = npt.NDArray[np.uint8]


def is_cut_out(one: Grey, two: Grey) -> bool:
    """Whether one of two pictures is found inside the other."""
    return any(found >= SAME for found in correlations(one, two))


def correlations(one: Grey, two: Grey) -> Iterator[float]:
    """The best correlation of each picture with a part of the other, at one size after the other; the largest first.

    Args:
        one: (h, w) grey, 0..255, its long side `SIDE`.
        two: (h, w), alike.
    """
    for sizes in zip_longest(_fits(one, two), _fits(two, one)):
        yield from (found for found in sizes if found is not None)


def _fits(part: Grey, whole: Grey) -> Iterator[float]:
    """The best correlation at each size."""
    from PIL import Image
    from skimage.feature import match_template

    picture = Image.fromarray(part)
    size = 1.0
    while size >= _SMALLEST:
        width, height = round(picture.width * size), round(picture.height * size)
        if _FEWEST <= width <= whole.shape[1] and _FEWEST <= height <= whole.shape[0]:
            small = np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32)
            if small.std() > 1:
                yield float(match_template(whole.astype(np.float32), small).max())  # type: ignore[no-untyped-call]
        size *= _STEP
