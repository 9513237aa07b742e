"""What an encoder is, told without its weights: nothing is fetched."""

from collections.abc import Callable
from dataclasses import dataclass

from boda.encoders.network import Network
from boda.pixels.spec import PixelSpec

FETCHED = "weights are not here; they are fetched when it is used, or give --weights FILE"
"""What such an encoder needs whose weights are on the hub only."""


@dataclass(frozen=True, slots=True)
class Description:
    """An encoder, before its weights."""

    pixels: PixelSpec
    licence: str
    """Of its weights; "" where nobody says."""
    missing: str
    """What it needs to work here without a network; "" where it has all."""
    build: Callable[[], Network]
    """Makes the network, in eval mode, with random weights."""
