"""Many scores of a collection from one pass: what each is held against, and which images excite each most."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.arrays import Pixels
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.channels import ChannelScore, Place
from boda.explanations.layer_output import at_the_door, channels_at
from boda.explanations.passes import one_a_row
from boda.explanations.score import Score

Values = npt.NDArray[np.float64]
Read = Callable[[Tensor], Tensor]


def values_of(opened: OpenNetwork, scores: Sequence[Score], batches: Iterable[Pixels], *, at_once: int = 64) -> Values:
    """(n, s) the values of s scores for images that stream by.

    Args:
        opened: the network; left as it was.
        scores: at least one; channels of one layer, or functions of the features, or of the logits.
        batches: of (n, h, w, 3) of the network's own height and width.
        at_once: images at once; bounds memory.

    Raises:
        Refused: they read different things, a value is NaN or infinite, pixels of another shape, or no images.
    """
    reads = _read(opened, scores)

    def values(batch: Tensor) -> Tensor:
        given = reads(batch)
        return torch.stack([one_a_row(one, one.of(given), batch) for one in scores], dim=1)

    return _passed(opened, values, batches, at_once)


def channel_values(
    opened: OpenNetwork, layer: str, batches: Iterable[Pixels], *, place: Place | None = None, at_once: int = 64
) -> Values:
    """(n, c) what every channel of a layer gives for images that stream by: the largest of all places, or at one.

    Args and errors as of `values_of`; `place` is a row and a column on the grid of the layer.
    """
    part = opened.anatomy.part(layer, None)

    def values(batch: Tensor) -> Tensor:
        maps = channels_at(opened, part, batch)
        return maps.amax(dim=(2, 3)) if place is None else maps[:, :, place[0], place[1]]

    return _passed(opened, values, batches, at_once)


def above_usual(values: Values, k: int) -> Values:
    """(s,) by how many standard deviations over the collection the k most exciting images lie above the mean.

    Of k and not of one: a channel that a single image moves says little.

    Args:
        values: (n, s), n > 1. A score that never varies has 0.
        k: at most n.
    """
    best = np.sort(values, axis=0)[-k:].mean(axis=0)
    away, spread = best - values.mean(axis=0), values.std(axis=0, ddof=1)
    found: Values = np.divide(away, spread, out=np.zeros_like(away), where=spread > 0)
    return found


def _passed(opened: OpenNetwork, values: Read, batches: Iterable[Pixels], at_once: int) -> Values:
    """One pass: (n, 3, h, w) to (n, s) for all."""
    found = []
    for _, batch in at_the_door(opened, batches, at_once):
        with torch.no_grad():
            found.append(values(batch).double().cpu().numpy())
    if not found:
        raise Refused("no images to look through")
    together = np.concatenate(found)
    if not np.isfinite(together).all():
        row = int(np.nonzero(~np.isfinite(together))[0][0])
        raise Refused(f"encoder {opened.name!r} gives NaN or infinity for image {row}")
    return together


def _read(opened: OpenNetwork, scores: Sequence[Score]) -> Read:
    """The one thing that all these scores are functions of."""
    first = scores[0]
    if isinstance(first, ChannelScore):
        part = first.part
        if all(isinstance(one, ChannelScore) and one.part == part for one in scores):
            return lambda batch: channels_at(opened, part, batch)
    elif all(one.reads == first.reads and not isinstance(one, ChannelScore) for one in scores):
        return opened.features if first.reads == "features" else opened.logits
    raise Refused("one pass serves channels of one layer, or functions of the features, or of the logits: not several")
