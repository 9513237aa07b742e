"""Which layer a map is made at: by the name `last`, whatever the unit of a score is, and in networks that were trained."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import boda
from boda.encoders.network import Network
from boda.encoders.opened import OpenNetwork, opened
from boda.encoders.torch_encoder import TorchEncoder, last_map
from boda.errors import Refused
from boda.explanations.methods import explained
from boda.explanations.score import Score
from boda.explanations.target_layer import target_at, target_layer
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from left_behind import state_of
from little_networks import batch_of, class_score


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet:resnet20", "layer3"), ("timm:test_efficientnet", "bn2"), ("timm:test_vit", "norm")],
)
def test_last_is_the_module_that_gives_the_last_map(open_network: Callable[[str], OpenNetwork], name, layer):
    """The outermost one, so that the map is that of the layer itself; nothing is left behind."""
    network = open_network(name)
    before = state_of(network)
    assert target_at(network, "last") == target_at(network, layer)
    maps = [
        explained(network, class_score(), batch_of(network), "layer-cam", layer=one).maps for one in ("last", layer)
    ]
    np.testing.assert_array_equal(*maps)
    assert state_of(network) == before


class Summed(nn.Module):
    """The last map is a sum of two layers, and so the output of neither."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)


def summed() -> OpenNetwork:
    """With its encoder's own features."""

    def features(module: Summed, batch: torch.Tensor) -> torch.Tensor:
        return last_map(module.one(batch) + module.two(batch)).mean((2, 3))

    recipe = Recipe("test", "", "pooled", "model", PixelSpec(resize=None, crop=(8, 8)), name="test:summed")
    return opened(TorchEncoder(Network(Summed(), features), recipe, torch.device("cpu")))


def test_a_last_map_that_no_layer_alone_gives_is_refused():
    """A leaf could not take its place; its layers can be named."""
    network = summed()
    score = Score("first", "first", "unit", lambda rows: rows[:, 0])
    with pytest.raises(Refused, match="no layer alone gives its last map: name one"):
        explained(network, score, batch_of(network), "grad-cam", layer="last")
    assert explained(network, score, batch_of(network), "grad-cam", layer="one").layer == "one"


def test_the_unit_of_a_score_does_not_change_the_layer(open_network):
    """A gradient is held against the largest one, and not against a number: a sure softmax has hardly any."""
    network = open_network("timm:test_vit")
    large = class_score()
    small = Score("small", "small", "share", lambda rows: 1e-15 * rows[:, 3], "logits")
    assert target_layer(network, small) == target_layer(network, large)


@pytest.mark.parametrize(
    ("name", "file", "layer", "places"),
    [
        ("resnet:resnet20", "resnet20-12fca82f.th", "layer3", (8, 8)),
        ("timm:mobilenetv2_100", "mobilenet_v2-b0353104.pth", "bn2", (7, 7)),
    ],
)
def test_the_layer_of_trained_networks_is_found(boda_data, name, file, layer, places):
    """As that of random weights is; of `auto` the page on explanations tells."""
    network = opened(boda.load_encoder(name, weights=boda_data / "weights" / file))
    found = target_layer(network, class_score())
    assert (found.layer, found.places) == (layer, places)
