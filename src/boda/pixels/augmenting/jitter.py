"""Colour: what changes when the light does."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.pixels.augmenting.chance import Numbers
from boda.pixels.augmenting.kernels import kernels
from boda.pixels.augmenting.step import Step, number, settle

if TYPE_CHECKING:
    import torch

_CHANGES = ("brightness", "contrast", "saturation", "hue")
_DIRECTIONS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
_SPREADS = np.array([0.2175, 0.0188, 0.0045])
"""Principal components of the colours of ImageNet on a 0..1 scale, as facebook/fb.resnet.torch has them."""


@dataclass(frozen=True, slots=True)
class ColorJitter(Step):
    """Change brightness, contrast, saturation and hue by random amounts, in random order.

    Source: Howard, arXiv:1312.5402; the numbers as torchvision draws them.
    """

    brightness: float = 0.0
    """At most; 0.2 is a factor from 0.8 to 1.2. Never below 0; the same for the next two."""
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    """At most, either way, as a share of the colour circle."""
    name: ClassVar[str] = "color_jitter"

    def __post_init__(self) -> None:
        """Check every field."""
        settle(self, **{name: number(self, name, 0, 0.5 if name == "hue" else math.inf) for name in _CHANGES})

    @property
    def draws(self) -> int:
        """The order of four changes, and how far each goes."""
        return 2 * len(_CHANGES)

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Change one image."""
        factors = self.factors(numbers)
        for place in np.argsort(numbers[:4]):
            name = _CHANGES[place]
            if getattr(self, name) > 0:
                image = getattr(kernels(), f"adjust_{name}")(image, factors[place])
        return image

    def factors(self, numbers: Numbers) -> list[float]:
        """Of brightness, contrast and saturation, and the shift of hue."""
        most = [getattr(self, name) for name in _CHANGES]
        lowest = [*(max(0.0, 1 - one) for one in most[:3]), -self.hue]
        highest = [*(1 + one for one in most[:3]), self.hue]
        return [low + float(u) * (high - low) for low, high, u in zip(lowest, highest, numbers[4:], strict=True)]


@dataclass(frozen=True, slots=True)
class Lighting(Step):
    """Add a random mixture of the main colour differences of ImageNet to every pixel.

    Source: Krizhevsky et al., NIPS 2012, section 4.1: the "standard color augmentation" of He et al. 2015.
    """

    std: float = 0.1
    """Of the mixture's three normal weights."""
    name: ClassVar[str] = "lighting"

    def __post_init__(self) -> None:
        """Check std."""
        settle(self, std=number(self, "std", 0, 10))

    @property
    def draws(self) -> int:
        """Two for each pair of normal numbers."""
        return 4

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Change one image.

        Raises:
            Refused: it has no colours.
        """
        import torch

        if image.shape[0] != 3:
            raise Refused(f"{self.name} is for images of three colours, and these have {image.shape[0]}")
        shift = torch.from_numpy(self.shift(numbers)).to(image.device, torch.float32)
        return (image.float() + shift[:, None, None]).round_().clamp_(0, 255).to(image.dtype)

    def shift(self, numbers: Numbers) -> npt.NDArray[np.float64]:
        """What is added to red, green and blue, in levels of 255."""
        length, angle = np.sqrt(-2 * np.log1p(-numbers[:2])), 2 * math.pi * numbers[2:]
        normal = np.array([*(length * np.cos(angle)), length[0] * math.sin(angle[0])])  # Box and Muller 1958
        shift: npt.NDArray[np.float64] = 255 * _DIRECTIONS @ (self.std * normal * _SPREADS)
        return shift
