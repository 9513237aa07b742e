"""A torch network as an encoder: eval mode, uint8 in, normalised at the model's door, float32 out.

Several encoders may take their features from one network, each from another layer or pooled in another way; `take`
makes them, and one pass computes them all: to the bit what each gives alone. Layers that are folded away (a convolution
into which its batch norm went) take a second pass, through the network as it was.
"""

import copy
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from boda.arrays import Features, Pixels
from boda.encoders.anatomy import Part
from boda.encoders.base import Encoder
from boda.encoders.layers import LAST, Layer, last_map
from boda.encoders.network import Forward, Network
from boda.encoders.pixel_shape import check_pixels
from boda.encoders.running import Running
from boda.errors import Refused
from boda.recipe import Precision, Recipe

if TYPE_CHECKING:
    import torch

__all__ = ["ADAPTER", "Forward", "Network", "TorchEncoder", "last_map"]

ADAPTER = 1
"""Raised whenever our code around a network (normalising, folding, pooling) would give other features for the same
pixels. Part of every torch encoder's recipe."""


class TorchEncoder:
    """An encoder (and classifier, where the network has one) that runs in torch.

    The same image gives the same numbers alone and in a batch, to 1e-5 of the norm of its features in fp32 and to
    2e-2 in bf16: libraries add in another order for other batch sizes. Safe to call from several threads.
    """

    def __init__(
        self, network: Network, recipe: Recipe, device: "torch.device", *, notes: tuple[str, ...] = ()
    ) -> None:
        """Takes the module over: it goes into eval mode and to the device, batch norms folded.

        Args:
            network: what computes.
            recipe: of its own features, in fp32.
            device: where to.
            notes: what the user should hear about how it was loaded.

        Raises:
            Refused: it cannot take the recipe's pixels, or gives more than one vector an image.
        """
        assert recipe.pixels is not None
        self._recipe, self.notes = recipe, notes
        self._running = Running(network, recipe.name, recipe.pixels, device)
        self._part: Part | None = None
        self._own = self
        self._siblings: dict[Precision, TorchEncoder] = {"fp32": self}

    @property
    def recipe(self) -> Recipe:
        """What its numbers mean."""
        return self._recipe

    @property
    def width(self) -> int:
        """Length of one feature vector, measured by asking the model."""
        return self._running.width if self._part is None else self._part.width

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._running.device)

    @property
    def class_names(self) -> tuple[str, ...]:
        """One a class; empty where the network has no classifier."""
        return self._running.network.class_names

    @property
    def dense(self) -> bool:
        """Whether its classifier takes images of any size (`classify_dense`)."""
        return self._running.network.dense is not None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer of the network, measured."""
        return self._running.anatomy.layers

    @property
    def one_pass(self) -> Hashable:
        """Encoders for which this is equal can be computed `together`."""
        return self._running, self._recipe.precision, self._running.is_altered(self._part)

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, d) float32.

        Raises:
            Refused: the pixels are not of the recipe's shape.
        """
        return self.together([self], pixels)[0]

    def together(self, encoders: Sequence[Encoder], pixels: Pixels) -> list[Features]:
        """What each of these encoders gives, from one pass; `one_pass` of all is this one's.

        Raises:
            Refused: the pixels are not of the recipe's shape.
        """
        check_pixels(pixels, self._recipe)
        if not len(pixels):
            return [np.zeros((0, encoder.width), np.float32) for encoder in encoders]
        parts = [cast("TorchEncoder", encoder)._part for encoder in encoders]
        return self._running.features(pixels, parts, self._recipe.precision)

    def take(self, layer: str | None = None, pooling: str | None = None) -> "TorchEncoder":
        """The encoder whose features are what a layer gives, pooled; it shares this one's network.

        Args:
            layer: a module of the network by its torch name (`layer3`, `blocks.4`), or `last`: its last map, before
                the network's own pooling. None: `last` where `pooling` is given, else the network's own features.
            pooling: `mean`, `gem`, `cls`, or `none` for layers that give vectors; see `boda.encoders.pooling`. None:
                `mean`, or `none` for vectors. `model` without a layer: the network's own features.

        Raises:
            Refused: there is no such layer, its output is not clear, or it cannot be pooled so.
        """
        own = self._own._recipe
        if layer in {None, own.layer} and pooling in {None, "model", own.pooling}:
            return self._own.at(self._recipe.precision)
        if layer == own.layer:
            raise Refused(
                f"encoder {own.name!r}: the features {own.layer!r} are its own, pooled by the model: leave out "
                f"--layer for its last map pooled otherwise"
            )
        part = self._running.anatomy.part(layer or LAST, pooling)
        taken = TorchEncoder.__new__(TorchEncoder)  # also of a subclass, whose other sides are of other features
        taken._recipe, taken.notes = replace(own, layer=part.layer, pooling=part.pooling), self.notes
        taken._running, taken._part, taken._own, taken._siblings = self._running, part, self._own, {"fp32": taken}
        return taken.at(self._recipe.precision)

    def places(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, y, x, d) float32: what the layer of its features gives at each place.

        Of the network's own features that is its last map. The features need not be the mean over places.

        Raises:
            Refused: the pixels are not of the recipe's shape, or the layer gives vectors, or nobody says which it is.
        """
        check_pixels(pixels, self._recipe)
        part = self._part or self._running.anatomy.part(LAST, "mean")
        if part.layout.kind == "vector":
            raise Refused(f"encoder {self._recipe.name!r}: layer {part.layer} gives one vector an image, no places")
        return self._running.places(pixels, part, self._recipe.precision)

    def logits(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, k) float32, before the softmax.

        Raises:
            Refused: the pixels are not of the recipe's shape, or the network has no classifier.
        """
        if self._running.network.logits is None:
            raise Refused(f"encoder {self._recipe.name!r} has no classifier: it gives features only")
        check_pixels(pixels, self._recipe)
        if not len(pixels):
            return np.zeros((0, len(self.class_names)), np.float32)
        return self._running.logits(pixels, self._recipe.precision)

    def classify(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to probabilities (n, k) float32, each row adding up to 1.

        Raises:
            Refused: the pixels are not of the recipe's shape, or the network has no classifier.
        """
        return _softmax(self.logits(pixels))

    def classify_dense(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 of any size to probabilities (n, k) float32: the scores at every place, averaged.

        Raises:
            Refused: they are no pixels, or the network takes one size only (`dense` is False).
        """
        if not self.dense:
            raise Refused(f"encoder {self._recipe.name!r} takes images of one size only")
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
            raise Refused(f"pixels must be uint8 (n, h, w, 3), not {pixels.dtype} {pixels.shape}")
        if not len(pixels):
            return np.zeros((0, len(self.class_names)), np.float32)
        return _softmax(self._running.dense_logits(pixels, self._recipe.precision))

    def at(self, precision: Precision) -> "TorchEncoder":
        """The same network computing in this precision; made once, then shared.

        Raises:
            Refused: the network cannot compute in it.
        """
        if precision not in self._siblings:
            self._running.check(precision)
            made = copy.copy(self)
            made._recipe = replace(self._recipe, precision=precision)
            self._siblings[precision] = made
        return self._siblings[precision]


def _softmax(logits: Features) -> Features:
    if not len(logits):
        return logits
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]
