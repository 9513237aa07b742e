"""RandAugment, TrivialAugment and AutoAugment: which operations an image gets, and how much of each."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from boda.errors import MissingExtra
from boda.pixels.augmenting.chance import Numbers
from boda.pixels.augmenting.operations import NARROW, OPERATIONS, SIGNED, WIDE, operate
from boda.pixels.augmenting.step import Fill, Step, fill, one_of, settle, whole
from boda.pixels.augmenting.warping import Sampling
from boda.torchvision_door import open_door

if TYPE_CHECKING:
    import torch

Policy: TypeAlias = tuple[tuple[str, float, int | None], ...]
"""Operation, how often, and its level from 0 to 9 where it has one."""

_SAMPLINGS = ("nearest", "bilinear")
_LEVELS = 10


@dataclass(frozen=True, slots=True)
class RandAugment(Step):
    """Some operations, chosen at random, each at the same magnitude.

    Source: Cubuk et al., arXiv:1909.13719, with torchvision's 14 operations.
    """

    num_ops: int = 2
    magnitude: int = 9
    num_magnitude_bins: int = 31
    """Magnitudes go from 0 to one less than this."""
    fill: Fill = "reflect"
    interpolation: Sampling = "nearest"
    name: ClassVar[str] = "rand_augment"

    def __post_init__(self) -> None:
        """Check every field."""
        bins = whole(self, "num_magnitude_bins", 2, 1000)
        settle(
            self,
            num_ops=whole(self, "num_ops", 0, len(OPERATIONS)),
            magnitude=whole(self, "magnitude", 0, bins - 1),
            num_magnitude_bins=bins,
            fill=fill(self),
            interpolation=one_of(self, "interpolation", *_SAMPLINGS),
        )

    @property
    def draws(self) -> int:
        """For each operation: which, and which way."""
        return 2 * self.num_ops

    @property
    def turn(self) -> float:
        """What turning reaches at this magnitude, as often as there are operations."""
        return self.num_ops * self._share * NARROW.rotate

    @property
    def _share(self) -> float:
        return self.magnitude / (self.num_magnitude_bins - 1)

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Change one image."""
        height, width = image.shape[-2:]
        for which, way in numbers.reshape(-1, 2):
            name = OPERATIONS[int(which * len(OPERATIONS))]
            amount = NARROW.amount(name, self._share, height, width)
            image = operate(image, name, _signed(name, amount, way), self.fill, self.interpolation)
        return image


@dataclass(frozen=True, slots=True)
class TrivialAugment(Step):
    """One operation at a random magnitude, from a wide range: nothing to tune.

    Source: Müller and Hutter, arXiv:2103.10158.
    """

    num_magnitude_bins: int = 31
    fill: Fill = "reflect"
    interpolation: Sampling = "nearest"
    name: ClassVar[str] = "trivial_augment"

    def __post_init__(self) -> None:
        """Check every field."""
        settle(
            self,
            num_magnitude_bins=whole(self, "num_magnitude_bins", 2, 1000),
            fill=fill(self),
            interpolation=one_of(self, "interpolation", *_SAMPLINGS),
        )

    @property
    def draws(self) -> int:
        """Three: which, how much, which way."""
        return 3

    @property
    def turn(self) -> float:
        """What turning reaches."""
        return WIDE.rotate

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Change one image."""
        which, level, way = numbers
        name = OPERATIONS[int(which * len(OPERATIONS))]
        share = int(level * self.num_magnitude_bins) / (self.num_magnitude_bins - 1)
        height, width = image.shape[-2:]
        amount = WIDE.amount(name, share, height, width)
        return operate(image, name, _signed(name, amount, way), self.fill, self.interpolation)


@dataclass(frozen=True, slots=True)
class AutoAugment(Step):
    """One of 25 pairs of operations that were learned on a data set.

    Source: Cubuk et al., arXiv:1805.09501; the pairs are torchvision's.
    """

    policy: Literal["imagenet", "cifar10", "svhn"] = "imagenet"
    fill: Fill = "reflect"
    interpolation: Sampling = "nearest"
    name: ClassVar[str] = "auto_augment"

    def __post_init__(self) -> None:
        """Check every field."""
        settle(
            self,
            policy=one_of(self, "policy", "imagenet", "cifar10", "svhn"),
            fill=fill(self),
            interpolation=one_of(self, "interpolation", *_SAMPLINGS),
        )

    @property
    def draws(self) -> int:
        """Which pair; then for each of its two whether, and which way."""
        return 5

    @property
    def turn(self) -> float:
        """What turning reaches at the highest level."""
        return NARROW.rotate

    def apply(self, image: "torch.Tensor", numbers: Numbers) -> "torch.Tensor":
        """Change one image."""
        height, width = image.shape[-2:]
        pairs = _learned(self.policy)
        chosen = pairs[int(numbers[0] * len(pairs))]
        for (name, often, level), (whether, way) in zip(chosen, numbers[1:].reshape(2, 2), strict=True):
            if whether < often:
                amount = NARROW.amount(name, (level or 0) / (_LEVELS - 1), height, width)
                image = operate(image, name, _signed(name, amount, way), self.fill, self.interpolation)
        return image


def _signed(name: str, amount: float, way: float) -> float:
    return -amount if name in SIGNED and way < 0.5 else amount


@cache
def _learned(policy: str) -> tuple[Policy, ...]:
    """The learned pairs.

    Raises:
        MissingExtra: torchvision is not installed.
    """
    try:
        open_door()
        from torchvision import transforms
    except ImportError as error:
        raise MissingExtra("AutoAugment", "torch") from error
    return tuple(transforms.AutoAugment(transforms.AutoAugmentPolicy(policy)).policies)
