"""Networks that attend, opened: timm's of a few tokens, and one that computes the same attention in many ways."""

import dataclasses

import numpy as np
import torch
from torch import nn

from boda.encoders.network import Network
from boda.encoders.opened import OpenNetwork
from boda.encoders.timm_models import import_timm, network_of
from boda.explanations.score import Score
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

timm = import_timm("a test")
SHAPE = (48, 80)
"""Three rows of five patches."""


def open_attending(network: Network, shape: tuple[int, int] = SHAPE) -> OpenNetwork:
    """A network whose features are also its logits, if it has none."""
    module = network.module.eval().requires_grad_(requires_grad=False)
    network = dataclasses.replace(network, logits=network.logits or network.features)
    pixels = PixelSpec(resize=None, crop=shape, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    recipe = Recipe("test", "", "pooled", "model", pixels, name="test:attending")
    return OpenNetwork(recipe, module, network, None, torch.device("cpu"))


def open_timm(name: str = "test_vit", **arguments: object) -> OpenNetwork:
    """Three layers for 48 x 80 pixels, with weights that attend unevenly."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model(name, **{"img_size": SHAPE, "depth": 3, "num_classes": 5} | arguments)
        for key, one in model.named_parameters():
            if any(word in key for word in ("qkv", "token", "latent", "attn_pool.q", "attn_pool.kv")):
                nn.init.normal_(one, std=0.3)
            elif key.endswith("gamma"):
                nn.init.ones_(one)
    network = network_of(model)
    return open_attending(dataclasses.replace(network, logits=lambda module, batch: module(batch)))


def batch_for(network: OpenNetwork, n: int = 3) -> torch.Tensor:
    """Noise."""
    return network.door(np.random.default_rng(0).integers(0, 256, (n, *network.shape, 3), dtype=np.uint8))


def logit(index: int = 3) -> Score:
    """Of one class."""
    return Score(f"class:{index}", f"class {index}, logit", "logit", lambda rows: rows[:, index], "logits")


class Attends(nn.Module):
    """One layer of two heads, over a class token and patches of 16 x 16 pixels; `way` says how it is computed."""

    def __init__(self, way: str, width: int = 8) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(5)
        self.way, self.heads = way, 2
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width, generator=draw))
        batch_first = way != "many, tokens first"
        self.attend = nn.MultiheadAttention(width, self.heads, batch_first=batch_first)
        for one in self.parameters():
            one.data = torch.randn(one.shape, generator=draw) / 2

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) to (n, d): the class token."""
        patches = self.patches(batch).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(batch), -1, -1), patches], dim=1)
        if self.way == "many":
            return self.attend(tokens, tokens, tokens, need_weights=False)[0][:, 0]
        if self.way == "many, weights used":
            return self.attend(tokens, tokens, tokens)[0][:, 0]
        if self.way == "many, tokens first":
            turned = tokens.transpose(0, 1)
            return self.attend(turned, turned, turned, need_weights=False)[0][0]
        return self._by_hand(tokens)[:, 0]

    def _by_hand(self, tokens: torch.Tensor) -> torch.Tensor:
        both = nn.functional.linear(tokens, self.attend.in_proj_weight, self.attend.in_proj_bias)
        query, key, value = (one.unflatten(2, (self.heads, -1)).transpose(1, 2) for one in both.chunk(3, dim=2))
        if self.way == "fused":
            made = nn.functional.scaled_dot_product_attention(query, key, value)
        elif self.way == "fused, all keys let through":
            mask = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool)
            made = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            product = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
            if self.way == "two steps":
                made = nn.functional.dropout(nn.functional.softmax(product, dim=-1), 0.1, training=False) @ value
            else:
                weights = product.flatten(0, 1).softmax(-1)
                made = torch.bmm(weights, value.flatten(0, 1)).unflatten(0, (-1, self.heads))
        return self.attend.out_proj(made.transpose(1, 2).flatten(2))


def open_own(way: str) -> OpenNetwork:
    """`Attends`."""

    def forward(module: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return module(batch)

    return open_attending(Network(Attends(way), forward, prefix_tokens=1, class_token=True))
