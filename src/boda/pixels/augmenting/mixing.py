"""MixUp and CutMix: two images of a batch become one, and their labels with them."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from boda.pixels.augmenting.step import Declared, number, settle

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """A batch whose images are mixed."""

    pixels: "torch.Tensor"
    """(n, h, w, c) uint8."""
    partners: npt.NDArray[np.int64]
    """(n,): which image of the batch each was mixed with; itself where nothing was mixed."""
    share: float
    """How much each image has kept of itself: of its brightness or of its area; 1 where nothing was mixed."""

    def targets(self, targets: Any) -> Any:
        """Targets mixed as the images are.

        Args:
            targets: (n, k) probabilities or one-hot classes, or (n,) numbers; floats, a tensor or an array.

        Returns:
            The same shape: share of its own, and the rest of its partner's.
        """
        return self.share * targets + (1 - self.share) * targets[self.partners]


class Mixing(Declared):
    """Something that is done to a whole batch. Images are (n, h, w, c) uint8 tensors; none is written to."""

    __slots__ = ()

    def mix(self, images: "torch.Tensor", rng: np.random.Generator) -> Mixed:
        """Mix each image with one that is drawn for it."""
        partners = rng.permutation(len(images))
        pixels, share = self.mixed(images, images[partners], rng)
        return Mixed(pixels, partners, share)

    @abstractmethod
    def mixed(
        self, images: "torch.Tensor", others: "torch.Tensor", rng: np.random.Generator
    ) -> tuple["torch.Tensor", float]:
        """Images mixed with others, row by row, and the share that is the images' own."""


@dataclass(frozen=True, slots=True)
class MixUp(Mixing):
    """A weighted mean of both images.

    Source: Zhang et al., arXiv:1710.09412.
    """

    alpha: float = 0.2
    """Of the Beta(alpha, alpha) that the weight is drawn from, once for a batch."""
    name: ClassVar[str] = "mixup"

    def __post_init__(self) -> None:
        """Check alpha."""
        settle(self, alpha=number(self, "alpha", 1e-3, 1e3))

    def mixed(
        self, images: "torch.Tensor", others: "torch.Tensor", rng: np.random.Generator
    ) -> tuple["torch.Tensor", float]:
        """The mean, rounded, and the weight of the images."""
        share = float(rng.beta(self.alpha, self.alpha))
        return images.float().mul_(share).add_(others.float(), alpha=1 - share).round_().to(images.dtype), share


@dataclass(frozen=True, slots=True)
class CutMix(Mixing):
    """A rectangle of one image pasted into the other.

    The label counts the pixels that were pasted, as a rectangle over the border is cut off there.

    Source: Yun et al., arXiv:1905.04899.
    """

    alpha: float = 1.0
    """Of the Beta(alpha, alpha) that the kept area is drawn from, once for a batch."""
    name: ClassVar[str] = "cutmix"

    def __post_init__(self) -> None:
        """Check alpha."""
        settle(self, alpha=number(self, "alpha", 1e-3, 1e3))

    def mixed(
        self, images: "torch.Tensor", others: "torch.Tensor", rng: np.random.Generator
    ) -> tuple["torch.Tensor", float]:
        """The images with a rectangle of the others, and the share of pixels that is their own."""
        height, width = images.shape[1:3]
        kept = float(rng.beta(self.alpha, self.alpha))
        across, down = int(rng.integers(width)), int(rng.integers(height))
        top, left, bottom, right = paste_box(height, width, kept, down, across)
        pasted = images.clone()
        pasted[:, top:bottom, left:right] = others[:, top:bottom, left:right]
        return pasted, 1 - (bottom - top) * (right - left) / (height * width)


def paste_box(height: int, width: int, kept: float, down: int, across: int) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of a rectangle around a point, of an area of 1 - kept but for what is outside."""
    half = 0.5 * math.sqrt(1 - kept)
    tall, wide = int(half * height), int(half * width)
    return max(down - tall, 0), max(across - wide, 0), min(down + tall, height), min(across + wide, width)
