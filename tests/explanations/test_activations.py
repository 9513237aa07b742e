"""Activations: what a layer gives, where it lies, and what stands out from a collection."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from boda.errors import Refused
from boda.explanations.activations import Usual, activations, strongest, usual_activations
from boda.explanations.layer_output import layer_output
from boda.pictures.activations import activation_sheet
from little_networks import open_module


def colours() -> nn.Module:
    """Three channels of the layer `0`: red, green, blue, halved in size; what comes after it works in place."""
    module = nn.Sequential(nn.Conv2d(3, 3, 2, stride=2, bias=False), nn.ReLU(inplace=True), nn.Flatten())
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(3)[:, :, None, None].expand(3, 3, 2, 2) / 4)
    return module


def photos(n: int, network, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *network.shape, 3), dtype=np.uint8)


def test_channels_lie_where_the_image_has_them():
    """Means of 2 x 2 normalised pixels; the ReLU behind, in place, does not change what was heard."""
    network = open_module(colours(), (6, 8))
    pixels = photos(5, network)
    found = activations(network, "0", pixels, at_once=2)
    expected = network.door(pixels).unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.min() < 0
    assert not any(one._forward_hooks for one in network.module.modules())


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("timm:test_vit", "blocks.1"),
        ("timm:test_convnext", "stages.1"),
        ("timm:test_vit", "last"),
        ("timm:test_resnet", "last"),
    ],
)
def test_every_layout_has_channels_and_places(open_network, name, layer):
    """Tokens without the class token, maps, and the last map."""
    network = open_network(name)
    part = network.anatomy.part(layer, None)
    found = activations(network, layer, photos(2, network))
    assert found.ndim == 4 and found.shape[:2] == (2, part.width) and found.shape[2] == found.shape[3] > 1


def test_a_layer_of_vectors_has_one_place():
    network = open_module(colours(), (6, 8))
    assert activations(network, "2", photos(2, network)).shape == (2, 36, 1, 1)


def test_layers_behind_are_not_run():
    """Looking low costs little."""
    ran = []
    module = colours()
    module[2].register_forward_hook(lambda one, given, made: ran.append(1))
    network = open_module(module, (6, 8))
    pixels = photos(2, network)
    made = layer_output(network, "1", network.door(pixels))
    assert made.shape == (2, 3, 3, 4) and not ran


@given(st.lists(st.integers(0, 5), min_size=2, max_size=5), st.integers(0, 2**32 - 1))
def test_moments_of_a_stream_are_those_of_all_rows(sizes, seed):
    """However it is cut; against numpy, far from zero."""
    parts = [1e4 + np.random.default_rng((seed, place)).normal(size=(n, 3)) for place, n in enumerate(sizes)]
    found, rows = Usual.of_nothing(3), np.concatenate(parts)
    for part in parts:
        found = found.joined(part)
    assert found.images == len(rows)
    if len(rows) > 1:
        np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.deviation, rows.std(axis=0, ddof=1), rtol=1e-6)
    else:
        assert np.isnan(found.deviation).all()


def test_the_channel_that_stands_out_is_first():
    """A red image in a grey collection."""
    network = open_module(colours(), (6, 8))
    usual = usual_activations(network, "0", [photos(4, network, seed) for seed in range(3)], at_once=3)
    assert usual.images == 12
    red = np.zeros((1, 6, 8, 3), np.uint8)
    red[..., 0] = 255
    found = strongest(activations(network, "0", red)[0], usual, 2)
    assert found.channels[0] == 0 and found.excess[0] > 5 and found.excess[1] < 0 and found.maps.shape == (2, 3, 4)


def test_a_channel_that_never_spoke_before_stands_out_most():
    """Its deviation there is 0; a channel that never varies and does not here stands out not at all."""
    usual = Usual.of_nothing(3).joined(np.array([[0.0, 1, 2], [0, 3, 2]]))
    found = strongest(np.array([0.5, 9, 2], np.float32).reshape(3, 1, 1), usual, 9)
    assert list(found.channels) == [0, 1, 2] and found.excess[0] == np.inf and found.excess[2] == 0


def test_the_largest_of_many_channels_is_large_by_chance():
    """Half of all images of independent normal channels have one as far above: by drawing."""
    usual = Usual.of_nothing(80).joined(np.random.default_rng(0).normal(size=(5000, 80)))
    drawn = np.random.default_rng(1).normal(size=(2000, 80)).astype(np.float32)
    found = [strongest(one[:, None, None], usual, 1) for one in drawn]
    assert np.median([one.excess[0] for one in found]) == pytest.approx(found[0].by_chance, abs=0.05)


def test_what_makes_no_sense_is_refused():
    network = open_module(colours(), (6, 8))
    usual = Usual.of_nothing(3).joined(np.ones((1, 3)))
    maps = np.zeros((3, 1, 1), np.float32)
    for refused, call in {
        "at least 2 images": lambda: strongest(maps, usual, 1),
        "as many as the usual 3": lambda: strongest(maps[:2], usual, 1),
        "top=0": lambda: strongest(maps, usual, 0),
        "no images": lambda: activations(network, "0", photos(0, network)),
        "no layer 'x'": lambda: activations(network, "x", photos(1, network)),
        "takes images of": lambda: activations(network, "0", np.zeros((1, 4, 4, 3), np.uint8)),
    }.items():
        with pytest.raises(Refused, match=refused):
            call()


def test_maps_of_one_sign_run_from_black_to_white_and_others_around_grey():
    """Seen at the middle of each tile."""
    up, both = np.float32([[0, 1], [2, 4]]), np.float32([[-4, 0], [2, 4]])
    sheet = np.asarray(activation_sheet(np.stack([up, both]), ["up", "both"], side=40))
    corners = [(10 + y, 10 + x) for y in (10, 30) for x in (10, 30)]
    assert [sheet[y, x, 0] for y, x in corners] == [0, 64, 128, 255]
    assert [sheet[y, x + 50, 0] for y, x in corners] == [1, 128, 192, 255]
