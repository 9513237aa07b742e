"""What one layer gives for a batch, with its channels and places sorted out; nothing behind the layer runs."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from boda.arrays import Pixels
from boda.encoders.anatomy import Part
from boda.encoders.layers import LAST, Listener, listened
from boda.encoders.opened import OpenNetwork
from boda.encoders.pooling import grid
from boda.errors import Refused
from boda.explanations.passes import blocks


def layer_output(opened: OpenNetwork, layer: str, batch: Tensor) -> Tensor:
    """(n, ...) what a layer gives, gradients as the caller has them.

    Args:
        opened: the network.
        layer: as in its anatomy, called once for a batch.
        batch: (n, 3, h, w), normalised.
    """
    listener = Listener({layer: lambda made: made}, to_the_end=False)
    hooks = []
    if layer != LAST:
        module = opened.module.get_submodule(layer)
        hooks.append(module.register_forward_hook(lambda one, given, made: listener.hear(layer, made)))
    try:
        listened(listener, lambda: opened.network.features(opened.module, batch))
    finally:
        for hook in hooks:
            hook.remove()
    made: Tensor = listener.heard[layer]
    return made


def channels_at(opened: OpenNetwork, part: Part, batch: Tensor) -> Tensor:
    """(n, c, y, x) float32: each channel at each place; a layer that gives vectors has one place.

    Args:
        opened: the network.
        part: of its anatomy.
        batch: (n, 3, h, w), normalised.
    """
    made = layer_output(opened, part.layer, batch)
    if part.layout.kind == "vector":
        return made.float()[:, :, None, None]
    return grid(made, part.layout, (batch.shape[2], batch.shape[3])).permute(0, 3, 1, 2)


def at_the_door(opened: OpenNetwork, batches: Iterable[Pixels], at_once: int) -> Iterator[tuple[Pixels, Tensor]]:
    """At most `at_once` images at a time, in order: (n, h, w, 3) pixels, and (n, 3, h, w) what the network sees.

    Args:
        opened: the network.
        batches: of (n, h, w, 3) of the network's own height and width.
        at_once: bounds memory.

    Raises:
        Refused: pixels of another shape.
    """
    wanted = (*opened.shape, 3)
    for batch in batches:
        if batch.shape[1:] != wanted:
            raise Refused(f"encoder {opened.name!r} takes images of {wanted}, not {batch.shape[1:]}")
        for block in blocks(len(batch), at_once):
            yield batch[block], opened.door(batch[block])


def without_gradients(opened: OpenNetwork, part: Part, batch: Tensor) -> Tensor:
    """`channels_at`, without a graph."""
    with torch.no_grad():
        return channels_at(opened, part, batch)
