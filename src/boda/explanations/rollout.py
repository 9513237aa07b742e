"""Attention carried from layer to layer, back to the patches that went into the first.

rollout     the product of (A + I) / 2 over layers, A the average over heads and I the connection past the attention
            (Abnar and Zuidema, ACL 2020, arXiv:2005.00928); the same whichever score is asked for
relevance   the product of I + A', where A' averages over heads the positive part of the attention times the gradient
            of a score there (Chefer, Gur and Wolf, ICCV 2021, arXiv:2103.15679, equations 5 and 6); of that score

Only the rows that are shown are carried, from the last layer to the first: the same as the product of the matrices,
at a row's price.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.attention import BLIND, SHARE, spanned
from boda.explanations.attention_tokens import Reading, by_head, is_pooling, passed, reading_of
from boda.explanations.heat import Heat
from boda.explanations.passes import blocks, gradients_on
from boda.explanations.score import Score


def rollout(opened: OpenNetwork, score: Score, batch: Tensor, *, at_once: int = 16) -> Heat:
    """Attention rollout; arguments and errors as of `boda.explanations.attention.attentions`."""
    reading = reading_of(opened, score, batch)
    maps, scores = [], []
    for block in blocks(len(batch), at_once):
        values, said = passed(opened, score, batch[block])
        maps.append(_carried(reading, [by_head(one, len(values)).mean(dim=1) for one in said], kept=0.5))
        scores.append(values)
    return _heat("attention rollout", reading, maps, scores, SHARE, (BLIND, *reading.notes))


def relevance(opened: OpenNetwork, score: Score, batch: Tensor, *, at_once: int = 16) -> Heat:
    """Attention weighted by the gradient of a score; arguments as of `boda.explanations.attention.attentions`.

    Raises:
        Refused: as of `attentions`, or the score has no gradient at the attention.
    """
    reading = reading_of(opened, score, batch)
    maps, scores = [], []
    for block in blocks(len(batch), at_once):
        values, said = passed(opened, score, batch[block], with_leaf=True)
        if not values.requires_grad:
            raise Refused(
                f"encoder {opened.name!r}: score {score.name!r} has no gradient at the attention: use rollout, which "
                "is of no score, or occlusion"
            )
        with gradients_on():
            slopes = torch.autograd.grad(values.sum(), said, materialize_grads=True)
        moving = [
            by_head((slope * one.detach()).relu(), len(values)).mean(dim=1)
            for slope, one in zip(slopes, said, strict=True)
        ]
        maps.append(_carried(reading, moving, kept=1.0))
        scores.append(values.detach())
    return _heat("attention relevance", reading, maps, scores, "relevance", reading.notes)


def _carried(reading: Reading, layers: Sequence[Tensor], *, kept: float) -> Tensor:
    """The rows asked for of the product of kept * (I + layer), the last first: (n, queries, keys) each, to (n, y, x).

    Queries of a pooling have no connection past it: its rows are taken as they are.
    """
    last = layers[-1]
    if is_pooling(last):
        rows, layers = reading.rows(last), layers[:-1]
    else:
        rows = reading.asking.expand(len(last), -1)
    for layer in reversed(layers):
        rows = kept * (rows + (rows[:, None] @ layer)[:, 0])
    return reading.places(rows[:, None])[:, 0]


def _heat(
    method: str, reading: Reading, maps: list[Tensor], scores: list[Tensor], unit: str, notes: tuple[str, ...]
) -> Heat:
    return Heat(
        method,
        spanned(reading.layers),
        torch.cat(maps).cpu().numpy(),
        torch.cat(scores).double().cpu().numpy(),
        unit,
        signed=False,
        notes=notes,
    )
