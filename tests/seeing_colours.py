"""An encoder that can be worked out by hand: its channels are red, green, blue and light, halved in size."""

import torch
from torch import nn

from boda.encoders.network import Network
from boda.encoders.torch_encoder import TorchEncoder, last_map
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

SIDE = 16
CLASSES = ("red", "green", "blue", "light blue")


class Colours(nn.Module):
    """A convolution of 2 x 2 pixels and a ReLU; logits are the first three channels, and blue with light."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 2, stride=2, bias=False)
        self.act = nn.ReLU()
        self.second = nn.Conv2d(4, 4, 1, bias=False)
        with torch.no_grad():
            own = 1.5 * torch.eye(3) - 0.5
            self.first.weight.copy_(torch.cat([own, torch.ones(1, 3) / 3])[:, :, None, None].expand(4, 3, 2, 2) / 4)
            self.second.weight.copy_(torch.eye(4)[:, :, None, None])


def features(module: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """(n, 4)"""
    return last_map(module.second(module.act(module.first(batch)))).mean((2, 3))


def logits(module: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """(n, 4)"""
    found = features(module, batch)
    return torch.cat([found[:, :3], found[:, 2:3] + found[:, 3:]], dim=1)


def colour_encoder() -> TorchEncoder:
    """The encoder."""
    pixels = PixelSpec(resize=(SIDE, SIDE), crop=None, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    recipe = Recipe("test:colours", "0" * 64, "pooled", "model", pixels, name="test:colours")
    return TorchEncoder(Network(Colours(), features, logits, CLASSES), recipe, torch.device("cpu"))


def seen_by_hand(pixels):
    """(n, h, w, 3) uint8 to (n, 4, h / 2, w / 2): what both convolutions give behind the ReLU, in NumPy."""
    import numpy as np

    n, h, w, _ = pixels.shape
    levels = (pixels.astype(np.float64) / 255 - 0.5) / 0.5
    means = levels.reshape(n, h // 2, 2, w // 2, 2, 3).mean((2, 4))
    light = means.mean(-1, keepdims=True)
    own = 1.5 * means - 1.5 * light
    return np.maximum(np.concatenate([own, light], -1), 0).transpose(0, 3, 1, 2)
