"""A network laid open: what explanations look into, so that what embeds stays untouched."""

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from boda.arrays import Pixels
from boda.encoders.anatomy import Anatomy, Part
from boda.encoders.base import Encoder
from boda.encoders.layers import LAST, Listener, listened, tap
from boda.encoders.network import Network
from boda.encoders.normalising import normalisation, normalised
from boda.encoders.pooling import pooled
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class OpenNetwork:
    """A copy of an encoder's network as it was given: fp32, eval mode, batch norms not folded, no gradients of weights.

    Hooks and patches on it concern nobody else. Batches are (n, 3, h, w), normalised; gradients may flow through them.
    """

    recipe: Recipe
    module: "torch.nn.Module"
    network: Network
    """Of `module`, and of the encoder's own."""
    part: Part | None
    """What the features are of; None: the network's own."""
    device: "torch.device"
    closed: bool = False
    """It is no network of torch: pixels go in and features come out, without gradients or layers."""

    @property
    def name(self) -> str:
        """Of the encoder."""
        return self.recipe.name

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of its images."""
        assert self.recipe.pixels is not None
        return self.recipe.pixels.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """One a logit; empty where it has no classifier."""
        return self.network.class_names

    @cached_property
    def anatomy(self) -> Anatomy:
        """Its layers, measured.

        Raises:
            Refused: it is closed.
        """
        self.refuse_closed()
        return Anatomy(self.network, self.name, self.shape)

    def refuse_closed(self) -> None:
        """For what looks inside.

        Raises:
            Refused: it is closed.
        """
        if self.closed:
            raise Refused(f"encoder {self.name!r} is no network of torch and has no layers: explain it by occlusion")

    def door(self, pixels: Pixels) -> "torch.Tensor":
        """(n, h, w, 3) uint8 to what the network sees: (n, 3, h, w) float32, channels last in memory."""
        assert self.recipe.pixels is not None
        scale, shift = normalisation(self.recipe.pixels)
        return normalised(pixels, scale.to(self.device), shift.to(self.device))

    def features(self, batch: "torch.Tensor") -> "torch.Tensor":
        """(n, 3, h, w) to (n, d): the features of the recipe."""
        if self.part is None:
            return self.network.features(self.module, batch)  # type: ignore[no-any-return]
        part = self.part
        listener = Listener({part.layer: lambda made: pooled(made, part.pooling, part.layout)}, to_the_end=False)
        listened(listener, lambda: self.network.features(self.module, batch))
        return listener.heard[part.layer]  # type: ignore[no-any-return]

    def logits(self, batch: "torch.Tensor") -> "torch.Tensor":
        """(n, 3, h, w) to (n, k), before the softmax.

        Raises:
            Refused: it has no classifier.
        """
        if self.network.logits is None:
            raise Refused(f"encoder {self.name!r} has no classifier: explain a head, a cluster or a likeness instead")
        return self.network.logits(self.module, batch)  # type: ignore[no-any-return]


def opened(encoder: Encoder) -> OpenNetwork:
    """The network of an encoder, laid open; one that is none of torch as a box with pixels on one side.

    Raises:
        Refused: it looks at no pixels.
    """
    if not isinstance(encoder, TorchEncoder):
        return _closed(encoder)
    running, part = encoder._running, encoder._part
    module = copy.deepcopy(running._original).eval().requires_grad_(requires_grad=False)
    if part is not None and part.layer != LAST:
        tap(module, part.layer)
    recipe = encoder.at("fp32").recipe
    assert isinstance(recipe.pixels, PixelSpec)
    return OpenNetwork(recipe, module, running.network, part, running.device)


def _closed(encoder: Encoder) -> OpenNetwork:
    """What is computed by rules, or by another runtime. Pixels between two levels go to the nearer one."""
    import torch

    recipe = encoder.recipe
    if recipe.pixels is None:
        raise Refused(f"features {recipe.name!r} were imported, and nobody knows what would make them of other pixels")
    mean, std = (torch.tensor(values)[:, None, None] for values in (recipe.pixels.mean, recipe.pixels.std))

    def features(module: object, batch: "torch.Tensor") -> "torch.Tensor":
        levels = ((batch.detach().cpu() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
        return torch.from_numpy(encoder(levels.permute(0, 2, 3, 1).contiguous().numpy()))

    module = torch.nn.Identity()
    return OpenNetwork(recipe, module, Network(module, features), None, torch.device("cpu"), closed=True)
