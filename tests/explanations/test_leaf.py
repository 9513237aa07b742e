"""A leaf in a layer's place: the same gradients, nothing kept below it, everything left as it was."""

import numpy as np
import pytest
import torch

from boda.errors import Refused
from boda.explanations.leaf import gradient_at, passed_with_leaf
from boda.explanations.score import Score
from boda.explanations.target_layer import target_layer, target_named, targets

SCORE = Score("class:1", "class 1", "logit", lambda logits: logits[:, 1], "logits")


def batch_of(network, n: int = 2) -> torch.Tensor:
    return network.door(np.random.default_rng(0).integers(0, 256, (n, *network.shape, 3), dtype=np.uint8))


def state_of(network) -> tuple:
    """All that a method might leave behind."""
    parts = list(network.module.modules())
    return (
        [one.training for one in parts],
        [len(one._forward_hooks) + len(one._forward_pre_hooks) + len(one._backward_hooks) for one in parts],
        [one.requires_grad for one in network.module.parameters()],
        [one.grad is None for one in network.module.parameters()],
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
    )


@pytest.mark.parametrize(("name", "layer"), [("resnet:resnet20", "layer2"), ("timm:test_resnet", "layer3.0.bn1")])
def test_gradients_at_a_leaf_are_those_of_the_whole_network(open_network, name, layer):
    """Also where the next layer works in place, as ReLU after a batch norm does."""
    network = open_network(name)
    batch = batch_of(network)
    scores, given, slopes = gradient_at(network, layer, SCORE.through(network), batch)
    kept = []

    def keep(one, given, made):
        kept.append(made)
        return made.clone()

    hook = network.module.get_submodule(layer).register_forward_hook(keep)
    whole = SCORE.through(network)(batch.clone().requires_grad_())
    (expected,) = torch.autograd.grad(whole.sum(), kept[0])
    hook.remove()
    torch.testing.assert_close(scores, whole.detach())
    torch.testing.assert_close(slopes, expected)
    torch.testing.assert_close(given, kept[0].detach())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_everything_is_left_as_it_was(open_network, mode):
    """Hooks, modes and gradients, in whatever mode the caller is, also after an error in the score."""
    network = open_network("resnet:resnet20")
    with mode():
        before = state_of(network)
        gradient_at(network, "layer3", SCORE.through(network), batch_of(network))
        assert state_of(network) == before

        def broken(batch: torch.Tensor) -> torch.Tensor:
            network.logits(batch)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            gradient_at(network, "layer3", broken, batch_of(network))
        assert state_of(network) == before


def test_nothing_below_the_leaf_keeps_a_graph(open_network):
    """The graph of the scores ends at the leaf, so weights and images have no part in it."""
    network = open_network("resnet:resnet20")
    scores, leaf = passed_with_leaf(network, "layer3", SCORE.through(network), batch_of(network))
    assert scores.requires_grad and leaf.is_leaf
    assert all(one.grad is None and not one.requires_grad for one in network.module.parameters())


def test_a_layer_that_moves_nothing_is_refused(open_network):
    """The classifier is behind the features, which a likeness is made of."""
    network = open_network("resnet:resnet20")
    features = Score("like:x", "like x", "cosine", lambda rows: rows[:, 0])
    with pytest.raises(Refused, match="do not depend on layer fc"):
        passed_with_leaf(network, "fc", features.through(network), batch_of(network))


@pytest.mark.parametrize(
    ("name", "layer", "places"),
    [
        ("resnet:resnet20", "layer3", (8, 8)),
        ("timm:test_resnet", "layer4", (5, 5)),
        ("timm:test_efficientnet", "bn2", (5, 5)),
        ("timm:test_convnext", "norm_pre", (5, 5)),
        ("timm:test_vit", "blocks.5.norm1", (10, 10)),
    ],
)
def test_the_layer_is_found(open_network, name, layer, places):
    """The last whose places move the score: of a transformer with a class token that is before the last attention."""
    network = open_network(name)
    found = target_layer(network, SCORE)
    assert (found.layer, found.places) == (layer, places)


def test_there_is_one_layer_for_each_resolution(open_network):
    """From the last to the first, each larger than the one before."""
    network = open_network("resnet:resnet20")
    found = targets(network, SCORE)
    assert [one.places for one in found] == [(8, 8), (16, 16), (32, 32)]
    assert found[0].layer == "layer3"


def test_a_vector_is_no_map(open_network):
    """The average has no places left."""
    with pytest.raises(Refused, match="one vector an image, no map"):
        target_named(open_network("timm:test_resnet"), "global_pool")
