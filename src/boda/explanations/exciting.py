"""The images of a collection that excite a score most, and where in them. Batches stream by; only the best are kept.

Zeiler and Fergus, ECCV 2014, arXiv:1311.2901, section 4.1.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.arrays import Pixels
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.activations import Usual
from boda.explanations.channels import ChannelScore
from boda.explanations.layer_output import at_the_door, without_gradients
from boda.explanations.passes import blocks, scored, slopes
from boda.explanations.score import Score

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Exciting:
    """The k images that excite a score most, the most exciting first; equal ones in the order of the collection."""

    score: Score
    rows: Integers
    """(k,) where they stand in the collection."""
    values: npt.NDArray[np.float64]
    """(k,)"""
    pixels: Pixels
    """(k, h, w, 3) as the network saw them."""
    usual: Usual
    """Of the score over all images, as one channel: what the values are to be held against."""
    places: Integers | None
    """(k, 2) row and column on the layer's grid where the channel is largest; None for scores without places."""
    boxes: Integers | None
    """(k, 4) top, left, bottom, right in input pixels, the last two exclusive: what moves the channel there."""


def most_exciting(
    opened: OpenNetwork,
    score: Score,
    batches: Iterable[Pixels],
    k: int,
    *,
    share: float = 0.9,
    at_once: int = 64,
) -> Exciting:
    """Look through a collection once.

    Args:
        opened: the network.
        score: of each image by itself; of a channel's mean, its largest place, a unit, a class, a head.
        batches: of (n, h, w, 3) of the network's own height and width.
        k: how many; fewer come back where there are not so many.
        share: of the gradient's size at the pixels that a box holds; 1: all pixels that move the place.
        at_once: images at once; bounds memory.

    Raises:
        Refused: an argument makes no sense, there are no images, of another shape, or a value is NaN or infinite.
    """
    if k < 1 or not 0 < share <= 1:
        raise Refused(f"k={k} must be at least 1, and share={share} above 0 and at most 1")
    rows, values, kept = np.zeros(0, np.int64), np.zeros(0), np.zeros((0, *opened.shape, 3), np.uint8)
    usual = Usual.of_nothing(1)
    for pixels, batch in at_the_door(opened, batches, at_once):
        found = scored(opened, score, batch).double().cpu().numpy()
        there = usual.images + np.arange(len(found))
        if not np.isfinite(found).all():
            raise Refused(f"score {score.name!r} is NaN or infinite at image {there[~np.isfinite(found)][0]}")
        usual = usual.joined(found[:, None])
        rows, values = np.append(rows, there), np.append(values, found)
        order = np.lexsort((rows, -values))[:k]
        rows, values, kept = rows[order], values[order], np.concatenate([kept, pixels])[order]
    if not usual.images:
        raise Refused(f"no images to look for what excites {score.name!r} in")
    if not isinstance(score, ChannelScore):
        return Exciting(score, rows, values, kept, usual, None, None)
    places, boxes = _where(opened, score, kept, share, at_once)
    return Exciting(score, rows, values, kept, usual, places, boxes)


def _where(
    opened: OpenNetwork, score: ChannelScore, pixels: Pixels, share: float, at_once: int
) -> tuple[Integers, Integers]:
    """Places (k, 2) and boxes (k, 4)."""
    places, boxes = [], []
    for block in blocks(len(pixels), at_once):
        batch = opened.door(pixels[block])
        maps = without_gradients(opened, score.part, batch)[:, score.channel]
        flat = maps.flatten(1).argmax(dim=1)
        there = torch.stack([flat // maps.shape[2], flat % maps.shape[2]], dim=1)
        if score.place is not None:
            there = torch.tensor(score.place, device=there.device).expand_as(there)
        _, found = slopes(opened, _at_places(score, there), batch)
        places.append(there.cpu().numpy())
        boxes += [box_of(one, share) for one in found.abs().sum(dim=1).double().cpu().numpy()]
    return np.concatenate(places), np.array(boxes, np.int64).reshape(-1, 4)


def _at_places(score: ChannelScore, places: Tensor) -> ChannelScore:
    """The channel of each image at its own place."""
    y, x = places.T

    def of(maps: Tensor) -> Tensor:
        return maps[torch.arange(len(maps), device=maps.device), score.channel, y, x]

    return replace(score, of=of)


def box_of(sizes: npt.NDArray[np.float64], share: float) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the box that holds at least a share of the sizes: the effective receptive field.

    As much is cut off at each of its four sides, at most. A theoretical receptive field is often far larger than what
    matters, or, with any pooling over the image, all of it (Luo et al., NeurIPS 2016, arXiv:1701.04128).

    Args:
        sizes: (h, w), at least 0; where all are 0, the box is the whole image.
        share: above 0, at most 1.
    """
    total = sizes.sum()
    if not total > 0:
        return (0, 0, *sizes.shape)
    cut = (1 - share) / 4 * total

    def ends(sums: npt.NDArray[np.float64]) -> tuple[int, int]:
        first = int(np.argmax(np.cumsum(sums) > cut))
        last = int(np.argmax(np.cumsum(sums[::-1]) > cut))
        return first, len(sums) - last

    (top, bottom), (left, right) = ends(sizes.sum(axis=1)), ends(sizes.sum(axis=0))
    return top, left, bottom, right
