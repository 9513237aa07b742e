"""Nearest neighbours at a layer: of pooled outputs, however images come in batches."""

import numpy as np
import pytest
import torch

from boda.errors import Refused
from boda.explanations.layer_neighbours import layer_features, layer_neighbours


def photos(n: int, network) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *network.shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("layer", ["layer1", "layer3"])
def test_features_are_means_over_places(open_network, layer):
    """Against the module itself."""
    network = open_network("resnet:resnet20")
    pixels, kept = photos(5, network), []
    hook = network.module.get_submodule(layer).register_forward_hook(lambda one, given, made: kept.append(made.clone()))
    with torch.no_grad():
        network.logits(network.door(pixels))
    hook.remove()
    found = layer_features(network, layer, [pixels[:3], pixels[3:]], at_once=2)
    np.testing.assert_allclose(found, kept[0].mean((2, 3)).numpy(), atol=1e-5)


def test_an_image_is_its_own_neighbour_unless_left_out(open_network):
    """Images of one colour each; a slightly brighter copy of it comes next."""
    network = open_network("resnet:resnet20")
    pixels = np.broadcast_to(photos(8, network)[:, :1, :1], (8, 32, 32, 3)).copy()
    pixels[5] = np.minimum(pixels[2], 250) + 5
    found = layer_neighbours(network, "layer1", pixels[2:3], [pixels], 2, metric="euclidean")
    assert list(found.rows[0]) == [2, 5] and found.distances[0, 0] == pytest.approx(0, abs=1e-4)
    found = layer_neighbours(network, "layer1", pixels[2:3], [pixels], 1, exclude=np.array([2]))
    assert found.rows[0, 0] == 5


def test_what_makes_no_sense_is_refused(open_network):
    network = open_network("resnet:resnet20")
    with pytest.raises(Refused, match="no images"):
        layer_features(network, "layer1", [])
    with pytest.raises(Refused, match="no class token"):
        layer_features(network, "layer1", [photos(1, network)], pooling="cls")
