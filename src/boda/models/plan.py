"""Plans: which network, of what size, and for how many outputs, as one record from which it is built again."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.models.architectures import ARCHITECTURES, CIFAR, Shortcut, architecture

if TYPE_CHECKING:
    from torch import nn

Value: TypeAlias = bool | int | float | str
"""Of an argument, as it rides on a name."""

AUTOENCODER = "autoencoder"
_FLAG, _WHOLE = "true or false", "a whole number from 1"
_OF_RESNETS = {"shortcut": ", ".join(get_args(Shortcut)), "residual": _FLAG, "zero_init_residual": _FLAG}
_OF_AUTOENCODERS = {"features": _WHOLE, "stages": "whole numbers, as 32-128", "depth": _WHOLE, "batch_norm": _FLAG}


@dataclass(frozen=True)
class NetworkPlan:
    """A network that can be trained here."""

    name: str
    """`resnet20`, ..., `autoencoder`."""
    size: tuple[int, int]
    """Height and width of its images in pixels."""
    channels: int = 3
    outputs: int = 0
    """Classes, or 1 for a number; 0: an autoencoder without a classifier."""
    arguments: Mapping[str, Value] = field(default_factory=dict)
    """Of the network: `shortcut=B`, `residual=false` of a ResNet; `features=512`, `stages=32-128`, `depth=2`,
    `batch_norm=true` of an autoencoder."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built; nothing is built yet.

        Raises:
            NotFound: no network of this name.
            Refused: an argument that it does not have, or a value that this cannot have.
        """
        refuse_unknown(self.name)
        if self.name != AUTOENCODER and self.channels != 3:
            raise Refused(f"{self.name} takes images of 3 channels, not {self.channels}")
        known = _OF_AUTOENCODERS if self.name == AUTOENCODER else _OF_RESNETS
        for name, value in self.arguments.items():
            if name not in known:
                raise Refused(f"{self.name} has no argument {name!r}; it has {', '.join(known)}")
            if not _fits(value, known[name]):
                raise Refused(f"{self.name} with {name}={value}: it can be {known[name]}")

    @property
    def is_autoencoder(self) -> bool:
        """Whether it learns the images themselves."""
        return self.name == AUTOENCODER

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"size": list(self.size), "arguments": dict(self.arguments)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "NetworkPlan":
        """The plan that `as_json` wrote; of an older boda, which took any word for a flag, as it was built."""
        known = _OF_AUTOENCODERS if record["name"] == AUTOENCODER else _OF_RESNETS
        arguments = {
            name: bool(value) if known.get(name) == _FLAG else value for name, value in record["arguments"].items()
        }
        return cls(**{**record, "size": tuple(record["size"]), "arguments": arguments})


def _fits(value: Value, what: str) -> bool:
    """Whether an argument is what it can be."""
    if what == _FLAG:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if what == _WHOLE:
        return isinstance(value, int) and value >= 1
    if what == _OF_AUTOENCODERS["stages"]:
        return re.fullmatch(r"[1-9]\d*(-[1-9]\d*)*", str(value)) is not None
    return value in get_args(Shortcut)


@dataclass(frozen=True)
class EncoderPlan:
    """The network of any encoder that was trained on, and the head behind its features (`boda.models.tuned`)."""

    architecture: str
    """Of the encoder, as its recipe has it: `timm:tf_efficientnet_lite0`, `resnet:resnet20`, `boda:autoencoder`."""
    size: tuple[int, int]
    """Height and width of its images in pixels."""
    width: int
    """Of its features."""
    outputs: int
    """Scores of the head."""
    columns: int = 0
    """Of a table, which the head is given beside the features."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the network, as the recipe has them."""
    licence: str = ""
    """Of the weights that it began with."""

    @property
    def name(self) -> str:
        """For titles."""
        return self.architecture

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"size": list(self.size), "arguments": dict(self.arguments)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "EncoderPlan":
        """The plan that `as_json` wrote."""
        return cls(**{**record, "size": tuple(record["size"])})


AnyPlan: TypeAlias = NetworkPlan | EncoderPlan


def plan_from_json(record: Mapping[str, Any]) -> AnyPlan:
    """The plan that either `as_json` wrote."""
    return EncoderPlan.from_json(record) if "architecture" in record else NetworkPlan.from_json(record)


def natural_side(name: str) -> int:
    """Height and width of the images that a network was made for, in pixels; 28 of an autoencoder.

    Raises:
        NotFound: no network of this name.
    """
    return 28 if name == AUTOENCODER else architecture(name).form.side


def is_for_small_images(name: str) -> bool:
    """Whether it is of the form for CIFAR, or an autoencoder."""
    return name == AUTOENCODER or architecture(name).form == CIFAR


def network_names() -> list[str]:
    """All that can be trained."""
    return [*ARCHITECTURES, AUTOENCODER]


def refuse_unknown(name: str) -> None:
    """Refuse what is the name of no network.

    Raises:
        NotFound: near names are in the message.

    >>> refuse_unknown("autoencodr")
    Traceback (most recent call last):
    boda.errors.NotFound: no network named 'autoencodr'; one of autoencoder
    """
    if name not in network_names():
        near = difflib.get_close_matches(name, network_names(), n=3, cutoff=0.5)
        raise NotFound(f"no network named {shown(name)!r}; one of {', '.join(near or network_names())}")


def build(plan: NetworkPlan) -> "nn.Module":
    """The network, with random weights from torch's generator.

    Raises:
        Refused: what was asked for cannot be had together.
    """
    arguments: dict[str, Any] = dict(plan.arguments)
    if plan.is_autoencoder:
        from boda.models.autoencoder import autoencoder

        stages = arguments.pop("stages", None)
        return autoencoder(
            plan.size,
            channels=plan.channels,
            stages=None if stages is None else [int(part) for part in str(stages).split("-")],
            classes=plan.outputs,
            **arguments,
        )
    from boda.models.resnet import ResNet

    return ResNet(architecture(plan.name), classes=plan.outputs, side=min(plan.size), **arguments)
