"""Turning, shifting, stretching and shearing an image, without black corners unless they are asked for.

torchvision's affine knows only colours beyond the image. Here the same matrix samples the image mirrored or its edge
as well. With a colour the result is torchvision's, but for the border, where torchvision mixes the colour in twice.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from boda.pixels.augmenting.chance import Numbers
from boda.pixels.augmenting.step import Fill, Step, fill, number, one_of, settle, span, two

if TYPE_CHECKING:
    import torch

Sampling: TypeAlias = Literal["nearest", "bilinear"]
Matrix: TypeAlias = tuple[float, float, float, float, float, float]
"""(a, b, c, d, e, f): the pixel at (x, y) comes from (a x + b y + c, d x + e y + f), both from the image's middle."""

_SAMPLINGS = ("nearest", "bilinear")
_BEYOND = {"reflect": "reflection", "edge": "border"}


def inverse_affine(
    *,
    degrees: float = 0.0,
    translate: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    shear: tuple[float, float] = (0.0, 0.0),
    centre: tuple[float, float] = (0.0, 0.0),
) -> Matrix:
    """Where the pixels come from when an image is sheared, scaled, turned about a point, and shifted.

    Args:
        degrees: clockwise.
        translate: (right, down), in pixels.
        scale: above 1 enlarges.
        shear: (along x, along y), in degrees.
        centre: what stays in its place but for the shift, from the image's middle, in pixels.
    """
    turn, tilt, slope = math.radians(degrees), math.radians(shear[1]), math.tan(math.radians(shear[0]))
    a, c = math.cos(turn - tilt) / math.cos(tilt), math.sin(turn - tilt) / math.cos(tilt)
    b, d = -a * slope - math.sin(turn), -c * slope + math.cos(turn)
    (x, y), (right, down) = centre, (centre[0] + translate[0], centre[1] + translate[1])
    a, b, c, d = d / scale, -b / scale, -c / scale, a / scale  # the inverse: the determinant is scale squared
    return a, b, x - a * right - b * down, c, d, y - c * right - d * down


def warp(image: "torch.Tensor", matrix: Matrix, fill: Fill, interpolation: Sampling) -> "torch.Tensor":
    """The image (c, h, w) with each pixel taken from where the matrix says.

    A colour beyond the image is subtracted before and added after, as sampling there gives 0.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    height, width = image.shape[-2:]
    a, b, c, d, e, f = matrix
    across, down = width / 2, height / 2
    unit = torch.tensor([[a, b * down / across, c / across], [d * across / down, e, f / down]], device=image.device)
    grid = affine_grid(unit[None], [1, *image.shape], align_corners=False)
    values = image[None].float()
    colour = (
        None if isinstance(fill, str) else torch.tensor(fill, dtype=values.dtype, device=image.device).view(-1, 1, 1)
    )
    if colour is not None:
        values = values - colour
    beyond = _BEYOND[fill] if isinstance(fill, str) else "zeros"
    sampled = grid_sample(values, grid, mode=interpolation, padding_mode=beyond, align_corners=False)[0]
    if colour is not None:
        sampled = sampled + colour
    return sampled.round_().to(image.dtype)


@dataclass(frozen=True, slots=True)
class Rotation(Step):
    """Turn about the middle, by a random angle."""

    degrees: float
    """At most, either way."""
    fill: Fill = "reflect"
    interpolation: Sampling = "bilinear"
    name: ClassVar[str] = "rotation"

    def __post_init__(self) -> None:
        """Check every field."""
        settle(
            self,
            degrees=number(self, "degrees", 0, 180),
            fill=fill(self),
            interpolation=one_of(self, "interpolation", *_SAMPLINGS),
        )

    @property
    def draws(self) -> int:
        """One: the angle."""
        return 1

    @property
    def turn(self) -> float:
        """The degrees."""
        return self.degrees

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Turn one image."""
        degrees = _within(-self.degrees, self.degrees, numbers[0])
        return warp(image, inverse_affine(degrees=degrees), self.fill, self.interpolation)


@dataclass(frozen=True, slots=True)
class Affine(Step):
    """Shear, scale, turn about the middle and shift, each by a random amount."""

    degrees: float
    """At most, either way."""
    translate: tuple[float, float] = (0.0, 0.0)
    """At most, either way, as a share of (width, height); shifts are whole pixels."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest."""
    shear: tuple[float, float] = (0.0, 0.0)
    """At most, either way, in degrees along (x, y)."""
    fill: Fill = "reflect"
    interpolation: Sampling = "bilinear"
    name: ClassVar[str] = "affine"

    def __post_init__(self) -> None:
        """Check every field."""
        settle(
            self,
            degrees=number(self, "degrees", 0, 180),
            translate=two(self, "translate", 0, 1),
            scale=span(self, "scale", 1e-3, 1e3),
            shear=two(self, "shear", 0, 89),
            fill=fill(self),
            interpolation=one_of(self, "interpolation", *_SAMPLINGS),
        )

    @property
    def draws(self) -> int:
        """Angle, two shifts, scale, two shears."""
        return 6

    @property
    def turn(self) -> float:
        """The degrees."""
        return self.degrees

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Change one image."""
        height, width = image.shape[-2:]
        right, down = self.translate[0] * width, self.translate[1] * height
        matrix = inverse_affine(
            degrees=_within(-self.degrees, self.degrees, numbers[0]),
            translate=(round(_within(-right, right, numbers[1])), round(_within(-down, down, numbers[2]))),
            scale=_within(*self.scale, numbers[3]),
            shear=(
                _within(-self.shear[0], self.shear[0], numbers[4]),
                _within(-self.shear[1], self.shear[1], numbers[5]),
            ),
        )
        return warp(image, matrix, self.fill, self.interpolation)


def _within(low: float, high: float, share: float) -> float:
    return low + float(share) * (high - low)
