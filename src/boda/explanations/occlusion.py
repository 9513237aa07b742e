"""Occlusion: how far a score falls where a window hides a part of the image (Zeiler and Fergus, ECCV 2014).

It needs no gradients, so it explains what has none.
"""

import math

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.baselines import Baseline, baseline_of
from boda.explanations.heat import Heat
from boda.explanations.passes import blocks, scored
from boda.explanations.score import Score

_WINDOW, _STRIDE = 8, 16
"""Windows and strides on a side, where nobody asks for others."""


def occlusion(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    *,
    baseline: Baseline = "mean",
    window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    at_once: int = 64,
) -> Heat:
    """For each pixel the mean fall of the score over the windows that hide it: signed, in units of the score.

    Windows lie whole inside the image, the first and last at its borders, the others evenly between them, at most a
    stride apart, and as far from one border as their mirror images from the other: so the map of an image in a mirror
    is its map in a mirror. Where the stride divides what a window leaves of a side, they are a stride apart.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        baseline: what a window shows.
        window: its height and width; None: 1/8 of the sides.
        stride: down and across, at most a window; None: 1/16 of the sides.
        at_once: hidden images at once; bounds memory.

    Raises:
        Refused: an argument makes no sense, or the score is not one number an image.

    Source: arXiv:1311.2901, section 4.2.
    """
    batch = batch.detach()
    shape = (batch.shape[2], batch.shape[3])
    window = window or (max(1, round(shape[0] / _WINDOW)), max(1, round(shape[1] / _WINDOW)))
    stride = stride or (
        min(window[0], max(1, round(shape[0] / _STRIDE))),
        min(window[1], max(1, round(shape[1] / _STRIDE))),
    )
    downs, acrosses = (_starts(*one) for one in zip(shape, window, stride, strict=True))
    corners = [(down, across) for down in downs for across in acrosses]
    start = baseline_of(opened, batch, baseline)
    scores = torch.cat([scored(opened, score, batch[block]) for block in blocks(len(batch), at_once)]).double()
    falls = torch.zeros(len(batch), len(corners), dtype=torch.float64, device=batch.device)
    for block in blocks(len(batch) * len(corners), at_once):
        asked = [divmod(row, len(corners)) for row in range(block.start, block.stop)]
        rows = batch[[image for image, _ in asked]]
        for row, (image, corner) in zip(rows, asked, strict=True):
            hidden = _hidden(corners[corner], window)
            row[hidden] = start[image][hidden]
        images, places = (list(one) for one in zip(*asked, strict=True))
        falls[images, places] = scores[images] - scored(opened, score, rows)
    total = torch.zeros(len(batch), *shape, dtype=torch.float64, device=batch.device)
    times = torch.zeros(shape, dtype=torch.float64, device=batch.device)
    for place, where in enumerate(corners):
        _, down, across = _hidden(where, window)
        total[:, down, across] += falls[:, place, None, None]
        times[down, across] += 1
    maps = (total / times).float().cpu().numpy()
    return Heat("occlusion", "", maps, scores.cpu().numpy(), score.unit, signed=True)


def _starts(side: int, window: int, stride: int) -> list[int]:
    """Where windows begin along one side: the same seen from its other end."""
    if not 1 <= stride <= window <= side:
        raise Refused(f"a window of {window} and a stride of {stride} pixels must be 1 <= stride <= window <= {side}")
    room = side - window
    gaps = math.ceil(room / stride)
    gaps += room % 2 == 1 and gaps % 2 == 0  # no window can lie in the middle of an odd room, so there is none
    first = [(2 * one * room + gaps) // (2 * gaps) for one in range((gaps + 1) // 2)]
    middle = [room // 2] if gaps % 2 == 0 else []
    return [*first, *middle, *(room - one for one in reversed(first))]


def _hidden(corner: tuple[int, int], window: tuple[int, int]) -> tuple[slice, slice, slice]:
    """All channels of a window."""
    return slice(None), slice(corner[0], corner[0] + window[0]), slice(corner[1], corner[1] + window[1])
