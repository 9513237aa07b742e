"""Which layer a map is made at, where nobody names one: the last whose places still move the score.

In a convolutional network that is the layer that gives the last map. In a transformer that answers by its class token
the patches of the last block's output move nothing any more; the last place where they do is what goes into the
attention of the last block. So layers are tried from the end, with one gradient each.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from boda.encoders.layers import LAST, Layer, Listener, listened
from boda.encoders.opened import OpenNetwork
from boda.encoders.pooling import Layout, grid
from boda.errors import Refused
from boda.explanations.leaf import gradient_at
from boda.explanations.score import Score

_NOTHING = 1e-12
"""A gradient below this share of the largest is none."""
_INNER = {"Linear", "Softmax", "Dropout"}
"""Types of layers inside a block: keys and values, and attention weights, which would pass for maps."""
_LEAST = 2
"""Places on each side of a map that is worth the name."""


@dataclass(frozen=True, slots=True)
class Target:
    """A layer, and how what it gives is read."""

    layer: str
    layout: Layout
    places: tuple[int, int]
    """Height and width of its map."""
    channels: int


def target_named(opened: OpenNetwork, layer: str) -> Target:
    """The layer of this name.

    Raises:
        Refused: there is none, or it gives no map.
    """
    part = opened.anatomy.part(layer, None)
    if part.layout.kind == "vector":
        raise Refused(f"encoder {opened.name!r}: layer {layer} gives one vector an image, no map: name a layer before")
    found = next(one for one in opened.anatomy.layers if one.name == layer)
    return Target(layer, part.layout, _places(opened, found, part.layout), part.width)


def target_at(opened: OpenNetwork, layer: str) -> Target:
    """The layer of this name, for a leaf to take the place of: `last` is the module that gives the last map.

    Raises:
        Refused: as of `target_named`; or no module alone gives the last map.
    """
    target = target_named(opened, layer)
    if layer != LAST or LAST in dict(opened.module.named_modules()):
        return target
    return target_named(opened, _giver_of_last(opened))


def targets(opened: OpenNetwork, score: Score) -> list[Target]:
    """Layers whose places move the score, from the last to the first of each resolution: where maps can be made.

    Only layers as wide as the one that is found first at their resolution, so that queries and inner layers of a
    block are not among them.
    """
    found: list[Target] = []
    for target in _candidates(opened):
        if any(one.places == target.places for one in found):
            continue
        if _moves(opened, score, target):
            found.append(target)
    return found


def target_layer(opened: OpenNetwork, score: Score) -> Target:
    """The last layer whose places move the score.

    Raises:
        Refused: there is none: no layer gives a map, or none of them is read by the score.
    """
    for target in _candidates(opened):
        if _moves(opened, score, target):
            return target
    raise Refused(f"encoder {opened.name!r}: no layer with places moves {score.name}: name one with --layer")


def _candidates(opened: OpenNetwork) -> list[Target]:
    """Layers that give a map once a batch, as wide as the last of their resolution, the last first."""
    order = _order_of_ends(opened)
    layers = {one.name: one for one in opened.anatomy.layers}
    found: list[Target] = []
    width: dict[tuple[int, int], int] = {}
    for name in reversed(order):
        layer = layers[name]
        if layer.calls != 1 or layer.shape is None or len(layer.shape) < 2 or layer.kind in _INNER:
            continue
        try:
            target = target_named(opened, name)
        except Refused:
            continue  # no map; the next layer is asked
        if min(target.places) < _LEAST or width.setdefault(target.places, target.channels) != target.channels:
            continue
        found.append(target)
    return found


def _order_of_ends(opened: OpenNetwork) -> list[str]:
    """Modules in the order in which they end."""
    ended: list[str] = []
    hooks = [
        part.register_forward_hook(lambda one, given, made, name=name: ended.append(name))
        for name, part in opened.module.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            opened.network.features(opened.module, _noise(opened)[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return list(dict.fromkeys(ended))


def _giver_of_last(opened: OpenNetwork) -> str:
    """The outermost module whose output, as it is, is the last map."""
    made: list[tuple[str, object]] = []
    hooks = [
        part.register_forward_hook(lambda one, given, out, name=name: made.append((name, out)))
        for name, part in opened.module.named_modules()
        if name
    ]
    listener = Listener({LAST: lambda one: one}, to_the_end=False)
    try:
        with torch.no_grad():
            listened(listener, lambda: opened.network.features(opened.module, _noise(opened)[:1]))
    finally:
        for hook in hooks:
            hook.remove()
    found = [name for name, one in made if one is listener.heard[LAST]]
    if not found:
        raise Refused(f"encoder {opened.name!r}: no layer alone gives its last map: name one that it is made of")
    return found[-1]


def _moves(opened: OpenNetwork, score: Score, target: Target) -> bool:
    """Whether most places of this layer have a gradient."""
    try:
        _, given, slopes = gradient_at(opened, target.layer, score.through(opened), _noise(opened))
    except Refused:
        return False
    sizes = slopes.abs()
    moved = grid(sizes, target.layout, opened.shape).amax(dim=3) > _NOTHING * sizes.amax()
    return bool(given.any()) and bool(moved.float().mean() > 0.5)


def _noise(opened: OpenNetwork) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    h, w = opened.shape
    noise = torch.randint(0, 256, (2, h, w, 3), generator=generator, dtype=torch.uint8).numpy()
    return opened.door(noise)


def _places(opened: OpenNetwork, layer: Layer, layout: Layout) -> tuple[int, int]:
    assert layer.shape is not None
    made: Any = grid(torch.zeros(1, *layer.shape), layout, opened.shape)
    return int(made.shape[1]), int(made.shape[2])
