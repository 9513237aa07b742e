"""Activations: what each channel of a layer says of an image, and which channels say more than they usually do."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from boda.arrays import Pixels
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.layer_output import at_the_door, without_gradients

Maps = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Usual:
    """What channels give for the images of a collection: moments of each channel's mean over places."""

    images: int
    mean: Numbers
    """(c,)"""
    squares: Numbers
    """(c,) sum of squared distances from the mean."""

    @classmethod
    def of_nothing(cls, channels: int) -> "Usual":
        """Of no image yet."""
        return cls(0, np.zeros(channels), np.zeros(channels))

    @property
    def deviation(self) -> Numbers:
        """(c,) standard deviation over images, with n - 1; NaN for fewer than two."""
        if self.images < 2:
            return np.full(len(self.mean), np.nan)
        return np.sqrt(self.squares / (self.images - 1))

    def joined(self, values: npt.NDArray[np.floating]) -> "Usual":
        """With more images, (n, c).

        Source: Chan, Golub and LeVeque, The American Statistician 37(3), 1983, formula 1.5b.
        """
        exact = values.astype(np.float64)
        if not len(exact):
            return self
        images, mean = self.images + len(exact), exact.mean(axis=0)
        away = mean - self.mean
        squares = self.squares + ((exact - mean) ** 2).sum(axis=0) + away**2 * self.images * len(exact) / images
        return Usual(images, self.mean + away * len(exact) / images, squares)


@dataclass(frozen=True, eq=False)
class Strongest:
    """Channels of one image, those farthest above what is usual for them first."""

    channels: npt.NDArray[np.int64]
    """(m,)"""
    excess: Numbers
    """(m,) in standard deviations over the collection; infinite where a channel never varied there."""
    maps: Maps
    """(m, y, x)"""
    by_chance: float
    """What the largest excess of so many channels is in half of all images, were they normal and independent: less
    than this stands out from nothing."""


def activations(opened: OpenNetwork, layer: str, pixels: Pixels, *, at_once: int = 64) -> Maps:
    """(n, c, y, x) what a layer gives for images, where it lies in them; a layer of vectors has one place.

    Args:
        opened: the network; left as it was.
        layer: as in its anatomy.
        pixels: (n, h, w, 3) of the network's own height and width.
        at_once: images at once; bounds memory.

    Raises:
        Refused: no such layer, or it gives neither vectors, nor maps, nor tokens; pixels of another shape, or none.
    """
    if not len(pixels):
        raise Refused("no images to look at")
    part = opened.anatomy.part(layer, None)
    batches = at_the_door(opened, [pixels], at_once)
    return np.concatenate([without_gradients(opened, part, batch).cpu().numpy() for _, batch in batches])


def usual_activations(opened: OpenNetwork, layer: str, batches: Iterable[Pixels], *, at_once: int = 64) -> Usual:
    """What the channels of a layer give for a collection that streams by. Arguments and errors as of `activations`."""
    part = opened.anatomy.part(layer, None)
    found = Usual.of_nothing(part.width)
    for _, batch in at_the_door(opened, batches, at_once):
        found = found.joined(without_gradients(opened, part, batch).mean(dim=(2, 3)).cpu().numpy())
    return found


def strongest(maps: Maps, usual: Usual, top: int) -> Strongest:
    """The channels of one image that stand out most from a collection; equal ones in their order.

    Args:
        maps: (c, y, x).
        usual: of the same layer, of at least two images.
        top: how many; fewer come back where there are not so many.

    Raises:
        Refused: top < 1, another number of channels, or too few images.
    """
    if top < 1 or len(maps) != len(usual.mean):
        raise Refused(f"top={top} must be at least 1, and {len(maps)} channels as many as the usual {len(usual.mean)}")
    if usual.images < 2:
        raise Refused(f"what is usual needs at least 2 images, not {usual.images}")
    away = maps.mean(axis=(1, 2), dtype=np.float64) - usual.mean
    never = np.where(away == 0, 0.0, np.copysign(np.inf, away))
    excess = np.divide(away, usual.deviation, out=never, where=usual.deviation > 0)
    order = np.argsort(-excess, kind="stable")[:top]
    return Strongest(order, excess[order], maps[order], NormalDist().inv_cdf(0.5 ** (1 / len(maps))))
