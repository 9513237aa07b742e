"""How well one picture, or its mirror image, is found inside another, pixel by pixel, at some size and place.

What features call alike may be a picture and its cut, or two tigers, or two zeros that somebody wrote. So the smaller
part is laid over the whole at every place and at sizes 4 % apart, and the best correlation of the grey values says how
much the two have in common (normalised cross-correlation by Fourier transform: Lewis, "Fast normalized
cross-correlation", Vision Interface 1995). Both are made a little soft first, since a cut hardly ever falls on whole
pixels of the other.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from boda.health.perceptual_hash import FLAT

SIDE = 64
"""Long side of the pictures that are compared, in pixels."""
SAME = 0.92
"""Correlation of a picture with the place that it is cut out of."""
HASHED = 0.94
"""Correlation of two pictures with near hashes that are one. Of 10,000 small ones (CIFAR-10) five such pairs were
different pictures, at most 0.928; of 29 that were one all but one had 0.946 and more."""
BACKED = 0.85
"""The same where features are alike, too: pictures turned by three degrees had 0.90 and more, a stereo pair 0.89."""
ENOUGH = 0.99
"""Correlation of one whole with the other above which no smaller size is tried: it takes a tenth of the time."""

_SMALLEST, _STEP = 0.4, 0.96  # share of the long side that a cut may have; of one size to the next
_FEWEST = 8  # pixels a side of a part that can be told from any other
_SOFT = 1.0  # pixels
_NOWHERE = -1.0  # where the part lies on nothing that has detail

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


def best_correlation(one: Grey, two: Grey) -> float:
    """The highest correlation of either picture, as it is or mirrored, with a part of the other.

    Args:
        one: (h, w) grey, 0..255, its long side `SIDE`, or less where there are no more pixels.
        two: (h, w), alike.

    Returns:
        -1..1; NaN where neither has detail, or both are too small or too narrow to be told from any other.
    """
    found = [_NOWHERE]
    ways = [(_Whole(whole), _sizes(part)) for part, whole in ((one, two), (two, one))]
    for there, sizes in ways:
        found += there.fits_either_way(list(islice(sizes, 1)))
    if max(found) < ENOUGH:
        for there, sizes in ways:
            found += there.fits_either_way(list(sizes))
    return max(found) if max(found) > _NOWHERE else float("nan")


def correlations(part: Grey, whole: Grey) -> list[float]:
    """The best correlation of one picture, as it is, with a part of the other at each size, the largest size first.

    Args:
        part: (h, w)
        whole: (h, w)
    """
    return _Whole(whole).fits(list(_sizes(part)))


class _Whole:
    """A picture that others are laid over."""

    def __init__(self, picture: Grey) -> None:
        values = _softened(Image.fromarray(np.ascontiguousarray(picture)))
        self._values = values - values.mean()
        self._spectrum = np.fft.rfft2(self._values.astype(np.float32))
        self._sums, self._squares = _running(self._values), _running(np.square(self._values))
        self._spreads: dict[tuple[int, ...], Floats] = {}

    def fits_either_way(self, parts: Sequence[Floats]) -> list[float]:
        """The best correlation of each part that fits in, as it is and mirrored."""
        return [*self.fits(parts), *self.fits([part[:, ::-1] for part in parts])]

    def fits(self, parts: Sequence[Floats]) -> list[float]:
        """The best correlation of each part that fits in.

        Args:
            parts: (h, w) less their means.
        """
        height, width = self._values.shape
        parts = [part for part in parts if part.shape[0] <= height and part.shape[1] <= width]
        placed = np.zeros((len(parts), height, width), np.float32)
        for number, part in enumerate(parts):
            placed[number, : part.shape[0], : part.shape[1]] = part
        products = np.fft.irfft2(np.conj(np.fft.rfft2(placed)) * self._spectrum, s=(height, width))
        return [self._best(part, product) for part, product in zip(parts, products, strict=True)]

    def _best(self, part: Floats, product: npt.NDArray[np.floating[Any]]) -> float:
        """Of all places where the part lies inside, those without detail apart."""
        spread = self._spread(part.shape)
        lengths = np.sqrt(np.maximum(spread, 0) * float(np.square(part).sum()))
        here = product[: spread.shape[0], : spread.shape[1]]
        told = spread > part.size * FLAT**2
        return float(np.divide(here, lengths, out=np.full(spread.shape, _NOWHERE), where=told).max().clip(-1, 1))

    def _spread(self, shape: tuple[int, ...]) -> Floats:
        """The sum of squares about the mean of every box of this shape."""
        if shape not in self._spreads:
            sums = _boxes(self._sums, shape)
            self._spreads[shape] = _boxes(self._squares, shape) - np.square(sums) / (shape[0] * shape[1])
        return self._spreads[shape]


def _sizes(picture: Grey) -> Iterator[Floats]:
    """The picture less its mean at each size at which it has detail."""
    whole, size = Image.fromarray(np.ascontiguousarray(picture)), 1.0
    while size >= _SMALLEST:
        width, height = round(whole.width * size), round(whole.height * size)
        if min(width, height) >= _FEWEST:
            small = _softened(whole.resize((width, height), Image.Resampling.BOX))
            if small.std() > FLAT:
                yield small - small.mean()
        size *= _STEP


def _softened(picture: Image.Image) -> Floats:
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(_SOFT)), np.float64)


def _running(values: Floats) -> Floats:
    """(h + 1, w + 1) sums of all values above and to the left."""
    return np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)


def _boxes(running: Floats, shape: tuple[int, ...]) -> Floats:
    """Sums over every box of this shape."""
    h, w = shape
    boxes: Floats = running[h:, w:] - running[:-h, w:] - running[h:, :-w] + running[:-h, :-w]
    return boxes
