"""A torch network as an encoder: eval mode, uint8 in, normalised at the model's door, float32 out."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from boda.arrays import Features, Pixels
from boda.encoders.folding import folded
from boda.encoders.pixel_shape import check_pixels
from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Precision, Recipe

if TYPE_CHECKING:
    import torch

ADAPTER = 1
"""Raised whenever our code around a network (normalising, folding, pooling) would give other features for the same
pixels. Part of every torch encoder's recipe."""

Forward: TypeAlias = Callable[[Any, Any], Any]
"""(network, normalised batch (n, 3, h, w)) to (n, d)."""


@dataclass(frozen=True)
class Network:
    """A torch module and how it is used."""

    module: "torch.nn.Module"
    features: Forward
    logits: Forward | None = None
    """None where it has no classifier."""
    class_names: tuple[str, ...] = ()
    """One a logit."""


class TorchEncoder:
    """An encoder (and classifier, where the network has one) that runs in torch.

    The same image gives the same numbers alone and in a batch, to 1e-5 of the norm of its features in fp32 and to
    2e-2 in bf16: libraries add in another order for other batch sizes. Safe to call from several threads.
    """

    def __init__(
        self, network: Network, recipe: Recipe, device: "torch.device", *, notes: tuple[str, ...] = ()
    ) -> None:
        """Takes the module over: it goes into eval mode and to the device, batch norms folded."""
        import torch

        assert recipe.pixels is not None
        network.module.eval().requires_grad_(requires_grad=False)
        scale, shift = _normalisation(recipe.pixels)
        module = folded(network.module, network.features, _normalised(_noise(recipe.pixels.shape), scale, shift))
        module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._recipe, self._device, self._dtype, self.notes = recipe, device, torch.float32, notes
        self._scale, self._shift = scale.to(device), shift.to(device)
        self._network = replace(network, module=module)
        self._siblings: dict[Precision, TorchEncoder] = {"fp32": self}
        self._width = self._measure()

    @property
    def recipe(self) -> Recipe:
        """What its numbers mean."""
        return self._recipe

    @property
    def width(self) -> int:
        """Length of one feature vector, measured by asking the model."""
        return self._width

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._device)

    @property
    def class_names(self) -> tuple[str, ...]:
        """One a class; empty where the network has no classifier."""
        return self._network.class_names

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, d) float32.

        Raises:
            Refused: the pixels are not of the recipe's shape.
        """
        check_pixels(pixels, self._recipe)
        return self._run(self._network.features, pixels, self._width)

    def logits(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, k) float32, before the softmax.

        Raises:
            Refused: the pixels are not of the recipe's shape, or the network has no classifier.
        """
        if self._network.logits is None:
            raise Refused(f"encoder {self._recipe.name!r} has no classifier: it gives features only")
        check_pixels(pixels, self._recipe)
        return self._run(self._network.logits, pixels, len(self.class_names))

    def classify(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to probabilities (n, k) float32, each row adding up to 1.

        Raises:
            Refused: the pixels are not of the recipe's shape, or the network has no classifier.
        """
        logits = self.logits(pixels)
        if not len(logits):
            return logits
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]

    def at(self, precision: Precision) -> "TorchEncoder":
        """The same network computing in this precision; made once, then shared.

        Raises:
            Refused: the network cannot compute in it.
        """
        if precision not in self._siblings:
            self._siblings[precision] = self._copy_at(precision)
        return self._siblings[precision]

    def _copy_at(self, precision: Precision) -> "TorchEncoder":
        import torch

        made = copy.copy(self)
        master = self._siblings["fp32"]._network
        made._network = replace(master, module=copy.deepcopy(master.module))
        made._recipe = replace(self._recipe, precision=precision)
        made._dtype = torch.bfloat16
        made._network.module.to(made._dtype)
        try:
            made._measure()
        except RuntimeError as error:
            raise Refused(f"encoder {self._recipe.name!r} cannot compute in {precision}: {error}") from error
        return made

    def _measure(self) -> int:
        """Ask the network for the features of one black image: their length."""
        import torch

        with torch.inference_mode():
            assert self._recipe.pixels is not None
            batch = torch.zeros(1, 3, *self._recipe.pixels.shape, dtype=self._dtype, device=self._device)
            features = self._network.features(self._network.module, batch)
        if features.ndim != 2:
            raise Refused(
                f"encoder {self._recipe.name!r} gives features of shape {tuple(features.shape)} for one image; "
                "boda needs one vector an image: add pooling to it"
            )
        return int(features.shape[1])

    def _run(self, forward: Forward, pixels: Pixels, width: int) -> Features:
        import torch

        if not len(pixels):
            return np.zeros((0, width), np.float32)
        with torch.inference_mode():
            batch = _normalised(pixels, self._scale, self._shift).to(self._dtype)
            answer: Features = forward(self._network.module, batch).float().cpu().numpy()
        return answer


def _normalisation(spec: PixelSpec) -> "tuple[torch.Tensor, torch.Tensor]":
    """What one row of pixels, (w * 3,), is multiplied by and what is then added."""
    import torch

    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (spec.mean, spec.std))
    width = spec.shape[1]
    return (1 / (255 * std)).float().repeat(width), (-mean / std).float().repeat(width)


def _normalised(pixels: Pixels, scale: "torch.Tensor", shift: "torch.Tensor") -> "torch.Tensor":
    """(n, h, w, 3) uint8 to (n, 3, h, w) float32, channels last in memory: (pixels / 255 - mean) / std.

    Row by row, so that the inner loop is long: 2 ms for 32 images on one core, not 12 as channel by channel.
    """
    import torch

    n, h, w, _ = pixels.shape
    usable = pixels if pixels.flags.writeable and pixels.flags.c_contiguous else pixels.copy(order="C")
    rows = torch.from_numpy(usable).to(scale.device).view(n * h, w * 3)
    return rows.to(torch.float32).mul_(scale).add_(shift).view(n, h, w, 3).permute(0, 3, 1, 2)


def _noise(shape: tuple[int, int]) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
