"""Augmentation: what training images go through so that a network sees no image twice, declared as data.

An augmentation belongs to the training rows of a data set alone. It is no part of a `PixelSpec`, nor of a `Recipe`:
what prepares pixels for validation, for tests, for prediction and for features that are kept takes none, so there is
nothing to switch off. `boda.pixels.augmented` applies it, and is called by what feeds training rows to a training.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.pixels.augmenting.crops import PadAndCrop, RandomResizedCrop, ScaleJitterCrop
from boda.pixels.augmenting.erasing import RandomErasing
from boda.pixels.augmenting.flips import HorizontalFlip, VerticalFlip
from boda.pixels.augmenting.jitter import ColorJitter, Lighting
from boda.pixels.augmenting.labels import Axis
from boda.pixels.augmenting.mixing import CutMix, Mixing, MixUp
from boda.pixels.augmenting.policies import AutoAugment, RandAugment, TrivialAugment
from boda.pixels.augmenting.step import Declared, Step, fields_of, from_record
from boda.pixels.augmenting.warping import Affine, Rotation

STEPS: Final[Mapping[str, type[Declared]]] = {
    kind.name: kind
    for kind in (
        *(HorizontalFlip, VerticalFlip, Rotation, Affine, PadAndCrop, RandomResizedCrop, ScaleJitterCrop, ColorJitter),
        *(Lighting, RandAugment, TrivialAugment, AutoAugment, RandomErasing, MixUp, CutMix),
    )
}
_FLIPS: Mapping[Axis, type[Step]] = {"horizontal": HorizontalFlip, "vertical": VerticalFlip}


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Steps, in the order in which they are done: first those for each image, then those that mix a batch.

    Of several steps that mix, each batch gets one, each as often as the others.

    Raises:
        Refused: a step for images after one that mixes.

    >>> print(augmentation_named("cifar"))
    pad_and_crop, horizontal_flip
    """

    steps: tuple[Step | Mixing, ...] = ()

    def __post_init__(self) -> None:
        """Check the order."""
        object.__setattr__(self, "steps", tuple(self.steps))
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if isinstance(before, Mixing) and isinstance(after, Step):
                raise Refused(f"{before.name} mixes whole batches, so it comes after {after.name}")

    @property
    def of_images(self) -> tuple[Step, ...]:
        """The steps for each image."""
        return tuple(step for step in self.steps if isinstance(step, Step))

    @property
    def of_batches(self) -> tuple[Mixing, ...]:
        """The steps that mix a batch."""
        return tuple(step for step in self.steps if isinstance(step, Mixing))

    @property
    def shape(self) -> tuple[int, int] | None:
        """(height, width) of what comes out; None: of what comes in."""
        return next((step.shape for step in reversed(self.of_images) if step.shape), None)

    def short_side(self, side: int) -> int:
        """Of the images that it is best given, in pixels, for a network whose input has this side; larger is waste."""
        return max(side, *(step.ample_side for step in self.of_images), 0)

    def sized(self, size: tuple[int, int]) -> "Augmentation":
        """The same for an input of another (height, width); crops keep their share of the image."""
        return Augmentation(tuple(step.sized(size) if isinstance(step, Step) else step for step in self.steps))

    @property
    def turn(self) -> float:
        """The largest angle that images may be turned by, in degrees."""
        return sum(step.turn for step in self.of_images)

    def flips(self, axis: Axis) -> bool:
        """Whether images may be flipped along this axis."""
        return any(isinstance(step, _FLIPS[axis]) and step.p > 0 for step in self.of_images)  # type: ignore[attr-defined]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` undoes it."""
        return {"steps": [step.as_json() for step in self.steps]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Augmentation":
        """The augmentation that `as_json` wrote.

        Raises:
            Refused: a step or field that this version of boda does not know, or nonsense in one.
        """
        if set(record) != {"steps"} or not isinstance(record["steps"], list):
            raise Refused("no augmentation: a record with the one field 'steps' is wanted")
        return cls(tuple(from_record(STEPS, step) for step in record["steps"]))  # type: ignore[misc]

    def __str__(self) -> str:
        return ", ".join(str(step) for step in self.steps) or "none"


PRESETS: Final[Mapping[str, Augmentation]] = {
    "none": Augmentation(),
    "flip": Augmentation((HorizontalFlip(),)),
    "cifar": Augmentation((PadAndCrop(4), HorizontalFlip())),
    "imagenet": Augmentation((ScaleJitterCrop((224, 224), (256, 480)), HorizontalFlip(), Lighting())),
    "inception": Augmentation((RandomResizedCrop((224, 224)), HorizontalFlip())),
    "notebook": Augmentation(
        (
            HorizontalFlip(0.5),
            Rotation(15),
            ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
            RandomResizedCrop((224, 224), scale=(0.8, 1.0)),
        )
    ),
    "galaxies": Augmentation((HorizontalFlip(), VerticalFlip(), Rotation(180))),
    "randaugment-2-9": Augmentation((RandAugment(2, 9),)),
    "autoaugment": Augmentation((AutoAugment("imagenet"),)),
    "autoaugment-cifar10": Augmentation((AutoAugment("cifar10"),)),
    "trivial": Augmentation((TrivialAugment(),)),
    "erasing": Augmentation((RandomErasing(),)),
    "mixup": Augmentation((MixUp(),)),
    "cutmix": Augmentation((CutMix(),)),
}
"""By name. Those that say nothing of crops are meant to be joined: `inception+randaugment-2-9+cutmix`."""


def augmentation_named(text: str) -> Augmentation:
    """The augmentation of a name; of several, joined by `+`; with settings in place of its own, as `cifar?padding=2`.

    A setting counts for every step that has it: `notebook?size=128&fill=0`. Pairs are written `scale=0.5/1`.

    Raises:
        NotFound: no preset has this name.
        Refused: no step has this setting, or it makes no sense.

    >>> print(augmentation_named("cifar+cutmix?fill=reflect"))
    pad_and_crop(fill=reflect), horizontal_flip, cutmix
    """
    names, _, settings = text.partition("?")
    steps: list[Step | Mixing] = []
    for name in names.split("+"):
        if name not in PRESETS:
            raise NotFound(f"no augmentation {shown(name)!r}; there are {', '.join(PRESETS)}, joined by +")
        steps += PRESETS[name].steps
    for setting in settings.split("&") if "?" in text else ():
        steps = _changed(steps, setting)
    return Augmentation(tuple(steps))


def _changed(steps: list[Step | Mixing], setting: str) -> list[Step | Mixing]:
    name, equals, value = setting.partition("=")
    having = [step for step in steps if name in {field.name for field in fields_of(step)}]
    if not equals or not having:
        known = sorted({field.name for step in steps for field in fields_of(step)})
        raise Refused(f"no setting {shown(setting)!r}; write NAME=VALUE, NAME one of {', '.join(known) or 'none here'}")
    return [step.changed(**{name: _typed(value)}) if step in having else step for step in steps]


def _typed(text: str) -> Any:
    """A number, several of them (0.5/1 or 192x256), or a word."""
    for separator in "/x":
        if separator in text:
            parts = tuple(_number(part) for part in text.split(separator))
            return text if None in parts else parts
    one = _number(text)
    return text if one is None else one


def _number(text: str) -> float | None:
    kinds: tuple[Callable[[str], float], ...] = (int, float)
    for kind in kinds:
        try:
            return kind(text)
        except ValueError:
            continue
    return None
