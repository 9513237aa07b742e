"""A network that has learned nothing, of the same make: what a map of it still shows does not come from learning.

(Adebayo et al., NeurIPS 2018, arXiv:1810.03292: some methods show much the same with random weights.)
"""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.nn.modules.batchnorm import _BatchNorm

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.evaluation.weighted import Floats, spearman_of

_IMAGES = 8
"""Noise images by which batch norms are set."""
_LEAST = 0.01
"""A channel's variance is no less than this share of its layer's mean, lest what noise leaves still is blown up."""


def randomised(opened: OpenNetwork, generator: torch.Generator) -> OpenNetwork:
    """A copy with all weights drawn anew; the network itself stays as it is.

    Each tensor of weights is drawn from a normal distribution of its own mean and deviation, so that what layers give
    keeps its size in networks of every family, also where nobody says how a part was first drawn; what is the same
    throughout a tensor stays. Batch norms get the means and variances of what they then see of noise that is, like
    photographs, made of patches of all sizes.

    What is closed has no weights that could be drawn: its copy refuses to compute, since the same map again would look
    like one that does not depend on what was learned.

    Args:
        opened: the network.
        generator: of the weights and the noise, on the CPU.
    """
    if opened.closed:
        return _refusing(opened)
    module = copy.deepcopy(opened.module)
    with torch.no_grad():
        for weights in module.parameters():
            values = weights.double()
            drawn = torch.randn(weights.shape, generator=generator, dtype=torch.float64).to(weights.device)
            weights.copy_(values.mean() + values.std(correction=0) * drawn)
    made = replace(opened, module=module, network=replace(opened.network, module=module))
    _set_batch_norms(made, generator)
    return made


def similarity(maps: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]) -> Floats:
    """(n,): how alike maps of the same images are, by the correlation of the ranks of their sizes.

    Of signed maps the size counts: which way the score of a random network moves is chance, and a map that still
    shows the same edges would seem to differ for that alone.

    Args:
        maps: (n, y, x), at the method's own places.
        others: (n, y, x).

    Returns:
        (n,) from -1 to 1; NaN where one of both is the same everywhere, or not finite.

    Raises:
        Refused: they are not of one shape.
    """
    if maps.shape != others.shape:
        raise Refused(f"maps of shape {maps.shape} cannot be compared with maps of {others.shape}: one layer for both")
    found = np.full(len(maps), np.nan)
    for image, pair in enumerate(zip(maps, others, strict=True)):
        one, other = (np.abs(values.ravel()).astype(np.float64) for values in pair)
        if np.isfinite(one).all() and np.isfinite(other).all():
            found[image] = spearman_of(one, other)(np.ones(one.size))
    return found


def _refusing(opened: OpenNetwork) -> OpenNetwork:
    """The same, with features that nobody gets."""

    def features(module: torch.nn.Module, batch: Tensor) -> Tensor:
        raise Refused(f"encoder {opened.name!r} has no weights that could be drawn anew")

    return replace(opened, network=replace(opened.network, features=features))


def _set_batch_norms(opened: OpenNetwork, generator: torch.Generator) -> None:
    """By one pass of noise, in which each norm hands on what it has just measured."""
    norms = [part for part in opened.module.modules() if isinstance(part, _BatchNorm) and part.running_var is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.training, norm.momentum = True, 1.0  # of itself alone: what is inside it may drop out in training
    try:
        with torch.no_grad():
            noise = _noise(opened.shape, generator).to(opened.device)
            (opened.network.logits or opened.network.features)(opened.module, noise)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.training, norm.momentum = False, momentum
    for norm in norms:
        variance = norm.running_var
        assert variance is not None
        variance.clamp_(min=float(_LEAST * variance.mean()))


def _noise(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(n, 3, h, w) of mean 0 and deviation 1: patches of every size, each as strong."""
    sides = [2**power for power in range(max(shape).bit_length())]
    layers = [
        interpolate(
            torch.randn(_IMAGES, 3, side, side, generator=generator), size=shape, mode="bilinear", align_corners=False
        )
        for side in sides
    ]
    noise = torch.stack(layers).sum(dim=0)
    return (noise - noise.mean()) / noise.std()
