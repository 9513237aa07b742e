"""Which layers a network has, and what of them can serve as features."""

import difflib
from dataclasses import dataclass
from functools import cached_property

from boda.encoders.layers import LAST, Layer, measured
from boda.encoders.network import Network, place_of
from boda.encoders.pooling import Layout, Pooling, as_pooling, layout_of
from boda.errors import Refused
from boda.keys import shown

FAILURES = (RuntimeError, AssertionError, ValueError)
"""How networks answer to images of a size they cannot take."""


@dataclass(frozen=True, slots=True)
class Part:
    """The output of one layer, pooled."""

    layer: str
    pooling: Pooling
    layout: Layout
    width: int
    """Length of one vector."""


class Anatomy:
    """The layers of one network, measured on images of one shape when they are first asked for."""

    def __init__(self, network: Network, name: str, shape: tuple[int, int]) -> None:
        """Look at a network.

        Args:
            network: its module is in eval mode, and is not changed.
            name: of the encoder, for errors.
            shape: (height, width) of its input.
        """
        self._network, self._name, self._shape = network, name, shape

    @cached_property
    def width(self) -> int:
        """Length of one vector of the network's own features, measured on one black image.

        Raises:
            Refused: it cannot take such images, or gives more than one vector.
        """
        import torch

        h, w = self._shape
        try:
            with torch.inference_mode():
                batch = torch.zeros(1, 3, h, w, device=place_of(self._network.module))
                features = self._network.features(self._network.module, batch)
        except FAILURES as error:
            why = str(error).partition("\n")[0] or type(error).__name__
            raise Refused(f"encoder {self._name!r} cannot take images of {h} x {w} pixels: {why}") from error
        if features.ndim != 2:
            raise Refused(
                f"encoder {self._name!r} gives features of shape {tuple(features.shape)} for one image; "
                "boda needs one vector an image: add pooling to it"
            )
        return int(features.shape[1])

    def part(self, layer: str, pooling: str | None) -> Part:
        """One layer, pooled; without a word on pooling `mean`, or `none` where the layer gives vectors.

        Raises:
            Refused: there is no such layer, its output is not clear, or it cannot be pooled so.
        """
        found = self._layer(layer)
        layout = self._layout(found)
        assert found.shape is not None
        kind = as_pooling(pooling or ("none" if layout.kind == "vector" else "mean"))
        why = self._objection(layout, kind)
        if why:
            raise Refused(f"encoder {self._name!r}: layer {layer} {why}")
        return Part(layer, kind, layout, found.shape[0 if layout.kind in {"vector", "channels first"} else -1])

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer, measured."""
        return self._measured(self._shape)

    def _layer(self, name: str) -> Layer:
        found = next((layer for layer in self.layers if layer.name == name), None)
        if found is None:
            if name == LAST:
                raise Refused(f"encoder {self._name!r} does not say what its last map is: name a layer with --layer")
            near = difflib.get_close_matches(name, [layer.name for layer in self.layers], n=3, cutoff=0.5)
            hint = f" Near: {', '.join(near)}." if near else ""
            raise Refused(
                f"encoder {self._name!r} has no layer {shown(name)!r}.{hint} List them: boda encoders "
                f"{shown(self._name)} --layers"
            )
        if found.calls != 1:
            raise Refused(
                f"encoder {self._name!r}: layer {name} is called {found.calls} times for one batch, so it has not one "
                "output: name the layer around it, or another"
            )
        if found.shape is None:
            raise Refused(f"encoder {self._name!r}: layer {name} gives no tensor with one row an image: name another")
        return found

    def _layout(self, layer: Layer) -> Layout:
        """How the output of a layer is read; where its shape does not say, the other layers do, or twice the size."""
        assert layer.shape is not None
        network = self._network
        found = layout_of(layer.shape, self._shape, network.prefix_tokens)
        if len(found) == 2:
            found = self._beside(layer, found) if found[0].kind == "tokens" else self._reread(layer, found)
        if len(found) == 1:
            return found[0]
        why = "could be read in two ways" if found else "is neither a vector, nor a map, nor tokens of one"
        raise Refused(
            f"encoder {self._name!r}: layer {layer.name} gives {' x '.join(map(str, layer.shape))} numbers for an "
            f"image, which {why}: name another layer, or give --pixels another size"
        )

    def _beside(self, layer: Layer, found: tuple[Layout, ...]) -> tuple[Layout, ...]:
        """Tokens of places alone, or with those that stand for none: some layer of the network gives the other.

        Of 28 x 28 pixels in patches of 14, 4 patches become 9 tokens with a class token and four registers, and 9 could
        be 3 x 3 places as well.
        """
        assert layer.shape is not None
        count, prefix = layer.shape[0], self._network.prefix_tokens
        counts = set().union(*(_counts(one.shape, self._shape) for one in self.layers if one.shape is not None))
        without, behind = count + prefix in counts, count - prefix in counts
        if without == behind:
            return found
        return tuple(one for one in found if one.prefix == (prefix if behind else 0))

    def _reread(self, layer: Layer, found: tuple[Layout, ...]) -> tuple[Layout, ...]:
        """The axis that does not grow with the image is that of the channels."""
        try:
            larger = {one.name: one.shape for one in self._measured((2 * self._shape[0], 2 * self._shape[1]))}
        except FAILURES:
            return found
        shape = larger[layer.name]
        assert layer.shape is not None
        if shape is None or (shape[0] == layer.shape[0]) == (shape[2] == layer.shape[2]):
            return found
        return found[:1] if shape[0] == layer.shape[0] else found[1:]

    def _objection(self, layout: Layout, pooling: Pooling) -> str:
        """Why a layer of this layout cannot be pooled so; "" where it can."""
        if pooling == "model":
            return "is not what the model pools: choose mean, gem or cls"
        if layout.kind == "vector":
            return "" if pooling == "none" else "gives one vector an image already: leave out --pooling for it"
        if pooling == "none":
            return "gives features at many places: choose mean, gem or cls"
        if pooling == "cls" and not (layout.kind == "tokens" and layout.prefix and self._network.class_token):
            return "has no class token: choose mean or gem"
        return ""

    def _measured(self, shape: tuple[int, int]) -> tuple[Layer, ...]:
        import torch

        batch = torch.zeros(2, 3, *shape, device=place_of(self._network.module))
        return measured(self._network.module, self._network.features, batch)


def _counts(shape: tuple[int, ...], image: tuple[int, int]) -> set[int]:
    """How many tokens, or places of a map, an output of this shape may have."""
    if len(shape) == 2:
        return {shape[0]}
    firsts = [1 if one.kind == "channels first" else 0 for one in layout_of(shape, image, 0) if one.kind != "vector"]
    return {shape[first] * shape[first + 1] for first in firsts}
