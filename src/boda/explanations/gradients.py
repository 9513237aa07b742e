"""Gradients at the pixels: which of them would move a score, were they a little different.

gradient                Simonyan et al., ICLR workshop 2014, arXiv:1312.6034
gradient x input        Shrikumar et al., 2016, arXiv:1605.01713
"""

from collections.abc import Callable

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.explanations.heat import Heat
from boda.explanations.passes import blocks, slopes
from boda.explanations.score import Score


def gradient(opened: OpenNetwork, score: Score, batch: Tensor, *, at_once: int = 64) -> Heat:
    """The largest size of a pixel's gradient over its channels, unsigned, per unit of the normalised input.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        at_once: images at once; bounds memory.

    Raises:
        Refused: the score does not depend on the pixels, or is not one number an image.
    """
    maps, scores = _mapped(opened, score, batch, at_once, lambda rows, found: largest(found))
    return Heat("gradient", "", maps.cpu().numpy(), scores.double().cpu().numpy(), per_input(score), signed=False)


def gradient_times_input(opened: OpenNetwork, score: Score, batch: Tensor, *, at_once: int = 64) -> Heat:
    """The gradient times the normalised input, added over channels: signed, in units of the score.

    What the tangent at the image says of going to 0, which after normalising is the mean colour the network was
    trained with. Arguments and errors as of `gradient`.
    """
    maps, scores = _mapped(opened, score, batch, at_once, lambda rows, found: (rows * found).sum(dim=1))
    return Heat("gradient x input", "", maps.cpu().numpy(), scores.double().cpu().numpy(), score.unit, signed=True)


def largest(gradients: Tensor) -> Tensor:
    """(n, 3, h, w) to (n, h, w): the largest size over channels."""
    return gradients.abs().amax(dim=1)


def per_input(score: Score) -> str:
    """The unit of a gradient."""
    return f"{score.unit} per unit of normalised input"


def _mapped(
    opened: OpenNetwork, score: Score, batch: Tensor, at_once: int, reduced: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """(n, h, w) maps made of rows and their gradients, and (n,) scores."""
    maps, scores = [], []
    for block in blocks(len(batch), at_once):
        rows = batch[block].detach()
        values, found = slopes(opened, score, rows)
        maps.append(reduced(rows, found))
        scores.append(values)
    return torch.cat(maps), torch.cat(scores)
