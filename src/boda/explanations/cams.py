"""Class activation maps: what the last places of a network add to a score.

    cam         the classifier's weights times what a place gives (Zhou et al., CVPR 2016, arXiv:1512.04150); only
                where scores are linear in the average over places
    grad-cam    the gradient's average over places times what a place gives, what is above 0 of the sum (Selvaraju et
                al., ICCV 2017, arXiv:1610.02391)
    grad-cam++  places weighted by the second and third powers of the gradient (Chattopadhay et al., WACV 2018,
                arXiv:1710.11063)
    layer-cam   each place by its own gradient, where that is above 0 (Jiang et al., TIP 30, 2021)

On a network whose score is linear in the average over places all gradients at one channel are equal: they are the
classifier's weight divided by the number of places, and so CAM is Grad-CAM times that number.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.encoders.pooling import Layout, grid
from boda.errors import Refused
from boda.explanations.heat import Heat
from boda.explanations.leaf import gradient_at
from boda.explanations.score import Score

_EVEN = 1e-4
"""Share of the largest gradient by which those of one channel may differ, from place to place and from image to image,
where a score is linear in the average."""


def cam(opened: OpenNetwork, score: Score, batch: Tensor, *, layer: str, layout: Layout) -> Heat:
    """Class activation maps, signed: with the offset of the score they add up to it.

    Args:
        opened: the network.
        score: of its features or logits.
        batch: (n, 3, h, w), normalised.
        layer: whose places are shown; the last map.
        layout: of what it gives.

    Raises:
        Refused: the score is not linear in the average over the places of this layer.
    """
    scores, given, slopes = gradient_at(opened, layer, score.through(opened), batch)
    values, gradients = grid(given, layout, opened.shape), grid(slopes, layout, opened.shape)
    mean = gradients.mean(dim=(1, 2), keepdim=True)
    noise = torch.randn(batch.shape, generator=torch.Generator().manual_seed(0)).to(batch)
    elsewhere = grid(gradient_at(opened, layer, score.through(opened), noise)[2], layout, opened.shape)
    apart = torch.maximum((gradients - mean).abs(), (gradients - elsewhere).abs()).amax(dim=(1, 2, 3))
    if bool((apart > _EVEN * gradients.abs().amax(dim=(1, 2, 3))).any()):
        raise Refused(
            f"encoder {opened.name!r}: CAM needs global average pooling and a linear score behind layer {layer}, and "
            "here some places, or the same place of some images, count more than others: use grad-cam"
        )
    count = values.shape[1] * values.shape[2]
    return _heat("cam", layer, (count * mean * values).sum(dim=3), scores, score.unit, signed=True)


def grad_cam(opened: OpenNetwork, score: Score, batch: Tensor, *, layer: str, layout: Layout) -> Heat:
    """Grad-CAM; arguments as of `cam`."""
    return _weighted("grad-cam", opened, score, batch, layer, layout, _average)


def grad_cam_plus_plus(opened: OpenNetwork, score: Score, batch: Tensor, *, layer: str, layout: Layout) -> Heat:
    """Grad-CAM++; arguments as of `cam`."""
    return _weighted("grad-cam++", opened, score, batch, layer, layout, _plus_plus)


def layer_cam(opened: OpenNetwork, score: Score, batch: Tensor, *, layer: str, layout: Layout) -> Heat:
    """Layer-CAM; arguments as of `cam`."""
    return _weighted("layer-cam", opened, score, batch, layer, layout, lambda _, gradients: gradients.relu())


def _weighted(
    method: str,
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    layer: str,
    layout: Layout,
    weights: Callable[[Tensor, Tensor], Tensor],
) -> Heat:
    """The positive part of a weighted sum over channels."""
    scores, given, slopes = gradient_at(opened, layer, score.through(opened), batch)
    values, gradients = grid(given, layout, opened.shape), grid(slopes, layout, opened.shape)
    found = (weights(values, gradients) * values).sum(dim=3).relu()
    return _heat(method, layer, found, scores, score.unit, signed=False)


def _average(values: Tensor, gradients: Tensor) -> Tensor:
    return gradients.mean(dim=(1, 2), keepdim=True)


def _plus_plus(values: Tensor, gradients: Tensor) -> Tensor:
    """(n, 1, 1, d): equation 19 with the exponential's derivatives, which are powers of the gradient."""
    squares, cubes = gradients**2, gradients**3
    below = 2 * squares + values.sum(dim=(1, 2), keepdim=True) * cubes
    alphas = torch.where(below != 0, squares / torch.where(below != 0, below, torch.ones_like(below)), 0.0)
    return (alphas * gradients.relu()).sum(dim=(1, 2), keepdim=True)


def _heat(method: str, layer: str, maps: Tensor, scores: Tensor, unit: str, *, signed: bool) -> Heat:
    return Heat(method, layer, maps.cpu().numpy(), scores.double().cpu().numpy(), unit, signed)
