"""First-layer filters: found by themselves, symmetric around grey, refused where there are no colours."""

import numpy as np
import pytest
import torch
from torch import nn

from boda.errors import Refused
from boda.explanations.filters import GREY, first_filters, signed_pictures
from boda.pictures.filters import enlarged, filter_sheet
from little_networks import open_module

FIRST = {
    "timm:test_resnet": "conv1.0",
    "timm:test_efficientnet": "conv_stem",
    "timm:test_convnext": "stem.0",
    "timm:test_vit": "patch_embed.proj",
    "resnet:resnet20": "conv1",
}


@pytest.mark.parametrize("name", FIRST)
def test_the_layer_that_sees_colours_is_found_in_every_family(open_network, name):
    """Patch embeddings of transformers among them; weights as the file has them."""
    network = open_network(name)
    found = first_filters(network)
    assert found.layer == FIRST[name]
    weights = network.module.get_submodule(found.layer).weight
    np.testing.assert_array_equal(found.weights, weights.permute(0, 2, 3, 1).numpy())
    assert found.pictures.shape == found.weights.shape and found.pictures.dtype == np.uint8


def test_a_filter_and_its_negative_are_mirrored_around_grey():
    """Each is scaled by itself; a filter of zeros is grey."""
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    weights[2] = 0
    there, back = (signed_pictures(one).astype(int) for one in (weights, -7 * weights))
    np.testing.assert_array_equal(there - GREY, GREY - back)
    assert (there[2] == GREY).all()
    assert (np.abs(there - GREY).max(axis=(1, 2, 3)) == [127, 127, 0, 127]).all()


def test_deeper_layers_are_refused_with_what_to_do_instead(open_network):
    """They work on channels, not on colours."""
    network = open_network("resnet:resnet20")
    deeper = [name for name, one in network.module.named_modules() if isinstance(one, nn.Conv2d)][1]
    with pytest.raises(Refused, match="excites its channels"):
        first_filters(network, deeper)
    with pytest.raises(Refused, match="Linear, which has no filters"):
        first_filters(network, "fc")
    with pytest.raises(Refused, match="no layer 'nothing'"):
        first_filters(network, "nothing")


def test_networks_that_convolve_no_colours_are_refused():
    """Without any convolution, or with a depthwise one first."""
    with pytest.raises(Refused, match="has no convolution"):
        first_filters(open_module(nn.Flatten(), (6, 8)))
    with pytest.raises(Refused, match="see 1 channels"):
        first_filters(open_module(nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.Flatten()), (6, 8)))


def test_the_convolution_called_first_counts_not_the_one_defined_first():
    """And no hook stays."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second, self.first = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(batch)).flatten(1)

    network = open_module(Net(), (6, 8))
    assert first_filters(network).layer == "first"
    assert not any(one._forward_pre_hooks for one in network.module.modules())


def test_on_a_sheet_each_pixel_of_a_filter_is_a_square():
    """Nothing is smoothed."""
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 2, 3), dtype=np.uint8)
    large = np.asarray(enlarged(pictures[0], 13))
    np.testing.assert_array_equal(large, pictures[0].repeat(4, 0).repeat(4, 1))
    assert filter_sheet(pictures, columns=2, side=12, captions=list("abcde")).width > 24
