"""VGG-19, which the paper of ResNets compares its own with: Simonyan and Zisserman, arXiv:1409.1556, column E.

Names of parameters are torchvision's, whose state dicts load unchanged.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

_WIDTHS, _DEPTHS = (64, 128, 256, 512, 512), (2, 2, 4, 4, 4)
"""Channels and 3 x 3 convolutions of each stage; the maximum of 2 x 2 ends it."""
_HIDDEN = 4096


class VGG19(nn.Module):
    """Sixteen 3 x 3 convolutions in five stages, and three linear layers."""

    def __init__(self, *, classes: int = 1000) -> None:
        """A network with torch's own random weights, for images of 224 x 224."""
        super().__init__()
        parts: list[nn.Module] = []
        for (entering, width), depth in zip(pairwise((3, *_WIDTHS)), _DEPTHS, strict=True):
            for first in (entering, *(width,) * (depth - 1)):
                parts += [nn.Conv2d(first, width, 3, padding=1), nn.ReLU()]
            parts.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*parts)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(_WIDTHS[-1] * 7 * 7, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(_HIDDEN, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, k): scores before the softmax."""
        scores: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))
        return scores
