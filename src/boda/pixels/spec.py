"""PixelSpec: everything that turns bytes into the pixels that a network sees, as one frozen record."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from boda.errors import Refused
from boda.pixels.stretch import parse_stretch

Rgb: TypeAlias = tuple[float, float, float]
Filter: TypeAlias = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Decoder: TypeAlias = Literal["scaled", "exact"]

DECODE_RULES = 1
"""Raised whenever the same bytes would give other pixels, or another verdict. Part of every recipe."""

_SAMPLING: tuple[Filter, ...] = ("nearest", "bilinear", "bicubic")
_LARGEST_SIDE = 65_535


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """Bytes to model input, in the order of the fields. The result is always (height, width, 3) uint8.

    Mean and std are applied by the encoder, on a 0..1 scale, after the uint8 pixels.

    Raises:
        Refused: a value makes no sense.
    """

    resize: int | tuple[int, int] | None
    """Short side, or exactly (height, width), in pixels; None: as it is."""
    crop: tuple[int, int] | None
    """Centre crop (height, width); smaller images are padded with black as torchvision does. None: no crop."""
    filter: Filter = "bicubic"
    antialias: bool = True
    """False: each pixel is sampled from its nearest neighbours in the file, however far it is shrunk; only with
    `nearest`, `bilinear` and `bicubic`. Aliases, so only for networks that were trained so."""
    mean: Rgb = (0.0, 0.0, 0.0)
    std: Rgb = (1.0, 1.0, 1.0)
    decoder: Decoder = "scaled"
    """`scaled`: large JPEGs are decoded at 1/2, 1/4 or 1/8 size where that is still ample; `exact`: never."""
    range: tuple[float, float] | None = None
    """Values that become 0 and 255 in 16-bit files (a 12-bit camera: (0, 4095)); None: the full 16 bits."""
    stretch: str | None = None
    """For FITS and float files: `linear:LOW,HIGH`, `asinh:LOW,HIGH` or `log:LOW,HIGH`; None: such files are
    refused, as nobody can guess their black and white."""
    rules: int = DECODE_RULES
    """The decoding rules it was made with. Another number is kept as it is, and `prepare` refuses it."""

    def __post_init__(self) -> None:
        """Check every value, and give equal specs equal fields, so that equal specs have equal JSON."""
        _set(self, "resize", _checked_resize(self.resize))
        _set(self, "crop", None if self.crop is None else _checked_sides("crop", self.crop))
        if self.filter not in get_args(Filter):
            raise Refused(f"no filter {self.filter!r}; one of {', '.join(get_args(Filter))}")
        if self.decoder not in get_args(Decoder):
            raise Refused(f"no decoder {self.decoder!r}; one of {', '.join(get_args(Decoder))}")
        if not isinstance(self.antialias, bool):
            raise Refused(f"antialias={self.antialias!r} must be true or false")
        if not self.antialias and self.filter not in _SAMPLING:
            raise Refused(f"filter {self.filter!r} has no form without antialias; one of {', '.join(_SAMPLING)}")
        _set(self, "mean", _checked_numbers("mean", self.mean, 3))
        _set(self, "std", _checked_numbers("std", self.std, 3))
        if min(self.std) <= 0:
            raise Refused(f"std={self.std} must be above 0")
        if self.range is not None:
            low, high = _checked_numbers("range", self.range, 2)
            if low >= high:
                raise Refused(f"range={self.range}: the first number must be below the second")
            _set(self, "range", (low, high))
        if self.stretch is not None:
            _set(self, "stretch", str(parse_stretch(self.stretch)))
        if isinstance(self.rules, bool) or not isinstance(self.rules, int):
            raise Refused(f"rules={self.rules!r} must be a whole number")

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
        return {name: list(v) if isinstance(v, tuple) else v for name, v in record.items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "PixelSpec":
        """The spec that `as_json` wrote.

        Raises:
            Refused: a field that this version of boda does not know, one that is missing, or nonsense in one.
        """
        unknown = sorted(set(record) - {f.name for f in fields(cls)})
        if unknown:
            raise Refused(f"pixel spec with unknown field {unknown[0]!r}: written by a newer boda? Update boda")
        missing = sorted({"resize", "crop"} - set(record))
        if missing:
            raise Refused(f"pixel spec without {missing[0]!r}")
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}
        return cls(**values)


def _set(spec: PixelSpec, name: str, value: object) -> None:
    object.__setattr__(spec, name, value)


def _checked_resize(resize: object) -> int | tuple[int, int] | None:
    if resize is None:
        return None
    if isinstance(resize, (tuple, list)):
        return _checked_sides("resize", resize)
    return _checked_side("resize", resize)


def _checked_sides(name: str, sides: object) -> tuple[int, int]:
    if not isinstance(sides, (tuple, list)) or len(sides) != 2:
        raise Refused(f"{name}={sides!r} must be two whole numbers: height and width")
    return _checked_side(name, sides[0]), _checked_side(name, sides[1])


def _checked_side(name: str, side: object) -> int:
    if isinstance(side, bool) or not hasattr(side, "__index__") or not 0 < side.__index__() <= _LARGEST_SIDE:
        raise Refused(f"{name}={side!r} must be a whole number of pixels, 1 to {_LARGEST_SIDE}")
    return int(side.__index__())


def _checked_numbers(name: str, numbers: object, count: int) -> Any:
    try:
        plain = tuple(float(n) + 0.0 for n in numbers)  # type: ignore[attr-defined]  # + 0.0 turns -0.0 into 0.0
    except (TypeError, ValueError, OverflowError):
        plain = ()
    if len(plain) != count or not all(map(math.isfinite, plain)):
        raise Refused(f"{name}={numbers!r} must be {count} finite numbers")
    return plain
