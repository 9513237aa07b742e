"""A canvas: the numbers behind an image that gradient ascent changes, so that steps go where natural images vary.

Ascent on bare pixels ends in high-frequency noise that no photograph has. Here the numbers are the image's Fourier
coefficients, each scaled as natural images are (amplitude falls as 1/frequency), in colours whose parts vary
independently, and a sigmoid keeps pixels between black and white.

Source: Olah, Mordvintsev and Schubert, Feature visualization, Distill 2017, doi:10.23915/distill.00007, "the
enemy of feature visualization".
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Basis: TypeAlias = Literal["fourier", "pixels"]

COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""A square root of the covariance of red, green, blue (rows) over the pixels of ImageNet: columns are light, blue to
yellow, green to purple. As given in the article's code, tensorflow/lucid, optvis/param/color.py, Apache-2.0."""
_QUARTER = 4.0
"""What the article's code divides waves by, so that its rate of 0.05 is that of ours."""
_EDGE = 1 / 1024
"""Pixels closer to black or white than this, on a 0..1 scale, are set back: a sigmoid reaches neither. A quarter of a
level of 255, so whole levels come back as they were."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """One image of a height and a width."""

    height: int
    width: int
    basis: Basis = "fourier"
    decorrelated: bool = True
    """Whether numbers mean light and colour as natural images have them, not red, green and blue."""
    falloff: float = 1.0
    """Of waves: their amplitude is 1 / frequency to this power, and all together they are as strong as with 1, which is
    that of natural images. With more, large forms come first and fine grain last."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the numbers: (3, h, w), or (3, h, w // 2 + 1, 2) real and imaginary parts."""
        if self.basis == "pixels":
            return (3, self.height, self.width)
        return (3, self.height, self.width // 2 + 1, 2)

    def shown(self, numbers: Tensor) -> Tensor:
        """(3, h, w) between 0 and 1, differentiable."""
        return self.light(numbers).sigmoid()

    def light(self, numbers: Tensor) -> Tensor:
        """(3, h, w) before the sigmoid."""
        planes = numbers
        if self.basis == "fourier":
            waves = torch.view_as_complex(numbers) * self._amplitudes(numbers)
            planes = torch.fft.irfft2(waves, s=(self.height, self.width), norm="ortho") / _QUARTER
        return torch.tensordot(_mixing(planes), planes, dims=1) if self.decorrelated else planes

    def numbers_of(self, image: Tensor) -> Tensor:
        """The numbers that show an image, (3, h, w) between 0 and 1."""
        planes = image.clamp(_EDGE, 1 - _EDGE).logit()
        if self.decorrelated:
            planes = torch.tensordot(torch.linalg.inv(_mixing(planes)), planes, dims=1)
        if self.basis == "pixels":
            return planes
        waves = torch.fft.rfft2(planes, norm="ortho") * _QUARTER
        return torch.view_as_real(waves / self._amplitudes(planes)).contiguous()

    def _amplitudes(self, like: Tensor) -> Tensor:
        """(h, w // 2 + 1): 1 / frequency^falloff, in cycles a pixel; the mean counts as the slowest wave."""
        down = torch.fft.fftfreq(self.height, device=like.device)[:, None]
        across = torch.fft.rfftfreq(self.width, device=like.device)[None]
        natural = 1 / torch.hypot(down, across).clamp(min=1 / max(self.height, self.width))
        steeper = natural**self.falloff
        return steeper * (natural.square().sum() / steeper.square().sum()).sqrt()


def scrambled(light: Tensor, generator: torch.Generator) -> Tensor:
    """The same waves, each shifted by chance, alike in all colours: as strong and as colourful, and of nothing.

    Args:
        light: (3, h, w).
        generator: on the CPU.
    """
    h, w = light.shape[1:]
    noise = torch.fft.rfft2(torch.randn(h, w, generator=generator)).to(light.device)
    shifts = torch.polar(torch.ones_like(noise.abs()), noise.angle())
    shifts[0, 0] = 1  # the mean stays
    moved: Tensor = torch.fft.irfft2(torch.fft.rfft2(light) * shifts, s=(h, w))
    return moved


def _mixing(like: Tensor) -> Tensor:
    """(3, 3) from independent colours to red, green, blue; the longest column has length 1."""
    columns = torch.tensor(COLOURS, device=like.device)
    longest: Tensor = torch.linalg.vector_norm(columns, dim=0).max()
    return columns / longest
