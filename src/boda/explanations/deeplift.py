"""DeepLIFT with the rescale rule: what each pixel's difference from a baseline adds to the difference of the scores.

(Shrikumar, Greenside and Kundaje, ICML 2017, arXiv:1704.02685.) Image and baseline go through the network, and on the
way back each bent operation passes on its secant between the two instead of its gradient (`multipliers`). That is
arranged at the nodes of the graph that autograd made, not at modules: so it does not matter whether an activation is a
module, is one module used many times, is a function or works in place. Nothing of the network is touched.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node
from torch.nn.attention import SDPBackend, sdpa_kernel

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.baselines import Baseline, baseline_of
from boda.explanations.heat import Heat
from boda.explanations.multipliers import BATCH_NORMS, LINEAR, MULTIPLIERS, PRODUCTS, Multiplier
from boda.explanations.passage import Call, Passage, nodes_of, word
from boda.explanations.passes import blocks, gradients_on, one_a_row, refuse_unmoved
from boda.explanations.score import Score

_PIXELS = "torch::autograd::AccumulateGrad"
"""The node where a graph begins."""
_DIFFERENCE, _SIZE = 1e-2, 1e-3
"""Shares of what contributions should add up to, and of their sizes together, that rounding may cost."""
_ON_A_VIEW = "torch::autograd::CopySlices"
"""The node that hides another, of an operation in place on a view."""


def deep_lift(
    opened: OpenNetwork, score: Score, batch: Tensor, *, baseline: Baseline = "black", at_once: int = 16
) -> Heat:
    """Contributions added over channels: signed, in units of the score.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        baseline: what images are compared with.
        at_once: images at once; bounds memory. Each goes through with its baseline, and both are kept.

    Returns:
        Maps, with `gaps["completeness"]`: what they add up to, less score(image) - score(baseline); but for rounding
        it is 0.

    Raises:
        Refused: an operation on the way has no rule, which is named; the contributions do not add up; the score
            depends on the pixels in a way that has no gradient, or not at all, or is not one number an image.
    """
    start, batch = baseline_of(opened, batch, baseline), batch.detach()
    maps, scores, gaps = [], [], []
    for block in blocks(len(batch), at_once):
        values, differences, multipliers = _lifted(opened, score, batch[block], start[block])
        maps.append(((batch[block] - start[block]) * multipliers).sum(dim=1))
        scores.append(values.double())
        gaps.append(maps[-1].double().sum(dim=(1, 2)) - differences)
        _refuse_gaps(opened, score, gaps[-1], differences, maps[-1])
    return Heat(
        "deeplift",
        "",
        torch.cat(maps).cpu().numpy(),
        torch.cat(scores).cpu().numpy(),
        score.unit,
        signed=True,
        gaps={"completeness": torch.cat(gaps).cpu().numpy()},
    )


def _refuse_gaps(opened: OpenNetwork, score: Score, gaps: Tensor, differences: Tensor, maps: Tensor) -> None:
    """Where numbers are so unlike that their quotients lose all digits, what comes out is no contribution."""
    most = _DIFFERENCE * differences.abs() + _SIZE * maps.double().abs().sum(dim=(1, 2))
    for gap, limit, difference in zip(gaps.tolist(), most.tolist(), differences.tolist(), strict=True):
        if not abs(gap) <= limit:
            raise Refused(
                f"encoder {opened.name!r}: contributions to {score.name!r} should add up to {difference:.3g} and miss "
                f"that by {abs(gap):.3g}: an operation on the way takes powers or quotients of numbers near 0. Use "
                "integrated gradients, or another baseline"
            )


def _lifted(opened: OpenNetwork, score: Score, rows: Tensor, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(n,) scores, (n,) their differences from the baseline's, and (n, 3, h, w) the pixels' multipliers."""
    through, own = score.through(opened), [*opened.module.parameters(), *opened.module.buffers()]
    with gradients_on(), sdpa_kernel(SDPBackend.MATH):
        start = torch.empty_like(rows).copy_(start)  # laid out in memory alike, so that both take the same operations
        first = Passage(keep=MULTIPLIERS, own=own)
        with first:
            before = through(start.requires_grad_().clone())
        leaf = rows.clone().requires_grad_()
        second = Passage(keep=MULTIPLIERS, own=own, first=first)
        with _naming(opened), second:
            scores = through(leaf.clone())
        refuse_unmoved(opened, score, one_a_row(score, scores, rows))
        assert scores.grad_fn is not None
        with _naming(opened):
            second.must_end()
            for node in nodes_of(scores.grad_fn):
                _straighten(node, second)
            (multipliers,) = torch.autograd.grad(scores.sum(), leaf)
    return scores.detach(), (scores.double() - before.double()).detach(), multipliers


@contextmanager
def _naming(opened: OpenNetwork) -> Iterator[None]:
    """What is refused inside says of which encoder, and what to do instead."""
    try:
        yield
    except Refused as error:
        raise Refused(f"encoder {opened.name!r}: DeepLIFT: {error}: use integrated gradients") from error


def _straighten(node: Node, passage: Passage) -> None:
    """Let a node pass on multipliers; raise `Refused` where nobody knows how."""
    name = word(node.name())
    if node.name() == _PIXELS:
        return
    if node.name() == _ON_A_VIEW:
        raise Refused("no rule for what works in place on a view of another tensor")
    if issubclass(type(node), BackwardCFunction) or name not in LINEAR | MULTIPLIERS.keys():
        raise Refused(f"no rule for {node.name()}")
    calls = passage.calls_of(node)
    if calls is not None and name in BATCH_NORMS and calls[0].arguments[5]:
        raise Refused(f"no rule for {name} by the statistics of the batch")
    if name in LINEAR:
        return
    if calls is None:
        raise Refused(f"{node.name()} cannot be traced back to what it was given")
    if name not in PRODUCTS or len(calls[0].followed) > 1:
        node.register_hook(_hook(MULTIPLIERS[name], *calls))


def _hook(multiplier: Multiplier, call: Call, twin: Call) -> Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], object]:
    """What replaces the gradients that a node gives."""

    def replaced(given: tuple[Tensor, ...], above: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
        ordinary = {slot: given[slot] for slot in call.followed}
        found = multiplier(call, twin, above[0], ordinary)
        return tuple(found.get(slot, one) for slot, one in enumerate(given))

    return replaced
