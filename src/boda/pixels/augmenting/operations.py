"""The operations that the learned and the random policies choose from, and how far each of them goes.

Source: Cubuk et al., arXiv:1805.09501, table 6, in the form of torchvision.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boda.pixels.augmenting.kernels import kernels
from boda.pixels.augmenting.step import Fill
from boda.pixels.augmenting.warping import Sampling, inverse_affine, warp

if TYPE_CHECKING:
    import torch

SIGNED = frozenset(
    ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")
)
"""They go either way."""
OPERATIONS = (
    *("Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast"),
    *("Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"),
)
"""What RandAugment and TrivialAugment choose from."""

_ENHANCED = {"Brightness": "brightness", "Color": "saturation", "Contrast": "contrast", "Sharpness": "sharpness"}
_WITHOUT_AMOUNT = {"AutoContrast": "autocontrast", "Equalize": "equalize", "Invert": "invert"}


@dataclass(frozen=True, slots=True)
class Reach:
    """How far each operation goes at the most."""

    shear: float
    """Tangent of the angle."""
    shift: float
    """As a share of the side."""
    shift_pixels: float
    """And, besides, in pixels."""
    rotate: float
    """In degrees."""
    enhance: float
    """Factors from 1 - this to 1 + this."""
    bits: int
    """Lost, of eight."""

    def amount(self, name: str, share: float, height: int, width: int) -> float:
        """How much of an operation, without sign, at a share (0 to 1) of the most; 0 where it knows no more or less."""
        match name:
            case "ShearX" | "ShearY":
                return share * self.shear
            case "TranslateX" | "TranslateY":
                side = width if name == "TranslateX" else height
                return share * (self.shift * side + self.shift_pixels)
            case "Rotate":
                return share * self.rotate
            case "Posterize":
                return round(8 - share * self.bits)
            case "Solarize":
                return 255 * (1 - share)
        return share * self.enhance if name in _ENHANCED else 0.0


NARROW = Reach(shear=0.3, shift=150 / 331, shift_pixels=0, rotate=30, enhance=0.9, bits=4)
"""Of AutoAugment and RandAugment."""
WIDE = Reach(shear=0.99, shift=0, shift_pixels=32, rotate=135, enhance=0.99, bits=6)
"""Of TrivialAugment."""


def operate(image: "torch.Tensor", name: str, amount: float, fill: Fill, interpolation: Sampling) -> "torch.Tensor":
    """Do one operation to an image (c, h, w).

    Args:
        image: uint8.
        name: of `OPERATIONS`, or "Invert".
        amount: signed.
        fill: what stands beyond the image.
        interpolation: of what shears, shifts and turns.
    """
    if name == "Identity":
        return image
    if name in _ENHANCED:
        return getattr(kernels(), f"adjust_{_ENHANCED[name]}")(image, 1 + amount)  # type: ignore[no-any-return]
    if name in _WITHOUT_AMOUNT:
        return getattr(kernels(), _WITHOUT_AMOUNT[name])(image)  # type: ignore[no-any-return]
    if name == "Posterize":
        return kernels().posterize(image, int(amount))  # type: ignore[no-any-return]
    if name == "Solarize":
        return kernels().solarize(image, amount)  # type: ignore[no-any-return]
    height, width = image.shape[-2:]
    corner, slope = (-width / 2, -height / 2), math.degrees(math.atan(amount))
    matrix = {
        "ShearX": lambda: inverse_affine(shear=(slope, 0), centre=corner),
        "ShearY": lambda: inverse_affine(shear=(0, slope), centre=corner),
        "TranslateX": lambda: inverse_affine(translate=(int(amount), 0)),
        "TranslateY": lambda: inverse_affine(translate=(0, int(amount))),
        "Rotate": lambda: inverse_affine(degrees=-amount),
    }[name]()
    return warp(image, matrix, fill, interpolation)
