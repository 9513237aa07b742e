"""Scores of what a network has inside: a channel of a layer, a unit (one channel at one place), and its own classes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from torch import Tensor

from boda.encoders.anatomy import Part
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.layer_output import channels_at
from boda.explanations.score import Score
from boda.explanations.target_layer import target_named

Place: TypeAlias = tuple[int, int]
"""Row and column on the grid of a layer."""
Over: TypeAlias = Literal["mean", "largest"]


@dataclass(frozen=True, eq=False)
class ChannelScore(Score):
    """A number made of one channel; `of` takes the channels of the layer, (n, c, y, x). Explained like any score."""

    part: Part = field(kw_only=True)
    channel: int = field(kw_only=True)
    place: Place | None = field(default=None, kw_only=True)
    """None: of all places."""

    def through(self, opened: OpenNetwork) -> Callable[[Tensor], Tensor]:
        """(n, 3, h, w) normalised pixels to (n,); nothing behind the layer runs."""
        return lambda batch: self.of(channels_at(opened, self.part, batch))


def channel_score(
    opened: OpenNetwork, layer: str, channel: int, *, place: Place | None = None, over: Over = "mean"
) -> ChannelScore:
    """How much a channel of a layer is excited.

    Args:
        opened: the network.
        layer: as in its anatomy.
        channel: counted from 0.
        place: a unit: the channel there alone; None: all places.
        over: of all places, their mean or the largest.

    Raises:
        Refused: no such layer, channel or place.
    """
    part = opened.anatomy.part(layer, None)
    if not 0 <= channel < part.width:
        raise Refused(f"encoder {opened.name!r}: layer {layer} has channels 0 to {part.width - 1}, not {channel}")
    if place is not None:
        y, x = place
        rows, columns = (1, 1) if part.layout.kind == "vector" else target_named(opened, layer).places
        if not (0 <= y < rows and 0 <= x < columns):
            raise Refused(f"encoder {opened.name!r}: layer {layer} has {rows} x {columns} places, and no ({y}, {x})")
        return ChannelScore(
            f"{layer}:{channel}@{y},{x}",
            f"{layer}, channel {channel} at row {y}, column {x}",
            "activation",
            lambda maps: maps[:, channel, y, x],
            part=part,
            channel=channel,
            place=(y, x),
        )
    ways: dict[Over, Callable[[Tensor], Tensor]] = {
        "mean": lambda maps: maps[:, channel].mean(dim=(1, 2)),
        "largest": lambda maps: maps[:, channel].amax(dim=(1, 2)),
    }
    if over not in ways:
        raise Refused(f"no way {over!r} over places; one of {', '.join(ways)}")
    title = f"{layer}, channel {channel}, {over} over places"
    return ChannelScore(f"{layer}:{channel}", title, "activation", ways[over], part=part, channel=channel)


def class_score(opened: OpenNetwork, index: int, *, probability: bool = False) -> Score:
    """A class of the network's own classifier.

    A logit asks for what speaks for the class; a probability also for what speaks against all others, so its gradient
    may spend itself on these (Simonyan et al., ICLR workshop 2014, arXiv:1312.6034, section 2).

    Args:
        opened: the network.
        index: of the class, counted from 0.
        probability: of the softmax, instead of the logit.

    Raises:
        Refused: no such class.
    """
    if opened.class_names and not 0 <= index < len(opened.class_names):
        raise Refused(f"encoder {opened.name!r} has classes 0 to {len(opened.class_names) - 1}, not {index}")
    name = opened.class_names[index] if opened.class_names else f"class {index}"
    if probability:
        return Score(
            f"probability:{index}",
            f"{name}, probability",
            "probability",
            lambda rows: rows.softmax(1)[:, index],
            "logits",
        )
    return Score(f"class:{index}", f"{name}, logit", "logit", lambda rows: rows[:, index], "logits")
