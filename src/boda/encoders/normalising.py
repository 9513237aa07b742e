"""From uint8 pixels to what a network sees: (pixels / 255 - mean) / std."""

from typing import TYPE_CHECKING

from boda.arrays import Pixels
from boda.pixels.spec import PixelSpec

if TYPE_CHECKING:
    import torch


def normalisation(spec: PixelSpec) -> "tuple[torch.Tensor, torch.Tensor]":
    """What one row of pixels, (w * 3,), is multiplied by and what is then added."""
    import torch

    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (spec.mean, spec.std))
    width = spec.shape[1]
    return (1 / (255 * std)).float().repeat(width), (-mean / std).float().repeat(width)


def normalised(pixels: Pixels, scale: "torch.Tensor", shift: "torch.Tensor") -> "torch.Tensor":
    """(n, h, w, 3) uint8 to (n, 3, h, w) float32, channels last in memory: (pixels / 255 - mean) / std.

    Row by row, so that the inner loop is long: 2 ms for 32 images on one core, not 12 as channel by channel.
    """
    import torch

    n, h, w, _ = pixels.shape
    usable = pixels if pixels.flags.writeable and pixels.flags.c_contiguous else pixels.copy(order="C")
    rows = torch.from_numpy(usable).to(scale.device).view(n * h, w * 3)
    return rows.to(torch.float32).mul_(scale).add_(shift).view(n, h, w, 3).permute(0, 3, 1, 2)
