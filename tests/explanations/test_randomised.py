"""A network with random weights: nothing is left of what was learned, it still works, and the first stays as it was."""

import hashlib

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import boda
from boda.encoders.opened import OpenNetwork, opened
from boda.errors import Refused
from boda.explanations.cams import grad_cam
from boda.explanations.checks.randomised import randomised, similarity
from boda.explanations.target_layer import target_layer
from little_networks import batch_of, class_score, open_module

FAMILIES = ["timm:test_resnet", "timm:test_efficientnet", "timm:test_convnext", "timm:test_vit", "resnet:resnet20"]


def drawn(network: OpenNetwork, seed: int = 0) -> OpenNetwork:
    return randomised(network, torch.Generator().manual_seed(seed))


def state_of(network: OpenNetwork) -> tuple:
    """Weights, statistics, modes and momenta."""
    digest = hashlib.sha256()
    for tensor in network.module.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    parts = list(network.module.modules())
    return digest.hexdigest(), [one.training for one in parts], [getattr(one, "momentum", None) for one in parts]


@pytest.mark.parametrize("name", FAMILIES)
def test_all_weights_are_drawn_anew_and_the_network_stays_as_it_was(open_network, name):
    """Each tensor has its mean and deviation still, and none of its pattern."""
    network = open_network(name)
    before = state_of(network)
    made = drawn(network)
    assert state_of(network) == before
    pairs = zip(network.module.parameters(), made.module.parameters(), strict=True)
    for old, new in pairs:
        assert old.data_ptr() != new.data_ptr() and not new.requires_grad
        spread = float(old.std(correction=0))
        if old.numel() < 500 or spread < 1e-6:
            continue
        assert float(new.std()) == pytest.approx(spread, rel=0.2)
        assert float(new.mean()) == pytest.approx(float(old.mean()), abs=0.2 * spread)
        assert abs(np.corrcoef(old.flatten().numpy(), new.flatten().numpy())[0, 1]) < 0.25
    assert state_of(made)[1:] == before[1:]


@pytest.mark.parametrize("name", FAMILIES)
def test_it_still_tells_images_apart(open_network, name):
    """Its logits are finite, no larger than a hundred times the network's own, and differ from image to image."""
    network = open_network(name)
    batch = batch_of(network, 4)
    with torch.no_grad():
        own, found = network.logits(batch), drawn(network).logits(batch)
    assert torch.isfinite(found).all() and float(found.std(dim=0).max()) > 0
    assert float(found.abs().max()) < 100 * float(own.abs().max())


def test_batch_norms_measure_what_reaches_them_now():
    """Ten layers deep images leave with the deviation that the last norm gives them; a dead channel is not blown up."""
    torch_layers = [part for _ in range(10) for part in (nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *torch_layers[:-1], nn.Flatten())
        for part in module:
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, 0, 1)
    network = open_module(module, (16, 16))
    made = drawn(network)
    with torch.no_grad():
        found, own = made.features(batch_of(network, 8)), network.features(batch_of(network, 8))
    assert 0.3 < float(found.std()) < 3 and float(own.std()) > 1000
    norms = [one for one in made.module.modules() if isinstance(one, nn.BatchNorm2d)]
    assert all(float(one.running_var.min()) >= 0.0099 * float(one.running_var.mean()) for one in norms)


def test_its_grad_cam_is_another(open_network):
    """Of the same layer and images, by another network."""
    network, score = open_network("timm:test_resnet"), class_score()
    target, batch = target_layer(network, score), batch_of(network, 4)
    own, other = (
        grad_cam(one, score, batch, layer=target.layer, layout=target.layout).maps for one in (network, drawn(network))
    )
    alike = similarity(own, other)
    assert own.shape == other.shape and not (alike > 0.9).any()


def test_the_same_seed_draws_the_same_weights(open_network):
    """And another seed others."""
    network = open_network("resnet:resnet20")
    first, again, other = (state_of(drawn(network, seed))[0] for seed in (0, 0, 1))
    assert first == again != other


def test_similarity_is_scipys_spearman_of_sizes():
    """With ties, and of maps with signs."""
    rng = np.random.default_rng(0)
    maps, others = rng.integers(-4, 5, (5, 6, 7)) * 1.0, rng.standard_normal((5, 6, 7)).astype(np.float32)
    expected = [
        spearmanr(np.abs(one).ravel(), np.abs(other).ravel())[0] for one, other in zip(maps, others, strict=True)
    ]
    np.testing.assert_allclose(similarity(maps, others), expected)
    np.testing.assert_allclose(similarity(others, -others), 1)


@pytest.mark.parametrize("value", [0.0, -2.5, np.nan, np.inf])
def test_a_map_that_is_the_same_everywhere_is_like_nothing(value):
    """NaN, and no warning; so are maps that are not finite."""
    maps = np.random.default_rng(0).standard_normal((2, 3, 4))
    flat = maps.copy()
    flat[1] = value
    found = similarity(maps, flat)
    assert found[0] == pytest.approx(1) and np.isnan(found[1])


def test_maps_of_other_places_are_refused():
    """A layer with other places is another layer."""
    with pytest.raises(Refused, match="one layer for both"):
        similarity(np.zeros((1, 3, 4)), np.zeros((1, 6, 8)))


def test_what_has_no_weights_is_not_the_same_again():
    """Histograms of gradients: that their map does not change would say that nothing of it was learned."""
    network = opened(boda.load_encoder("handmade:hog-colour"))
    batch = batch_of(network, 1)
    with pytest.raises(Refused, match="'handmade:hog-colour' has no weights that could be drawn anew"):
        drawn(network).features(batch)
    assert len(network.features(batch)) == 1
