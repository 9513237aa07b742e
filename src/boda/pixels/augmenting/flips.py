"""Flips: the image mirrored left to right, or upside down."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from boda.pixels.augmenting.chance import Numbers
from boda.pixels.augmenting.step import Step, number, settle

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Flip(Step):
    """What both flips have."""

    p: float = 0.5
    """How often."""
    dimension: ClassVar[int]

    def __post_init__(self) -> None:
        """Check p."""
        settle(self, p=number(self, "p", 0, 1))

    @property
    def draws(self) -> int:
        """One: whether."""
        return 1

    def happens(self, numbers: Numbers) -> npt.NDArray[np.bool_]:
        """Which of (n, 1) numbers, or whether (1,) numbers, flip an image."""
        happens: npt.NDArray[np.bool_] = numbers[..., 0] < self.p
        return happens

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Flip it, or not."""
        return image.flip(self.dimension) if self.happens(numbers) else image

    def apply_batch(self, images: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Flip some of them."""
        import torch

        which = torch.from_numpy(self.happens(numbers)).to(images.device)
        flipped = images.clone()
        flipped[which] = flipped[which].flip(self.dimension)
        return flipped


@dataclass(frozen=True, slots=True)
class HorizontalFlip(Flip):
    """Left becomes right."""

    name: ClassVar[str] = "horizontal_flip"
    dimension: ClassVar[int] = -1


@dataclass(frozen=True, slots=True)
class VerticalFlip(Flip):
    """Up becomes down."""

    name: ClassVar[str] = "vertical_flip"
    dimension: ClassVar[int] = -2
