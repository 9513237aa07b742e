"""Several encoders from one network: which layers and poolings were asked for, and one pass for all of them."""

from collections.abc import Hashable, Sequence
from typing import cast

from boda.arrays import Features, Pixels
from boda.encoders.base import Encoder, Layered
from boda.errors import Refused
from boda.keys import shown


def taken(encoder: Encoder, layer: str | None = None, pooling: str | None = None) -> Encoder:
    """The encoder whose features are what a layer gives, pooled; the encoder itself where nothing else is asked for.

    Raises:
        Refused: it has no layers that can be named, or not this one, or it cannot be pooled so.
    """
    if layer is None and pooling is None:
        return encoder
    if callable(getattr(encoder, "take", None)):
        return cast("Layered", encoder).take(layer, pooling)
    recipe = encoder.recipe
    if layer in {None, recipe.layer} and pooling in {None, "model", recipe.pooling}:
        return encoder
    raise Refused(f"encoder {shown(recipe.name)!r} has no layers that can be named: leave out --layer and --pooling")


def each_taken(encoder: Encoder, layers: Sequence[str], poolings: Sequence[str]) -> list[Encoder]:
    """Every one of these layers with every one of these poolings; without either, the encoder itself.

    Raises: as `taken`.
    """
    return [taken(encoder, layer, pooling) for layer in layers or (None,) for pooling in poolings or (None,)]


def grouped(encoders: Sequence[Encoder]) -> list[tuple[int, ...]]:
    """Places of the encoders that one pass computes: those of one network and precision together, all others alone."""
    places: dict[Hashable, list[int]] = {}
    for place, encoder in enumerate(encoders):
        places.setdefault(getattr(encoder, "one_pass", place), []).append(place)
    return [tuple(group) for group in places.values()]


def in_one_pass(encoders: Sequence[Encoder], pixels: Pixels) -> list[Features]:
    """What each encoder of one group gives: (n, h, w, 3) to (n, d)."""
    first = encoders[0]
    return [first(pixels)] if len(encoders) == 1 else cast("Layered", first).together(encoders, pixels)
