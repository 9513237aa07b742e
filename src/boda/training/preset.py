"""Presets: how a network is trained, as one frozen record that goes into every checkpoint."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

from boda.errors import Refused
from boda.keys import shown

Curve: TypeAlias = Literal["constant", "steps", "plateau", "one-cycle", "cosine"]
Optimiser: TypeAlias = Literal["sgd", "adam", "adamw"]
Computing: TypeAlias = Literal["fp32", "bf16"]
_STEPS, _LEAST_BATCH = 20, 8
"""Of an epoch, and images of a step, where few images make them fewer."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything about training but the network, the data and the machine."""

    name: str
    epochs: int
    """Passes over the training rows; the last is cut short where `iterations` says so."""
    batch: int
    lr: float
    """The highest learning rate."""
    iterations: int | None = None
    """Steps in all, at most."""
    optimiser: Optimiser = "sgd"
    momentum: float = 0.9
    """Of SGD; the first beta of Adam."""
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay_norms: bool = True
    """Weight decay also of norms and offsets, as in the paper of ResNets."""
    curve: Curve = "constant"
    """Of the learning rate over steps."""
    drops: tuple[float, ...] = ()
    """Of `steps`: after which shares of all steps the rate is divided by ten."""
    patience_of_plateau: int = 5
    """Of `plateau`: epochs after which the rate is divided by ten where the validation score that chooses the best
    epoch was no lower."""
    warmup: float = 0.0
    """Share of all steps in which the rate rises to `lr`; of `one-cycle`, where its peak is."""
    warmup_lr: float = 0.0
    """Where it rises from, a share of `lr`; a warm-up at one rate, as in the paper, has `flat_warmup`."""
    flat_warmup: bool = False
    """The rate stays at `warmup_lr` until the warm-up ends."""
    clip: float | None = None
    """The longest that the gradient of a step may be; longer ones are shortened. None: as long as they are."""
    label_smoothing: float = 0.0
    average: float | None = None
    """Decay of an exponential moving average of the weights, which is what is tested and kept; None: none."""
    augmentation: str = "none"
    """A preset of `boda.pixels.augment`."""
    precision: Computing = "fp32"
    channels_last: bool = False
    compiled: bool = False
    """torch.compile before the first step."""
    patience: int | None = None
    """Epochs without a better validation score after which training ends; None: it does not."""

    def __post_init__(self) -> None:
        """Refuse what no training can be.

        Raises:
            Refused: names the field and what it may be.
        """
        for name, words in (("optimiser", Optimiser), ("curve", Curve), ("precision", Computing)):
            if getattr(self, name) not in get_args(words):
                raise Refused(f"{name} is {getattr(self, name)!r}; it can be {', '.join(get_args(words))}")
        for name in ("epochs", "batch", "iterations", "patience", "patience_of_plateau"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise Refused(f"{name} is {value!r}; it must be a whole number from 1")
        for name in ("momentum", "label_smoothing", "warmup", "warmup_lr", "average"):
            value = getattr(self, name)
            if value is None and name == "average":
                continue
            if not (_is_number(value) and 0 <= value < 1):
                raise Refused(f"{name} is {value!r}; it must be at least 0 and below 1")
        for name in ("lr", "clip"):
            value = getattr(self, name)
            if (value is not None or name == "lr") and not (_is_number(value) and 0 < value < math.inf):
                raise Refused(f"{name} is {value!r}; it must be a number above 0")
        if not _is_number(self.weight_decay) or not 0 <= self.weight_decay < math.inf:
            raise Refused(f"weight_decay is {self.weight_decay!r}; it must be a number from 0")
        drops = self.drops
        if not isinstance(drops, list | tuple) or any(not (_is_number(one) and 0 < one < 1) for one in drops):
            raise Refused(f"drops are {drops!r}; they are shares of all steps, between 0 and 1")
        object.__setattr__(self, "drops", tuple(map(float, drops)))
        for name in ("lr", "clip", "momentum", "weight_decay", "label_smoothing", "warmup", "warmup_lr", "average"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))  # numpy's numbers are none of JSON's
        for name in ("nesterov", "decay_norms", "flat_warmup", "channels_last", "compiled"):
            if not isinstance(getattr(self, name), bool):
                raise Refused(f"{name} is {getattr(self, name)!r}; it can be True or False")
        if not isinstance(self.augmentation, str):
            raise Refused(f"augmentation is {shown(str(self.augmentation))!r}; it must be a name, as of boda augment")

    def changed(self, **values: Any) -> "Preset":
        """The same but for these fields.

        Raises:
            Refused: no such field, or a value that makes no sense.
        """
        known = [one.name for one in fields(self)]
        for name in values:
            if name not in known:
                raise Refused(f"no setting {name!r}; one of {', '.join(known)}")
        return replace(self, **values)

    def for_few(self, rows: int) -> "Preset":
        """In smaller steps of SGD, where an epoch of so many rows would have too few.

        The rate falls with the batch (Goyal et al. 2017, arXiv:1706.02677).
        """
        batch = self.batch
        while batch > _LEAST_BATCH and rows < _STEPS * batch:
            batch //= 2
        if self.optimiser != "sgd" or batch == self.batch:
            return self
        return self.changed(batch=batch, lr=self.lr * batch / self.batch)

    def changes(self) -> dict[str, Any]:
        """Fields that are not as in the preset of its name."""
        named = PRESETS.get(self.name, self).as_json()
        return {name: value for name, value in self.as_json().items() if value != named[name]}

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Preset":
        """The preset that `as_json` wrote; fields that came later are as if nobody had asked.

        Raises:
            Refused: a field that this boda does not know.
        """
        if unknown := sorted(set(record) - {one.name for one in fields(cls)}):
            raise Refused(f"preset with an unknown field {shown(unknown[0])!r}: written by a newer boda? Update boda")
        return cls(**{**record, "drops": tuple(record["drops"])})


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_CIFAR_FAST = Preset(
    "cifar-fast", epochs=60, batch=128, lr=0.4, nesterov=True, weight_decay=5e-4, decay_norms=False,
    curve="one-cycle", warmup=0.2, warmup_lr=0.1, average=0.998, augmentation="cifar", precision="bf16",
    channels_last=True,
)  # fmt: skip
"""Labels are not smoothed: networks this small do not fit them as they are (recipes/resnet_cifar10.md)."""
_IMAGENET_FAST = Preset(
    "imagenet-fast", epochs=18, batch=256, lr=1.0, nesterov=True, weight_decay=5e-5, decay_norms=False,
    curve="one-cycle", warmup=0.1, warmup_lr=0.1, label_smoothing=0.1, average=0.9999, augmentation="imagenet",
    precision="bf16", channels_last=True,
)  # fmt: skip
_CIFAR_PAPER = Preset(
    "cifar-paper", epochs=182, iterations=64_000, batch=128, lr=0.1, curve="steps", drops=(0.5, 0.75),
    augmentation="cifar",
)  # fmt: skip
"""He et al. 2015, section 4.2: 64,000 steps of 128, rate 0.1, a tenth after 32,000 and 48,000."""

