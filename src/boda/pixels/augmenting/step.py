"""What a step of an augmentation is, and how its numbers are checked, said and kept."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from boda.errors import Refused
from boda.keys import shown
from boda.pixels.augmenting.chance import Numbers

if TYPE_CHECKING:
    import torch

Fill: TypeAlias = "str | int | tuple[int, int, int]"
"""What stands where a step looks beyond the image: `reflect` (the image, mirrored), `edge` (its outermost pixels), or
a colour: one grey level or (red, green, blue), 0..255; 0 is black."""

_LARGEST_SIDE = 65_535


class Declared(ABC):
    """Data with a name: a frozen dataclass that JSON keeps whole and one line says."""

    __slots__ = ()
    name: ClassVar[str]
    """In JSON and in words: "random_resized_crop"."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: `step`, the name, then every field."""
        return {"step": self.name, **{field.name: _plain(getattr(self, field.name)) for field in fields_of(self)}}

    def settings(self, *, all_of_them: bool = True) -> str:
        """The fields in words, or only those that are not as they are by default."""
        told = [one for one in fields_of(self) if all_of_them or getattr(self, one.name) != one.default]
        return ", ".join(f"{one.name}={_said(getattr(self, one.name), one.name)}" for one in told)

    def changed(self, **values: Any) -> Self:
        """The same with other values in some fields.

        Raises:
            Refused: a value makes no sense.
        """
        return replace(self, **values)  # type: ignore[type-var]

    def __str__(self) -> str:
        words = self.settings(all_of_them=False)
        return f"{self.name}({words})" if words else self.name


class Step(Declared):
    """Something that is done to one image at a time.

    Images are (c, h, w) uint8 tensors whose channels lie last in memory, of 1 or 3 channels; none is written to.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def draws(self) -> int:
        """How many random numbers it needs for an image."""

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width) of what comes out; None: of what comes in."""
        return None

    @property
    def ample_side(self) -> int:
        """The short side in pixels beyond which a larger image would change little; 0: it does not matter."""
        return 0

    def sized(self, size: tuple[int, int]) -> "Step":
        """The same step for another (height, width) of what comes out; itself where it leaves the size as it is."""
        return self

    @property
    def turn(self) -> float:
        """The largest angle that it may turn an image by, in degrees."""
        return 0.0

    @abstractmethod
    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Do it to one image.

        Args:
            image: (c, h, w).
            numbers: (draws,), uniform in [0, 1); all that is random.
        """

    def apply_batch(self, images: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Do it to images of one size, (n, c, h, w), with (n, draws) numbers; bit for bit as `apply` to each."""
        import torch

        done = torch.stack(
            [self.apply(image, own).permute(1, 2, 0) for image, own in zip(images, numbers, strict=True)]
        )
        return done.permute(0, 3, 1, 2)


def settle(step: Declared, **values: Any) -> None:
    """Give a frozen step its checked values, so that equal steps have equal fields."""
    for name, value in values.items():
        object.__setattr__(step, name, value)


def number(step: Declared, name: str, low: float, high: float) -> float:
    """A field that is a number from `low` to `high`.

    Raises:
        Refused: it is not.
    """
    value = getattr(step, name)
    if not _is_number(value) or not low <= value <= high:
        raise Refused(f"{step.name}: {name}={shown(str(value))} must be {_between(low, high)}")
    return float(value)


def whole(step: Declared, name: str, low: int, high: int) -> int:
    """A field that is a whole number from `low` to `high`.

    Raises:
        Refused: it is not.
    """
    value = getattr(step, name)
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= value.__index__() <= high:
        raise Refused(f"{step.name}: {name}={shown(str(value))} must be a whole number from {low} to {high}")
    return int(value.__index__())


