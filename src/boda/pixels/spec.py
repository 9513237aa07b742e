"""PixelSpec: everything that turns bytes into the pixels that a network sees, as one frozen record."""

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from boda.errors import Refused

Rgb: TypeAlias = tuple[float, float, float]
Filter: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Decoder: TypeAlias = Literal["scaled", "exact"]

DECODE_RULES = 1
"""Raised whenever the same bytes would give other pixels, or another verdict. Part of every recipe."""


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """Bytes to model input, in the order of the fields. The result is always (height, width, 3) uint8.

    Mean and std are applied by the encoder, on a 0..1 scale, after the uint8 pixels.
    """

    resize: int | tuple[int, int] | None
    """Short side, or exactly (height, width), in pixels; None: as it is."""
    crop: tuple[int, int] | None
    """Centre crop (height, width); smaller images are padded with black as torchvision does. None: no crop."""
    filter: Filter = "bicubic"
    antialias: bool = True
    mean: Rgb = (0.0, 0.0, 0.0)
    std: Rgb = (1.0, 1.0, 1.0)
    decoder: Decoder = "scaled"
    """`scaled`: large JPEGs are decoded at 1/2, 1/4 or 1/8 size where that is still ample; `exact`: never."""
    range: tuple[float, float] | None = None
    """Values that become 0 and 255 in 16-bit files (a 12-bit camera: (0, 4095)); None: the full 16 bits."""
    stretch: str | None = None
    """For FITS and float files: `linear:LOW,HIGH`, `asinh:LOW,HIGH` or `log:LOW,HIGH`; None: such files are
    refused, as nobody can guess their black and white."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the result.

        Raises:
            Refused: the record does not fix it.
        """
        if self.crop is not None:
            return self.crop
        if isinstance(self.resize, tuple):
            return self.resize
        raise Refused(f"{self} does not fix the size of its result: give crop, or resize as (height, width)")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, with the version of the decoding rules."""
        record: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {name: list(v) if isinstance(v, tuple) else v for name, v in record.items()}
        return plain | {"rules": DECODE_RULES}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "PixelSpec":
        """The spec that `as_json` wrote."""
        names = {f.name for f in fields(cls)}
        tupled = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k in names}
        return cls(**tupled)