PRESETS = {
    one.name: one
    for one in (
        _CIFAR_PAPER,
        replace(
            _CIFAR_PAPER, name="cifar-paper-110", warmup=400 / 64_000, warmup_lr=0.1, flat_warmup=True
        ),  # "we use 0.01 to warm up the training until the training error is below 80 % (about 400 iterations)"
        _CIFAR_FAST,
        replace(_CIFAR_FAST, name="cifar-number", epochs=30, lr=0.05, clip=1.0),
        Preset(
            "imagenet-paper", epochs=120, iterations=600_000, batch=256, lr=0.1, curve="plateau",
            augmentation="imagenet",
        ),  # at most 60 x 10^4 iterations in all, the rate divided by ten where the error plateaus
        _IMAGENET_FAST,
        replace(_IMAGENET_FAST, name="imagenet-number", lr=0.1, clip=1.0, label_smoothing=0.0),
        Preset("autoencoder", epochs=10, batch=64, lr=1e-3, optimiser="adam", weight_decay=0.0),
        Preset(
            "autoencoder-fast", epochs=10, batch=64, lr=4e-3, optimiser="adam", weight_decay=0.0, curve="one-cycle",
            warmup=0.2, warmup_lr=0.1,
        ),
        Preset(
            "finetune", epochs=10, batch=32, lr=3e-4, optimiser="adamw", weight_decay=0.05, decay_norms=False,
            curve="cosine", warmup=0.1, augmentation="none", channels_last=True, patience=5,
        ),
    )
}  # fmt: skip
"""By name."""


def preset_named(name: str) -> Preset:
    """The preset of this name.

    Raises:
        Refused: there is none; names those that there are.
    """
    if name not in PRESETS:
        raise Refused(f"no preset {name!r}; one of {', '.join(PRESETS)}")
    return PRESETS[name]
