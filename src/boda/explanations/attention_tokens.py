"""Which tokens attention is shown of, and where in the image the tokens are that it goes to.

A network that answers by its class token is read at that token's row. One that averages over places is read at the
average of their rows, also where it has a class token that nothing reads (BEiT): which of the two it is, is measured by
a gradient and not believed. One that pools by an attention of its own is read at that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.encoders.pooling import Layout, grid, layout_of
from boda.errors import Refused
from boda.explanations.attention_hearing import Heard, hearing
from boda.explanations.passes import one_a_row
from boda.explanations.score import Score

_NOTHING = 1e-6
"""A gradient below this share of the largest is none."""
AVERAGED = "no class token is read here: the attention shown is the average over that of all places"
POOLED = "the last attention is the network's pooling; that of layers before it is averaged over all places"


@dataclass(frozen=True, eq=False)
class Reading:
    """How the attention of one network is made a map."""

    layers: tuple[str, ...]
    """The modules that attend, in their order."""
    layout: Layout
    """Of the keys."""
    shape: tuple[int, int]
    """Of the network's images."""
    asking: Tensor
    """(t,) shares of the tokens whose attention is shown; they add up to 1."""
    notes: tuple[str, ...]

    def rows(self, weights: Tensor) -> Tensor:
        """(..., queries, keys) to (..., keys): the attention of those who are asked."""
        if is_pooling(weights):
            return weights.mean(dim=-2)
        return torch.einsum("q,...qk->...k", self.asking, weights)

    def places(self, rows: Tensor) -> Tensor:
        """(n, c, keys) to (n, c, y, x): the part that goes to places, where they are in the image."""
        return grid(rows.transpose(1, 2), self.layout, self.shape).permute(0, 3, 1, 2)


def is_pooling(weights: Tensor) -> bool:
    """Whether those who attend are others than the tokens attended to."""
    return weights.shape[-2] != weights.shape[-1]


def by_head(weights: Tensor, n: int) -> Tensor:
    """(n, heads, queries, keys), also where a library has (n * heads, queries, keys)."""
    return weights.reshape(n, -1, *weights.shape[1:]) if weights.ndim == 3 else weights


def passed(
    opened: OpenNetwork, score: Score, rows: Tensor, *, with_leaf: bool = False
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(n,) scores of (n, 3, h, w), with a graph where there is a leaf, and the weights as each layer made them."""
    with hearing(opened, with_leaf=with_leaf) as said:
        scores = one_a_row(score, score.through(opened)(rows.clone()), rows)
    return scores, tuple(one.weights for one in said)


def reading_of(opened: OpenNetwork, score: Score, batch: Tensor) -> Reading:
    """How this network's attention is read, found on the first image of a batch.

    Raises:
        Refused: nothing in it attends, or not over its whole image.
    """
    opened.refuse_closed()
    given = opened.features if score.reads == "features" else opened.logits
    with hearing(opened, with_leaf=True) as said:
        made = given(batch[:1].clone())
        layout = _layout(opened, said)
        if not made.requires_grad:
            raise Refused(
                f"encoder {opened.name!r}: what {score.name} reads does not depend on attention: use grad-cam"
            )
        direction = torch.randn(made.shape, generator=torch.Generator().manual_seed(0)).to(made)
        (slopes,) = torch.autograd.grad((made * direction).sum(), said[-1].weights, materialize_grads=True)
    layers, last = tuple(one.layer for one in said), said[-1].weights
    asking = torch.zeros(last.shape[-1], device=last.device)
    moved = by_head(slopes, 1).abs().amax(dim=(0, 1, 3))
    if layout.prefix and opened.network.class_token and not is_pooling(last) and moved[0] > _NOTHING * moved.amax():
        asking[0] = 1
        return Reading(layers, layout, opened.shape, asking, ())
    asking[layout.prefix :] = 1 / (len(asking) - layout.prefix)
    return Reading(layers, layout, opened.shape, asking, (POOLED if is_pooling(last) else AVERAGED,))


def _layout(opened: OpenNetwork, said: Sequence[Heard]) -> Layout:
    """Of the keys, which are the same in every layer; from what was heard of one image."""
    if not said:
        raise Refused(
            f"encoder {opened.name!r}: nothing in it attends (no values are multiplied by the result of a softmax), as "
            "in a convolutional network: use grad-cam"
        )
    names = [one.layer for one in said]
    for one in said:
        if names.count(one.layer) > 1:
            raise Refused(
                f"encoder {opened.name!r}: layer {one.layer} attends {names.count(one.layer)} times for one batch (as "
                "where one attention is subtracted from another), so it has no weights of its own: use grad-cam"
            )
        if one.weights.ndim not in {3, 4} or (one.weights.ndim == 4 and len(one.weights) != 1):
            raise Refused(
                f"encoder {opened.name!r}: layer {one.layer} attends inside windows of the image, so that its weights "
                "do not reach over the image: use grad-cam"
            )
    counts = list(dict.fromkeys(one.weights.shape[-1] for one in said))
    if len(counts) > 1 or any(is_pooling(one.weights) for one in said[:-1]):
        raise Refused(
            f"encoder {opened.name!r}: its layers attend over {', then '.join(map(str, counts))} tokens, not all of "
            "them by the tokens themselves, so that no layer goes on where the one before ended: use grad-cam"
        )
    found = layout_of((counts[0], 1), opened.shape, opened.network.prefix_tokens)
    if not found:
        h, w = opened.shape
        raise Refused(
            f"encoder {opened.name!r}: its layers attend over {counts[0]} tokens, which are no grid over an image of "
            f"{h} x {w} pixels beside {opened.network.prefix_tokens} others: use grad-cam"
        )
    return found[-1]  # where both fit, the tokens that the network says it has
