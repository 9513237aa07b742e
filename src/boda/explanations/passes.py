"""Scores and their gradients at the pixels, some rows at a time, whatever mode the caller is in."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.score import Score


@contextmanager
def gradients_on() -> Iterator[None]:
    """Gradients can be taken inside, also of a caller in inference mode."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def scored(opened: OpenNetwork, score: Score, rows: Tensor) -> Tensor:
    """(n, 3, h, w) to (n,), without a graph.

    Raises:
        Refused: the score is not one number a row.
    """
    with torch.no_grad():
        return one_a_row(score, score.through(opened)(rows.clone()), rows)  # a first layer may work in place


def slopes(opened: OpenNetwork, score: Score, rows: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) scores, and (n, 3, h, w) the gradient of each with respect to its own row.

    Args:
        opened: the network.
        score: of each row by itself.
        rows: (n, 3, h, w), normalised; not changed.

    Raises:
        Refused: the score is not one number a row, or does not depend on the pixels.
    """
    with gradients_on():
        leaf = rows.detach().clone().requires_grad_()
        scores = one_a_row(score, score.through(opened)(leaf.clone()), rows)
        refuse_unmoved(opened, score, scores)
        (found,) = torch.autograd.grad(scores.sum(), leaf)
    return scores.detach(), found


def one_a_row(score: Score, scores: Tensor, rows: Tensor) -> Tensor:
    """The scores, if there is one a row."""
    if scores.shape != rows.shape[:1]:
        raise Refused(
            f"score {score.name!r} gives shape {tuple(scores.shape)} for {len(rows)} images: it must give one number "
            "an image, of that image alone"
        )
    return scores


def refuse_unmoved(opened: OpenNetwork, score: Score, scores: Tensor) -> None:
    """Raise `Refused` where no gradient reaches the pixels."""
    if not scores.requires_grad:
        raise Refused(
            f"encoder {opened.name!r}: score {score.name!r} has no gradient at the pixels: explain it by occlusion"
        )


def blocks(count: int, at_once: int) -> Iterator[slice]:
    """`count` rows, `at_once` of them at a time.

    Raises:
        Refused: that is none.
    """
    if at_once < 1:
        raise Refused(f"at_once={at_once} must be at least 1")
    return (slice(start, min(start + at_once, count)) for start in range(0, count, at_once))
