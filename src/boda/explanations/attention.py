"""Attention as maps: where a network looks, layer by layer and head by head.

Attention alone does not explain a class. It is the same whichever score is asked for, and weights that are quite
different can give the same answer (Jain and Wallace, NAACL 2019, arXiv:1902.10186). Every map of weights alone says
so in its notes; `boda.explanations.rollout.relevance` is of a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.attention_tokens import by_head, passed, reading_of
from boda.explanations.heat import Heat, Map
from boda.explanations.passes import blocks
from boda.explanations.score import Score

BLIND = "attention alone is not a class explanation: this map is the same whichever score is asked for"
SHARE = "share of attention"


@dataclass(frozen=True, eq=False)
class Attention:
    """What one layer attends to, in n images."""

    layer: str
    maps: Map
    """(n, heads, y, x), 0 or more: of the class token, or as the notes say."""
    elsewhere: npt.NDArray[np.float32]
    """(n, heads): what goes to tokens of no place, such as the class token itself; with `maps` it adds up to 1."""
    scores: npt.NDArray[np.float64]
    """(n,) of the score that was asked for; the maps do not depend on it."""
    notes: tuple[str, ...]


def attentions(opened: OpenNetwork, score: Score, batch: Tensor, *, at_once: int = 16) -> tuple[Attention, ...]:
    """The attention of every layer, the first layer first.

    Args:
        opened: the network.
        score: whose network pass is looked at.
        batch: (n, 3, h, w), normalised.
        at_once: images at once; bounds memory, since each takes layers x heads x tokens x tokens numbers.

    Raises:
        Refused: nothing in the network attends (a CNN), or inside windows only (Swin), or over tokens that change from
            layer to layer.
    """
    reading = reading_of(opened, score, batch)
    parts: list[list[Tensor]] = [[] for _ in reading.layers]
    scores: list[Tensor] = []
    for block in blocks(len(batch), at_once):
        values, said = passed(opened, score, batch[block])
        for rows, weights in zip(parts, said, strict=True):
            rows.append(reading.rows(by_head(weights, len(values))))
        scores.append(values)
    scored = torch.cat(scores).double().cpu().numpy()
    return tuple(
        Attention(
            layer,
            reading.places(rows).cpu().numpy(),
            rows[:, :, : reading.layout.prefix].sum(dim=2).cpu().numpy(),
            scored,
            (BLIND, *reading.notes),
        )
        for layer, rows in zip(reading.layers, map(torch.cat, parts), strict=True)
    )


def head_maps(attention: Attention) -> tuple[Heat, ...]:
    """One heat a head of a layer, in their order."""
    return tuple(
        _heat(f"attention, head {head}", attention, attention.maps[:, head]) for head in range(attention.maps.shape[1])
    )


def mean_attention(attention: Attention) -> Heat:
    """The average over the heads of a layer."""
    return _heat("attention", attention, attention.maps.mean(axis=1))


def weighted_attention(layers: Sequence[Attention], weights: npt.NDArray[np.float64]) -> Heat:
    """A sum over layers and heads, each times a number of yours.

    Args:
        layers: as `attentions` gives them, all or some.
        weights: (layers, heads), finite.

    Raises:
        Refused: the weights are of another shape, or not finite.
    """
    shapes = {one.maps.shape for one in layers}
    if len(shapes) != 1 or weights.shape != (len(layers), layers[0].maps.shape[1]) or not np.isfinite(weights).all():
        heads = " or ".join(str(shape[1]) for shape in sorted(shapes))
        raise Refused(f"weights of shape {weights.shape} for {len(layers)} layers of {heads} heads: one for each")
    maps = np.einsum("lh,lnhyx->nyx", weights, np.stack([one.maps for one in layers])).astype(np.float32)
    return Heat(
        "attention, weighted",
        spanned([one.layer for one in layers]),
        maps,
        layers[0].scores,
        SHARE if np.isclose(weights.sum(), 1) else "weighted attention",
        signed=bool((weights < 0).any()),
        notes=layers[0].notes,
    )


def spanned(layers: Sequence[str]) -> str:
    """The name of several layers together."""
    return layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}"


def _heat(method: str, attention: Attention, maps: Map) -> Heat:
    return Heat(method, attention.layer, maps, attention.scores, SHARE, signed=False, notes=attention.notes)
