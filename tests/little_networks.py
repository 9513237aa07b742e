"""Networks of a few layers, opened: what can be worked out by hand."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from boda.encoders.network import Network
from boda.encoders.opened import OpenNetwork
from boda.explanations.score import Score
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

WEIGHTS = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(3))
"""Of `linear_score`, on images of 6 x 8 pixels."""


def open_module(module: nn.Module, shape: tuple[int, int]) -> OpenNetwork:
    """A module from (n, 3, h, w) to (n, k), whose features are also its logits; means and deviations differ."""
    module = module.eval().requires_grad_(requires_grad=False)

    def forward(one: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return one(batch)

    pixels = PixelSpec(resize=None, crop=shape, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    recipe = Recipe("test", "", "pooled", "model", pixels, name="test:little")
    return OpenNetwork(recipe, module, Network(module, forward, forward), None, torch.device("cpu"))


def linear_network() -> OpenNetwork:
    """Features are the pixels themselves."""
    return open_module(nn.Flatten(), (6, 8))


def linear_score() -> Score:
    """Weighted pixels and an offset of 0.5."""
    return Score("linear", "linear", "point", lambda rows: rows @ WEIGHTS.flatten() + 0.5)


def class_score(index: int = 3) -> Score:
    """A logit."""
    return Score(f"class:{index}", f"class {index}, logit", "logit", lambda logits: logits[:, index], "logits")


def batch_of(network: OpenNetwork, n: int = 2, seed: int = 0) -> torch.Tensor:
    """n random images at the door of a network."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, *network.shape, 3), dtype=np.uint8)
    return network.door(pixels)


def rows_seen(network: OpenNetwork) -> tuple[OpenNetwork, list[int]]:
    """The network, and how many rows each pass through it has had so far."""
    seen: list[int] = []
    network.module.register_forward_pre_hook(lambda one, given: seen.append(len(given[0])))
    return network, seen


def functional(forward: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """A module without parts."""

    class Functional(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return forward(batch)

    return Functional()
