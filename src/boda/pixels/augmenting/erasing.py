"""Random erasing: a rectangle of the image is overwritten, so that no single part can be relied on."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from boda.errors import Refused
from boda.keys import shown
from boda.pixels.augmenting.chance import Numbers
from boda.pixels.augmenting.step import Step, number, settle, span

if TYPE_CHECKING:
    import torch

_TRIES = 10


@dataclass(frozen=True, slots=True)
class RandomErasing(Step):
    """Overwrite a random rectangle with noise or a grey level.

    Source: Zhong et al., arXiv:1708.04896; the numbers as torchvision draws them.
    """

    p: float = 0.5
    """How often."""
    scale: tuple[float, float] = (0.02, 0.33)
    """Smallest and largest share of the image's area."""
    ratio: tuple[float, float] = (0.3, 3.3)
    """Widest and tallest shape: height / width."""
    value: int | str = "random"
    """`random`: every pixel and colour for itself, from 0 to 255; or one grey level."""
    name: ClassVar[str] = "random_erasing"

    def __post_init__(self) -> None:
        """Check every field."""
        if self.value != "random" and (type(self.value) is not int or not 0 <= self.value <= 255):
            raise Refused(f"{self.name}: value={shown(str(self.value))} must be random or a grey level, 0 to 255")
        settle(
            self,
            p=number(self, "p", 0, 1),
            scale=span(self, "scale", 0, 1),
            ratio=span(self, "ratio", 1e-3, 1e3),
        )

    @property
    def draws(self) -> int:
        """Whether; area and shape for each try; the place; two of which the noise is made."""
        return 2 * _TRIES + 5

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Erase a part of one image, or nothing."""
        rows, columns = image.shape[-2:]
        box = self.box(rows, columns, numbers)
        if box is None:
            return image
        top, left, height, width = box
        erased = image.clone()
        erased[:, top : top + height, left : left + width] = self._content(image, height, width, numbers)
        return erased

    def box(self, height: int, width: int, numbers: Numbers) -> tuple[int, int, int, int] | None:
        """(top, left, height, width) of what is erased; None where nothing is, or no try fits into the image."""
        if numbers[0] >= self.p:
            return None
        tries = numbers[1 : 2 * _TRIES + 1].reshape(_TRIES, 2)
        area = height * width * (self.scale[0] + tries[:, 0] * (self.scale[1] - self.scale[0]))
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        ratio = np.exp(low + tries[:, 1] * (high - low))
        heights, widths = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        fits = (heights < height) & (widths < width)
        if not fits.any():
            return None
        tall, wide = int(heights[fits.argmax()]), int(widths[fits.argmax()])
        return int(numbers[-4] * (height - tall + 1)), int(numbers[-3] * (width - wide + 1)), tall, wide

    def _content(self, image: "torch.Tensor", height: int, width: int, numbers: Numbers) -> "torch.Tensor | int":
        import torch

        if isinstance(self.value, int):
            return self.value
        noise = np.random.default_rng([int(one * 2**32) for one in numbers[-2:]])
        levels = noise.integers(0, 256, (height, width, image.shape[0]), dtype=np.uint8)
        return torch.from_numpy(levels).permute(2, 0, 1).to(image.device)
