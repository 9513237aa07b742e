"""What an encoder is: pixels to features, with a recipe."""

from collections.abc import Hashable, Sequence
from typing import Protocol

from boda.arrays import Features, Pixels
from boda.recipe import Precision, Recipe


class Encoder(Protocol):
    """Pixels to features. Always in eval mode; the same numbers alone and in a batch.

    Callable from several threads at once: each call uses the cores its thread was given.
    """

    @property
    def recipe(self) -> Recipe:
        """What its numbers mean."""
        ...

    @property
    def width(self) -> int:
        """Length of one feature vector, read from the model."""
        ...

    @property
    def device(self) -> str:
        """`cpu`, `cuda:0`, `mps`: where it runs. Not part of the recipe."""
        ...

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8, of the recipe's pixel shape, to (n, d) float32."""
        ...

    def at(self, precision: Precision) -> "Encoder":
        """The same encoder computing in this precision (another recipe); weights are shared where possible.

        Raises:
            Refused: it cannot.
        """
        ...


class Layered(Encoder, Protocol):
    """An encoder whose network has layers that can be named, and that computes several of them in one pass."""

    def take(self, layer: str | None = None, pooling: str | None = None) -> "Layered":
        """The encoder whose features are what a layer gives, pooled; it shares this one's network.

        Raises:
            Refused: there is no such layer, or it cannot be pooled so.
        """
        ...

    @property
    def one_pass(self) -> Hashable:
        """Encoders for which this is equal can be computed `together`."""
        ...

    def together(self, encoders: Sequence[Encoder], pixels: Pixels) -> list[Features]:
        """What each of these encoders gives, from one pass."""
        ...
