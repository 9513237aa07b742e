"""A torch network at work on one device: folded, normalised at its door, several answers from one pass."""

import copy
import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.arrays import Features, Pixels
from boda.encoders.anatomy import Anatomy, Part
from boda.encoders.folding import foldable, folded
from boda.encoders.layers import LAST, Listener, listened, tap
from boda.encoders.network import Network, place_of
from boda.encoders.normalising import normalisation, normalised
from boda.encoders.pooling import grid, pooled
from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Precision

if TYPE_CHECKING:
    import torch


class Running:
    """A network on a device. Threads may call it at once; each precision is made when it is first asked for.

    Where batch norms were folded, the network as it was is kept too: layers are looked up and measured in it.
    """

    def __init__(self, network: Network, name: str, pixels: PixelSpec, device: "torch.device") -> None:
        """Takes the module over: it goes into eval mode and to the device.

        Raises:
            Refused: it cannot take these pixels, or gives more than one vector an image.
        """
        self.network, self.name, self.device = network, name, device
        self._shape = pixels.shape
        scale, shift = normalisation(pixels)
        self._scale, self._shift = scale.to(device), shift.to(device)
        self._original = network.module.eval().requires_grad_(requires_grad=False)
        self.anatomy = Anatomy(network, name, pixels.shape)
        self.width = self.anatomy.width
        self._lock = threading.RLock()
        self._modules: dict[tuple[bool, Precision], torch.nn.Module] = {}
        self._tapped: dict[int, set[str]] = {}
        self._made("fp32", plain=False)

    def features(self, pixels: Pixels, parts: Sequence[Part | None], precision: Precision) -> list[Features]:
        """What each part gives, from one pass; None stands for the network's own features.

        Args:
            pixels: (n, h, w, 3) uint8, n > 0.
            parts: several of one layer count as well; `is_altered` of all or none.
            precision: to compute in; pooling of layers is done in fp32.

        Returns:
            (n, d) float32 for each part.
        """
        module = self._module(parts, precision)
        wanted: dict[str, list[Part]] = {}
        for part in parts:
            if part is not None:
                wanted.setdefault(part.layer, []).append(part)
        takes = {layer: partial(_each_pooled, of_layer) for layer, of_layer in wanted.items()}
        listener = Listener(takes, to_the_end=None in parts)
        final = self._run(
            lambda batch: listened(listener, lambda: self.network.features(module, batch)), pixels, precision
        )
        return [_to_numpy(final if part is None else listener.heard[part.layer][part.pooling]) for part in parts]

    def places(self, pixels: Pixels, part: Part, precision: Precision) -> Features:
        """(n, h, w, 3) uint8 to (n, y, x, d) float32: what the layer of a part gives at each place; n > 0."""
        module = self._module([part], precision)
        listener = Listener({part.layer: lambda made: grid(made, part.layout, self._shape)}, to_the_end=False)
        self._run(lambda batch: listened(listener, lambda: self.network.features(module, batch)), pixels, precision)
        return _to_numpy(listener.heard[part.layer])

    def logits(self, pixels: Pixels, precision: Precision) -> Features:
        """(n, h, w, 3) uint8 to (n, k) float32, before the softmax; n > 0."""
        forward, module = self.network.logits, self._module((), precision)
        assert forward is not None
        return _to_numpy(self._run(lambda batch: forward(module, batch), pixels, precision))

    def dense_logits(self, pixels: Pixels, precision: Precision) -> Features:
        """(n, h, w, 3) uint8 of any size to (n, k) float32, averaged over places, before the softmax; n > 0."""
        forward, module = self.network.dense, self._module((), precision)
        assert forward is not None
        return _to_numpy(self._run(lambda batch: forward(module, batch), pixels, precision))

    def check(self, precision: Precision) -> None:
        """See whether the network can compute in this precision at all.

        Raises:
            Refused: it cannot.
        """
        try:
            self.features(np.zeros((1, *self._shape, 3), np.uint8), [None], precision)
        except RuntimeError as error:
            raise Refused(f"encoder {self.name!r} cannot compute in {precision}: {error}") from error

    def is_altered(self, part: Part | None) -> bool:
        """Whether folding changes what this part gives, so that it is heard in the network as it was."""
        return part is not None and part.layer in self._altered

    def _module(self, parts: Sequence[Part | None], precision: Precision) -> "torch.nn.Module":
        """The network that tells of these layers what they give, folded where that changes none of them."""
        layers = {part.layer for part in parts if part is not None}
        with self._lock:
            module = self._made(precision, plain=any(map(self.is_altered, parts)))
            tapped = self._tapped.setdefault(id(module), set())
            for layer in layers - tapped - {LAST}:
                tap(module, layer)
            tapped |= layers
        return module

    def _made(self, precision: Precision, *, plain: bool) -> "torch.nn.Module":
        import torch

        if (plain, precision) in self._modules:
            return self._modules[plain, precision]
        if precision == "fp32":
            module = self._original if plain else folded(self._original, self.network.features, self._noise())
            module.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        else:
            exact = self._made("fp32", plain=plain)
            module = copy.deepcopy(exact).to(torch.bfloat16)
            self._tapped[id(module)] = set(self._tapped.get(id(exact), ()))  # copied with it
        self._modules[plain, precision] = module
        return module

    @cached_property
    def _altered(self) -> frozenset[str]:
        """Layers whose own output folding changes."""
        if self._modules[False, "fp32"] is self._original:
            return frozenset()
        pairs = foldable(self._original, self.network.features, self._noise())
        return frozenset[str]().union(*(pair.alters for pair in pairs))

    def _noise(self) -> "torch.Tensor":
        noise = np.random.default_rng(0).integers(0, 256, (2, *self._shape, 3), dtype=np.uint8)
        place = place_of(self._original)
        return normalised(noise, self._scale.to(place), self._shift.to(place))

    def _door(self, width: int) -> "tuple[torch.Tensor, torch.Tensor]":
        """What a row of so many pixels is multiplied by, and what is then added."""
        if width == self._shape[1]:
            return self._scale, self._shift
        return self._scale[:3].repeat(width), self._shift[:3].repeat(width)

    def _run(self, forward: Callable[[Any], Any], pixels: Pixels, precision: Precision) -> Any:
        import torch

        with torch.inference_mode():
            batch = normalised(pixels, *self._door(pixels.shape[2]))
            return forward(batch if precision == "fp32" else batch.to(torch.bfloat16))


def _each_pooled(parts: Sequence[Part], output: "torch.Tensor") -> "dict[str, torch.Tensor]":
    return {part.pooling: pooled(output, part.pooling, part.layout) for part in parts}


def _to_numpy(answer: "torch.Tensor") -> Features:
    numbers: Features = answer.float().cpu().numpy()
    return numbers
