"""Baselines: what an image is compared with, where a method asks what the image adds to nothing."""

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused

NamedBaseline: TypeAlias = Literal["black", "mean", "blurred"]
Baseline: TypeAlias = NamedBaseline | Tensor
"""black: a black image, as the network sees it; mean: the image's own mean colour; blurred: the image blurred by a
Gaussian of 1/16 of its longer side (Fong and Vedaldi, ICCV 2017, arXiv:1704.03296); a tensor: (1 or n, 3, h, w)
normalised."""

_BLUR = 1 / 16
"""Standard deviation, in longer sides."""
_REACH = 3
"""Standard deviations that a blur looks to each side."""


def baseline_of(opened: OpenNetwork, batch: Tensor, baseline: Baseline) -> Tensor:
    """(n, 3, h, w): the baseline of each image of a batch, normalised.

    Args:
        opened: whose door black goes through.
        batch: (n, 3, h, w), normalised.
        baseline: its name, or itself.

    Raises:
        Refused: there is none of this name, or it has another shape.
    """
    if isinstance(baseline, Tensor):
        if baseline.shape not in {batch.shape, torch.Size((1, *batch.shape[1:]))}:
            raise Refused(f"a baseline of shape {tuple(baseline.shape)} does not fit images of {tuple(batch.shape)}")
        return baseline.detach().to(batch).expand_as(batch)
    if baseline == "black":
        h, w = batch.shape[2:]
        black = torch.zeros(1, h, w, 3, dtype=torch.uint8).numpy()
        return opened.door(black).to(batch).expand_as(batch)
    if baseline == "mean":
        return batch.detach().mean(dim=(2, 3), keepdim=True).expand_as(batch)
    if baseline == "blurred":
        return _blurred(batch.detach())
    raise Refused(f"no baseline {baseline!r}; one of {', '.join(get_args(NamedBaseline))}, or a tensor")


def _blurred(batch: Tensor) -> Tensor:
    """By a Gaussian along each side; at the borders the last pixel goes on."""
    spread = _BLUR * max(batch.shape[2:])
    reach = max(1, math.ceil(_REACH * spread))
    places = torch.arange(-reach, reach + 1, device=batch.device, dtype=batch.dtype)
    weights = torch.exp(-0.5 * (places / spread) ** 2)
    column = (weights / weights.sum()).reshape(1, 1, -1, 1)
    planes = batch.reshape(-1, 1, *batch.shape[2:])
    planes = conv2d(pad(planes, (0, 0, reach, reach), mode="replicate"), column)
    planes = conv2d(pad(planes, (reach, reach, 0, 0), mode="replicate"), column.transpose(2, 3))
    return planes.reshape(batch.shape)
