"""Methods: every way to explain a score at the places of an image, by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.attention import attentions, head_maps, mean_attention
from boda.explanations.baselines import Baseline
from boda.explanations.cams import cam, grad_cam, grad_cam_plus_plus, layer_cam
from boda.explanations.deeplift import deep_lift
from boda.explanations.gradients import gradient, gradient_times_input
from boda.explanations.heat import Heat
from boda.explanations.integrated import integrated_gradients
from boda.explanations.occlusion import occlusion
from boda.explanations.passes import blocks
from boda.explanations.rollout import relevance, rollout
from boda.explanations.score import Score
from boda.explanations.smoothing import smooth_gradient
from boda.explanations.target_layer import target_at, target_layer

HEADS = "attention-heads"
"""The method that gives one map a head."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a method may be given beside network, score and images."""

    layer: str | None
    baseline: Baseline | None
    at_once: int
    generator: torch.Generator


Run = Callable[[OpenNetwork, Score, Tensor, Way], tuple[Heat, ...]]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to explain."""

    name: str
    title: str
    source: str
    """The paper."""
    run: Run
    of_score: bool = True
    """False: its map is the same whichever score is asked for."""
    layered: bool = False
    """It works at a layer, which can be named."""
    compares: bool = False
    """It compares the image with a baseline, which can be chosen."""


def explained(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    method: str,
    *,
    layer: str | None = None,
    baseline: Baseline | None = None,
    at_once: int = 64,
    generator: torch.Generator | None = None,
) -> Heat:
    """The maps of a method that gives one an image; arguments, and what is refused, as of `explained_each`.

    Raises:
        Refused: also where the method gives several maps an image.
    """
    found = explained_each(
        opened, score, batch, method, layer=layer, baseline=baseline, at_once=at_once, generator=generator
    )
    if len(found) != 1:
        raise Refused(f"{method} gives {len(found)} maps an image, and one is needed here: use attention, their mean")
    return found[0]


def explained_each(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    method: str,
    *,
    layer: str | None = None,
    baseline: Baseline | None = None,
    at_once: int = 64,
    generator: torch.Generator | None = None,
) -> tuple[Heat, ...]:
    """The maps of any method: one heat, or one for each head of attention.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        method: one of `METHODS`.
        layer: where; None: found by itself.
        baseline: what methods that compare the image with something compare it with; None: its mean colour. From black,
            integrated gradients have been seen to leave a large gap.
        at_once: images, or changed copies of images, at once; bounds memory.
        generator: of what is drawn; None: one seeded with 0.

    Raises:
        Refused: no such method or layer, a layer for a method that works at pixels, or the method cannot explain this
            score of this network; says why.
    """
    chosen = method_named(method)
    if layer is not None and not chosen.layered:
        named = ", ".join(one.name for one in METHODS.values() if one.layered)
        raise Refused(f"{method} works at no single layer: leave out {layer!r}, or use one of {named}")
    if baseline is not None and not chosen.compares:
        named = ", ".join(one.name for one in METHODS.values() if one.compares)
        raise Refused(f"{method} compares with no baseline: leave it out, or use one of {named}")
    way = Way(layer, baseline, at_once, generator or torch.Generator().manual_seed(0))
    return chosen.run(opened, score, batch, way)


def method_named(name: str) -> Method:
    """The method of this name.

    Raises:
        Refused: there is none.
    """
    if name not in METHODS:
        raise Refused(f"no method {name!r}; one of {', '.join(METHODS)}")
    return METHODS[name]


def _at_layer(make: Callable[..., Heat]) -> Run:
    """Some images at a time: what is kept of a layer is small, the way to it is not."""

    def run(opened: OpenNetwork, score: Score, batch: Tensor, way: Way) -> tuple[Heat, ...]:
        target = target_layer(opened, score) if way.layer is None else target_at(opened, way.layer)
        parts = [batch[block] for block in blocks(len(batch), way.at_once)]
        return (_joined([make(opened, score, one, layer=target.layer, layout=target.layout) for one in parts]),)

    return run


def _joined(parts: list[Heat]) -> Heat:
    if len(parts) == 1:
        return parts[0]
    import numpy as np

    first = parts[0]
    maps, scores = np.concatenate([one.maps for one in parts]), np.concatenate([one.scores for one in parts])
    gaps = {name: np.concatenate([one.gaps[name] for one in parts]) for name in first.gaps}
    return Heat(first.method, first.layer, maps, scores, first.unit, first.signed, first.notes, gaps)


def _at_pixels(make: Callable[..., Heat]) -> Run:
    def run(opened: OpenNetwork, score: Score, batch: Tensor, way: Way) -> tuple[Heat, ...]:
        return (make(opened, score, batch, at_once=way.at_once),)

    return run


def _compared(make: Callable[..., Heat]) -> Run:
    def run(opened: OpenNetwork, score: Score, batch: Tensor, way: Way) -> tuple[Heat, ...]:
        baseline = "mean" if way.baseline is None else way.baseline
        return (make(opened, score, batch, baseline=baseline, at_once=way.at_once),)

    return run


def _smoothed(opened: OpenNetwork, score: Score, batch: Tensor, way: Way) -> tuple[Heat, ...]:
    return (smooth_gradient(opened, score, batch, generator=way.generator, at_once=way.at_once),)


def _attended(made: Callable[[Any], tuple[Heat, ...]]) -> Run:
    """At one layer, the last where none is named."""

    def run(opened: OpenNetwork, score: Score, batch: Tensor, way: Way) -> tuple[Heat, ...]:
        layers = attentions(opened, score, batch, at_once=way.at_once)
        if way.layer is None:
            return made(layers[-1])
        found = [one for one in layers if one.layer == way.layer]
        if not found:
            raise Refused(
                f"encoder {opened.name!r}: nothing attends in layer {way.layer!r}; one of "
                f"{', '.join(one.layer for one in layers)}"
            )
        return made(found[0])

    return run


_ALL = (
    Method("grad-cam", "Grad-CAM", "Selvaraju et al., arXiv:1610.02391", _at_layer(grad_cam), layered=True),
    Method(
        "grad-cam++", "Grad-CAM++", "Chattopadhay et al., arXiv:1710.11063", _at_layer(grad_cam_plus_plus), layered=True
    ),
    Method("layer-cam", "Layer-CAM", "Jiang et al., TIP 30, 2021", _at_layer(layer_cam), layered=True),
    Method("cam", "CAM", "Zhou et al., arXiv:1512.04150", _at_layer(cam), layered=True),
    Method("gradient", "Gradient", "Simonyan et al., arXiv:1312.6034", _at_pixels(gradient)),
    Method(
        "gradient-times-input",
        "Gradient x input",
        "Shrikumar et al., arXiv:1605.01713",
        _at_pixels(gradient_times_input),
    ),
    Method("smoothgrad", "SmoothGrad", "Smilkov et al., arXiv:1706.03825", _smoothed),
    Method(
        "integrated-gradients",
        "Integrated gradients",
        "Sundararajan et al., arXiv:1703.01365",
        _compared(integrated_gradients),
        compares=True,
    ),
    Method("deeplift", "DeepLIFT", "Shrikumar et al., arXiv:1704.02685", _compared(deep_lift), compares=True),
    Method("occlusion", "Occlusion", "Zeiler and Fergus, arXiv:1311.2901", _compared(occlusion), compares=True),
    Method("relevance", "Attention relevance", "Chefer et al., arXiv:2103.15679", _at_pixels(relevance)),
    Method("rollout", "Attention rollout", "Abnar and Zuidema, arXiv:2005.00928", _at_pixels(rollout), of_score=False),
    Method(
        "attention",
        "Attention",
        "Dosovitskiy et al., arXiv:2010.11929",
        _attended(lambda one: (mean_attention(one),)),
        of_score=False,
        layered=True,
    ),
    Method(
        HEADS,
        "Attention of each head",
        "Caron et al., arXiv:2104.14294",
        _attended(head_maps),
        of_score=False,
        layered=True,
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({one.name: one for one in _ALL})
"""By name, those that are asked for most first."""
