"""SmoothGrad: the gradient averaged over noisy copies of an image (Smilkov et al., 2017, arXiv:1706.03825)."""

import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.gradients import largest, per_input
from boda.explanations.heat import Heat
from boda.explanations.passes import blocks, scored, slopes
from boda.explanations.score import Score


def smooth_gradient(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    *,
    generator: torch.Generator,
    samples: int = 50,
    noise: float = 0.15,
    at_once: int = 64,
) -> Heat:
    """The largest size over channels of the mean gradient, unsigned, per unit of the normalised input.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        generator: of the noise, on the CPU; the same seed gives the same noise, whatever `at_once` is.
        samples: noisy copies of each image.
        noise: standard deviation, in ranges of the image (its largest value less its smallest, normalised); the paper
            takes 0.1 to 0.2.
        at_once: copies at once; bounds memory.

    Raises:
        Refused: an argument makes no sense, the score does not depend on the pixels or is not one number an image.
    """
    if samples < 1 or noise < 0:
        raise Refused(f"SmoothGrad needs samples={samples} of at least 1 and noise={noise} of at least 0")
    batch = batch.detach()
    spread = noise * (batch.amax(dim=(1, 2, 3)) - batch.amin(dim=(1, 2, 3)))
    total = torch.zeros_like(batch)
    for block in blocks(len(batch) * samples, at_once):
        image = torch.arange(block.start, block.stop, device=batch.device) // samples
        drawn = torch.stack([torch.randn(batch.shape[1:], generator=generator) for _ in image]).to(batch)
        _, found = slopes(opened, score, batch[image] + spread[image, None, None, None] * drawn)
        total.index_add_(0, image, found)
    scores = torch.cat([scored(opened, score, batch[block]) for block in blocks(len(batch), at_once)])
    maps = largest(total / samples).cpu().numpy()
    return Heat("smoothgrad", "", maps, scores.double().cpu().numpy(), per_input(score), signed=False)
