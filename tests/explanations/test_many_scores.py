"""Many scores from one pass are what each gives by itself."""

import numpy as np
import pytest
import torch

from boda.errors import Refused
from boda.explanations.activations import activations
from boda.explanations.channels import channel_score
from boda.explanations.many_scores import above_usual, channel_values, values_of
from boda.explanations.passes import scored
from boda.explanations.score import Score
from little_networks import class_score, linear_network, linear_score, open_module


def images(network, n=7):
    return np.random.default_rng(0).integers(0, 256, (n, *network.shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("at_once", [2, 64])
def test_one_pass_gives_what_each_score_gives_alone(at_once):
    """Of features, and of logits; however the batches are cut."""
    network = linear_network()
    pixels = images(network)
    for scores in ([linear_score(), Score("first", "first", "point", lambda rows: rows[:, 0])], [class_score(1)]):
        found = values_of(network, scores, [pixels[:3], pixels[3:]], at_once=at_once)
        for column, one in zip(found.T, scores, strict=True):
            np.testing.assert_allclose(column, scored(network, one, network.door(pixels)).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "layer"), [("timm:test_vit", "blocks.1"), ("timm:test_convnext", "stages.1"), ("timm:test_resnet", "last")]
)
def test_every_channel_is_the_largest_of_its_map(open_network, name, layer):
    """In every layout; and at one place; and nothing is left in the network."""
    network = open_network(name)
    pixels = images(network, 3)
    maps = activations(network, layer, pixels)
    np.testing.assert_allclose(channel_values(network, layer, [pixels]), maps.max((2, 3)), rtol=1e-5, atol=1e-6)
    there = channel_values(network, layer, [pixels], place=(1, 0))
    np.testing.assert_allclose(there, maps[:, :, 1, 0], rtol=1e-5, atol=1e-6)
    scores = [channel_score(network, layer, one, over="largest") for one in (0, 3)]
    np.testing.assert_allclose(values_of(network, scores, [pixels]), maps.max((2, 3))[:, [0, 3]], rtol=1e-5, atol=1e-6)
    assert not any(one._forward_hooks for one in network.module.modules())


def test_above_usual_is_counted_in_deviations():
    """By hand for two of five; a score that never varies stands out from nothing."""
    values = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0], [9.0, 1.0]])
    expected = (6 - 3) / np.std([0, 1, 2, 3, 9], ddof=1)
    np.testing.assert_allclose(above_usual(values, 2), [expected, 0])


def test_what_cannot_be_one_pass_is_refused():
    """Features and logits at once, no images, numbers that are none."""
    network = linear_network()
    for refused, scores, batches in (
        ("not several", [linear_score(), class_score(1)], [images(network)]),
        ("no images", [linear_score()], []),
        ("NaN or infinity for image 0", [Score("x", "x", "x", lambda rows: rows[:, 0] / 0)], [images(network)]),
    ):
        with pytest.raises(Refused, match=refused):
            values_of(network, scores, batches)
    two = open_module(
        torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.Conv2d(2, 2, 1), torch.nn.Flatten()), (4, 4)
    )
    with pytest.raises(Refused, match="not several"):
        values_of(two, [channel_score(two, "0", 0), channel_score(two, "1", 0)], [images(two)])
