"""What docs/explanations.md proves on one photograph, as properties of other networks and numbers."""

import numpy as np
import pytest
import torch

from attending import batch_for, logit, open_timm
from boda.explanations.baselines import baseline_of
from boda.explanations.cams import cam
from boda.explanations.channels import class_score
from boda.explanations.deeplift import deep_lift
from boda.explanations.gradients import gradient_times_input
from boda.explanations.integrated import integrated_gradients
from boda.explanations.layer_output import layer_output
from boda.explanations.leaf import gradient_at
from boda.explanations.occlusion import occlusion
from boda.explanations.passes import scored, slopes
from boda.explanations.score import Score
from boda.explanations.target_layer import target_layer
from little_networks import batch_of, functional, linear_network, open_module


@pytest.mark.parametrize("name", ["timm:test_resnet", "timm:test_efficientnet", "resnet:resnet20"])
def test_cams_weights_are_the_classifiers(open_network, name):
    """Nothing but the row of the class times what the last map gives."""
    network = open_network(name)
    target, batch = target_layer(network, class_score(network, 3)), batch_of(network)
    classifier = [part for part in network.module.modules() if isinstance(part, torch.nn.Linear)][-1]
    by_hand = torch.einsum("d,ndyx->nyx", classifier.weight[3], layer_output(network, target.layer, batch))
    found = cam(network, class_score(network, 3), batch, layer=target.layer, layout=target.layout)
    np.testing.assert_allclose(found.maps, by_hand, atol=1e-5 * float(by_hand.abs().max()))


@pytest.mark.parametrize("layer", ["layer1", "layer2", "layer3"])
def test_a_channels_average_gradient_is_how_the_score_rises_with_it(open_network, layer):
    """Raised everywhere by a hair, in double precision: what Grad-CAM weighs it by, times the places."""
    network = open_network("resnet:resnet20")
    network.module.double()
    score, batch = class_score(network, 3), batch_of(network, 1).double()
    _, _, found = gradient_at(network, layer, score.through(network), batch)
    more = torch.zeros(1, found.shape[1], 1, 1, dtype=torch.float64)
    rises = []
    for by in (1e-5, -1e-5):
        more[0, 5] = by
        hook = network.module.get_submodule(layer).register_forward_hook(lambda part, given, made: made + more)
        rises.append(float(scored(network, score, batch)))
        hook.remove()
    assert (rises[0] - rises[1]) / 2e-5 == pytest.approx(float(found[0, 5].sum()), rel=1e-4)


def test_the_patches_of_the_last_block_move_nothing():
    """Of a network that answers by its class token: exactly; and in the block before they do."""
    network = open_timm()
    moved = {}
    for layer in ("blocks.1", "blocks.2"):
        _, _, found = gradient_at(network, layer, logit().through(network), batch_for(network))
        moved[layer] = found[:, 1:].abs().amax()
        assert found[:, 0].abs().amax() > 0
    assert moved["blocks.2"] == 0 and moved["blocks.1"] > 0


@pytest.mark.parametrize(
    "method",
    [
        integrated_gradients,
        deep_lift,
        lambda *given, **more: occlusion(*given, **more, window=(2, 2), stride=(2, 2)),
    ],
    ids=["integrated gradients", "deeplift", "occlusion"],
)
def test_a_pixel_as_in_the_baseline_gets_nothing(open_network, method):
    """However much the network makes of it."""
    network = open_network("resnet:resnet20")
    batch = batch_of(network, 1)
    start = baseline_of(network, batch, "black")
    batch[:, :, 10:20, 6:26] = start[:, :, 10:20, 6:26]
    score = class_score(network, 3)
    _, found = slopes(network, score, batch)
    heat = method(network, score, batch, baseline="black")
    assert found[:, :, 10:20, 6:26].abs().max() > 0
    assert np.abs(heat.maps[:, 10:20, 6:26]).max() < 1e-6 * max(1, np.abs(heat.scores).max())  # of subtracted scores
    assert np.abs(heat.maps).max() > 1e-3


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (2.0, 0.5), (0.25, 0.5)])
def test_a_shut_relu_passes_on_its_secant(a, b):
    """Of max(0, 1 - a - b) from 0: in closed form, where the gradient is 0 and where it is not."""
    network = open_module(functional(lambda batch: (1 - batch[:, 0, 0, :2].sum(1, keepdim=True)).relu()), (4, 6))
    score = Score("y", "y", "point", lambda rows: rows[:, 0])
    batch = torch.zeros(1, 3, 4, 6)
    batch[0, 0, 0, :2] = torch.tensor([a, b])
    secant = (max(0, 1 - a - b) - 1) / (a + b)
    found = deep_lift(network, score, batch, baseline=0 * batch).maps[0, 0, :2]
    np.testing.assert_allclose(found, [a * secant, b * secant], rtol=1e-6)
    walked = integrated_gradients(network, score, batch, baseline=0 * batch, steps=200).maps[0, 0, :2]
    np.testing.assert_allclose(walked, found, atol=0.02)
    tangent = gradient_times_input(network, score, batch).maps[0, 0, :2]
    np.testing.assert_allclose(tangent, [-a, -b] if a + b < 1 else [0, 0])


def test_half_of_a_probabilitys_gradient_is_of_other_classes():
    """p (1 - p) of its own logit and -p q of another, so that both halves are as large."""
    network = linear_network()
    batch = batch_of(network, 2)
    _, found = slopes(network, class_score(network, 7, probability=True), batch)
    shares = batch.flatten(1).softmax(1)
    expected = -shares * shares[:, 7:8]
    expected[:, 7] += shares[:, 7]
    torch.testing.assert_close(found.flatten(1), expected)
    own = found.flatten(1)[:, 7].abs()
    torch.testing.assert_close(own, found.flatten(1).abs().sum(1) / 2)