def span(step: Declared, name: str, low: float, high: float) -> tuple[float, float]:
    """A field that is two numbers, the smaller one first, both from `low` to `high`.

    Raises:
        Refused: it is not.
    """
    value = getattr(step, name)
    first, last = value if isinstance(value, (tuple, list)) and len(value) == 2 else (math.nan, math.nan)
    if not _is_number(first) or not _is_number(last) or not low <= first <= last <= high:
        raise Refused(
            f"{step.name}: {name}={shown(str(value))} must be two numbers, the smaller first, {_between(low, high)}"
        )
    return float(first), float(last)


def two(step: Declared, name: str, low: float, high: float) -> tuple[float, float]:
    """A field that is two numbers, for across and down, both from `low` to `high`; or one for both.

    Raises:
        Refused: it is not.
    """
    value = getattr(step, name)
    across, down = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, value)
    if not all(_is_number(one) and low <= one <= high for one in (across, down)):
        raise Refused(f"{step.name}: {name}={shown(str(value))} must be two numbers, {_between(low, high)}")
    return float(across), float(down)


def sides(step: Declared, name: str) -> tuple[int, int]:
    """A field that is (height, width) in pixels, or one side of a square.

    Raises:
        Refused: it is not.
    """
    value = getattr(step, name)
    pair = (value, value) if not isinstance(value, (tuple, list)) else tuple(value)
    good = len(pair) == 2 and all(hasattr(one, "__index__") and 0 < one.__index__() <= _LARGEST_SIDE for one in pair)
    if not good or any(isinstance(one, bool) for one in pair):
        raise Refused(f"{step.name}: {name}={shown(str(value))} must be pixels: a side, or height and width")
    return int(pair[0]), int(pair[1])


def one_of(step: Declared, name: str, *choices: str) -> str:
    """A field that is one of some words.

    Raises:
        Refused: it is not.
    """
    value = getattr(step, name)
    if value not in choices:
        raise Refused(f"{step.name}: {name}={shown(str(value))} must be one of {', '.join(choices)}")
    return str(value)


def fill(step: Declared) -> Fill:
    """The field `fill`.

    Raises:
        Refused: it is none.
    """
    value: Any = step.fill  # type: ignore[attr-defined]
    levels = value if isinstance(value, (tuple, list)) else (value,)
    if value in ("reflect", "edge"):
        return str(value)
    if len(levels) not in (1, 3) or not all(type(one) is int and 0 <= one <= 255 for one in levels):
        raise Refused(
            f"{step.name}: fill={shown(str(value))} must be reflect, edge, a grey level or (red, green, blue), 0 to 255"
        )
    return tuple(levels) if isinstance(value, (tuple, list)) else value


def from_record(kinds: Mapping[str, type[Declared]], record: Mapping[str, Any]) -> Declared:
    """The step that `as_json` wrote.

    Raises:
        Refused: a step or a field that this version of boda does not know, or nonsense in one.
    """
    name = record.get("step")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Refused(f"augmentation with an unknown step {shown(str(name))!r}: written by a newer boda? Update boda")
    known = {field.name for field in fields_of(kind)}
    values = {field: tuple(value) if isinstance(value, list) else value for field, value in record.items()}
    values.pop("step")
    if unknown := sorted(set(values) - known):
        raise Refused(f"{name} with an unknown field {shown(unknown[0])!r}: written by a newer boda? Update boda")
    needed = {field.name for field in fields_of(kind) if field.default is MISSING}
    if missing := sorted(needed - set(values)):
        raise Refused(f"{name} without {missing[0]!r}")
    return kind(**values)


def fields_of(step: Declared | type[Declared]) -> tuple[Field[Any], ...]:
    """The fields that JSON keeps."""
    return fields(step)  # type: ignore[arg-type]  # every subclass that is used is a dataclass


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _between(low: float, high: float) -> str:
    return f"{low:g} or more" if high == math.inf else f"from {low:g} to {high:g}"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _said(value: object, name: str = "") -> str:
    match value:
        case tuple() if name == "size":
            return f"{value[0]}x{value[1]}"
        case tuple():
            return f"({', '.join(_said(one) for one in value)})"
        case float():
            return f"{value:.4g}"
    return str(value)
