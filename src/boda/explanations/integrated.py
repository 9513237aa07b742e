"""Integrated gradients: the gradient along the straight way from a baseline to the image (arXiv:1703.01365).

What a pixel gets is its difference from the baseline times the mean gradient on the way, and all of them add up to
what the score gained on it: completeness. With a finite number of steps they do so nearly; the gap is reported.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.baselines import Baseline, baseline_of
from boda.explanations.heat import Heat
from boda.explanations.passes import blocks, scored, slopes
from boda.explanations.score import Score

Rule: TypeAlias = Literal["gauss-legendre", "midpoint"]


def integrated_gradients(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    *,
    baseline: Baseline = "black",
    steps: int = 50,
    rule: Rule = "gauss-legendre",
    at_once: int = 64,
) -> Heat:
    """Attributions added over channels: signed, in units of the score.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        baseline: where the way begins.
        steps: places on it where the gradient is taken.
        rule: how they are placed and weighed.
        at_once: places at once, of all images; bounds memory.

    Returns:
        Maps, with `gaps["completeness"]`: what they add up to, less score(image) - score(baseline).

    Raises:
        Refused: an argument makes no sense, the score does not depend on the pixels or is not one number an image.

    Source: Sundararajan, Taly and Yan, ICML 2017.
    """
    places, weights = (torch.from_numpy(one).to(batch) for one in _quadrature(rule, steps))
    batch = batch.detach()
    start = baseline_of(opened, batch, baseline)
    mean = torch.zeros_like(batch)
    for block in blocks(len(batch) * steps, at_once):
        row = torch.arange(block.start, block.stop, device=batch.device)
        image, step = row // steps, row % steps
        along = places[step, None, None, None]
        _, found = slopes(opened, score, torch.lerp(start[image], batch[image], along))
        mean.index_add_(0, image, weights[step, None, None, None] * found)
    maps = ((batch - start) * mean).sum(dim=1)
    scores, from_scores = (
        torch.cat([scored(opened, score, rows[block]) for block in blocks(len(batch), at_once)]).double()
        for rows in (batch, start)
    )
    gap = maps.double().sum(dim=(1, 2)) - (scores - from_scores)
    return Heat(
        "integrated gradients",
        "",
        maps.cpu().numpy(),
        scores.cpu().numpy(),
        score.unit,
        signed=True,
        gaps={"completeness": gap.cpu().numpy()},
    )


def _quadrature(rule: Rule, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in 0..1 and their weights, which add up to 1."""
    if steps < 1:
        raise Refused(f"steps={steps} must be at least 1")
    if rule == "gauss-legendre":
        places, weights = np.polynomial.legendre.leggauss(steps)
        return (places + 1) / 2, weights / 2
    if rule == "midpoint":
        return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)
    raise Refused(f"no rule {rule!r}; one of {', '.join(get_args(Rule))}")
