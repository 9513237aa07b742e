"""`handmade:hog-colour`: gradients and colours, from rules and not from data. Needs no torch and no weights.

Shape: histograms of oriented gradients (Dalal and Triggs, CVPR 2005) of the grey image. Colour: how often each of
4 x 4 x 4 colours occurs in each quarter of the image. A baseline that every learned encoder should beat.
"""

import numpy as np

from boda.arrays import Features, Pixels
from boda.encoders.names import parse_name, refuse_arguments
from boda.encoders.pixel_shape import check_pixels
from boda.encoders.request import EncoderRequest
from boda.errors import Refused, UnknownEncoder
from boda.pixels.spec import PixelSpec
from boda.recipe import Precision, Recipe

NAME = "handmade:hog-colour"
VERSION = 1
"""Raised whenever the same pixels would give other features."""
_SIDE, _CELL, _BLOCK, _DIRECTIONS = 128, 16, 2, 9
_LEVELS = 4


def load(request: EncoderRequest) -> "HogColour":
    """The encoder `handmade:hog-colour`.

    Raises:
        UnknownEncoder: nothing else is made by hand.
        Refused: a weights file or arguments were given, and it has none; or pixels that it does not look at.
    """
    if parse_name(request.name).bare != NAME:
        raise UnknownEncoder(request.name, (NAME,))
    refuse_arguments(request.name, NAME)
    if request.weights is not None:
        raise Refused(f"{NAME} has no weights: leave out --weights")
    own = PixelSpec(resize=_SIDE, crop=(_SIDE, _SIDE))
    pixels = request.of(own)
    if pixels.shape != own.shape:
        raise Refused(f"{NAME} counts over {_SIDE} x {_SIDE} pixels: leave out --pixels size and crop")
    if (pixels.mean, pixels.std) != (own.mean, own.std):
        raise Refused(f"{NAME} looks at pixels as they are: leave out --pixels mean and std")
    return HogColour(
        Recipe(NAME, "", "pooled", "none", pixels, arguments={"version": VERSION}, name=NAME, licence="apache-2.0")
    )


class HogColour:
    """Histograms of oriented gradients beside histograms of colours; deterministic, on the CPU."""

    device = "cpu"

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        blocks = _SIDE // _CELL - _BLOCK + 1
        self.width = (blocks * _BLOCK) ** 2 * _DIRECTIONS + 4 * _LEVELS**3

    @property
    def recipe(self) -> Recipe:
        """What its numbers mean."""
        return self._recipe

    def __call__(self, pixels: Pixels) -> Features:
        """(n, 128, 128, 3) uint8 to (n, 2020) float32; the gradients' part and the colours' part have length 1 each.

        Raises:
            Refused: the pixels are not of this shape.
        """
        check_pixels(pixels, self._recipe)
        rows = [np.concatenate([_gradients(image), _colours(image)]) for image in pixels]
        return np.stack(rows).astype(np.float32) if rows else np.zeros((0, self.width), np.float32)

    def at(self, precision: Precision) -> "HogColour":
        """Itself: there is only fp32.

        Raises:
            Refused: for bf16.
        """
        if precision != "fp32":
            raise Refused(f"{NAME} computes in fp32 only: leave out --precision {precision}")
        return self


def _gradients(image: Pixels) -> np.ndarray:
    """(1764,): directions of gradients by cell, normalised by blocks of cells."""
    from skimage.feature import hog

    grey = image @ np.array([0.299, 0.587, 0.114])
    found = hog(grey, _DIRECTIONS, (_CELL, _CELL), (_BLOCK, _BLOCK), block_norm="L2-Hys", transform_sqrt=True)
    return _unit(found)


def _colours(image: Pixels) -> np.ndarray:
    """(256,): the square root of each colour's share, by quarters: Euclidean distances become Hellinger's."""
    level = image.astype(np.int64) * _LEVELS // 256
    colour = (level[..., 0] * _LEVELS + level[..., 1]) * _LEVELS + level[..., 2]
    half = _SIDE // 2
    quarters = colour.reshape(2, half, 2, half).swapaxes(1, 2).reshape(4, -1)
    counts = np.stack([np.bincount(quarter, minlength=_LEVELS**3) for quarter in quarters])
    return _unit(np.sqrt(counts / quarters.shape[1]).ravel())


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else vector
