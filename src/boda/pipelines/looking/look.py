"""What a look inside a network is asked, and what it hands back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from boda.explanations.maximisation import Ascent
    from boda.explanations.score import Score

Kind: TypeAlias = Literal["filters", "channels", "activations", "maximise", "neighbours", "map"]


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is asked for; None and () where nothing was said."""

    layers: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    place: tuple[int, int] | None = None
    """Row and column on the grid of the layer."""
    image: str | None = None
    score: "str | Score | None" = None
    classes: tuple[int | str, ...] = ()
    probability: bool = False
    start: str | None = None
    ascent: "Ascent | Mapping[str, Any] | None" = None
    count: int | None = None
    colour: str | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen."""

    files: Mapping[str, bytes]
    """By what stands behind the stem of their names: `.png`, `-images.png`."""
    found: Mapping[str, Any]
    """Plain JSON."""
    words: tuple[str, ...]
    """The same in sentences."""
