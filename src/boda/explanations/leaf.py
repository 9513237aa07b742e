"""A leaf in a layer's place: what lies below runs without gradients, what lies above knows how it depends on the layer.

A map at a late layer then costs hardly more than the forward pass: nothing is kept of the layers below, and weights
need no gradients at all.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused


class Leaf:
    """What a layer gave: `values`, which gradients may be taken of, while the pass goes on with a copy of them."""

    def __init__(self) -> None:
        self.values: Tensor | None = None

    def take(self, module: torch.nn.Module, given: object, made: object) -> Tensor:
        """As a forward hook; a copy goes on, since the next layer may change it in place."""
        if not isinstance(made, Tensor):
            raise Refused(f"a layer of type {type(module).__name__} gives no single tensor: name another layer")
        if self.values is not None:
            raise Refused(
                f"a layer of type {type(module).__name__} is called several times for one batch: name another"
            )
        torch.set_grad_enabled(True)
        self.values = made.detach().requires_grad_()
        return self.values.clone()


def passed_with_leaf(
    opened: OpenNetwork, layer: str, score: Callable[[Tensor], Tensor], batch: Tensor
) -> tuple[Tensor, Tensor]:
    """The scores of a batch, and the leaf they grow from.

    Args:
        opened: the network.
        layer: a module of it by its torch name, called once for a batch.
        score: batch (n, 3, h, w) to (n,), through `opened`.
        batch: (n, 3, h, w).

    Returns:
        (n,) scores with a graph that ends at the leaf, and the leaf: what the layer gave, without a graph.

    Raises:
        Refused: the scores do not depend on the layer, or it gives no single tensor.
    """
    leaf = Leaf()
    hook = opened.module.get_submodule(layer).register_forward_hook(leaf.take)
    try:
        with torch.inference_mode(mode=False), torch.no_grad():  # the leaf turns gradients on; leaving restores them
            scores = score(batch.clone())  # a first layer may work in place
    finally:
        hook.remove()
    if leaf.values is None or not scores.requires_grad:
        raise Refused(f"encoder {opened.name!r}: its scores do not depend on layer {layer}: name a layer before")
    return scores, leaf.values


def gradient_at(
    opened: OpenNetwork, layer: str, score: Callable[[Tensor], Tensor], batch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(n,) scores, (n, ...) what a layer gave, and the gradient of each image's score with respect to it."""
    scores, leaf = passed_with_leaf(opened, layer, score, batch)
    with torch.inference_mode(mode=False):
        (slopes,) = torch.autograd.grad(scores, leaf, torch.ones_like(scores), allow_unused=True)
    if slopes is None:
        raise Refused(f"encoder {opened.name!r}: its scores do not depend on layer {layer}: name a layer before")
    return scores.detach(), leaf.detach(), slopes
