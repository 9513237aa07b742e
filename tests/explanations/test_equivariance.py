"""Every method in a mirror, of images alone and together, in every mode and after errors: nothing else may change."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attending import batch_for, logit, open_timm
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.methods import METHODS, explained_each
from boda.explanations.score import Score
from left_behind import state_of
from little_networks import open_module

ATTENTION = ("relevance", "rollout", "attention", "attention-heads")
CASES = [
    *(("convolutions", name) for name in METHODS if name not in ATTENTION),
    *(("attention", name) for name in METHODS if name in {*ATTENTION, "grad-cam", "deeplift"}),
]
OF_GRADIENTS = [case for case in CASES if case[1] not in {"occlusion", "rollout", "attention", "attention-heads"}]
SHAPE = (17, 15)
"""Odd, so that every second pixel is every second pixel in a mirror too: 9 x 8 places."""


def convolutions(*, mirrored: bool) -> OpenNetwork:
    """Three of them, average pooling and a classifier."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(
            *(nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True)),
            *(nn.Conv2d(6, 6, 3, padding=1), nn.GELU(), nn.Conv2d(6, 6, 3, padding=1), nn.SiLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
        )
    if mirrored:
        _mirror(module)
    return open_module(module, SHAPE)


def attention(*, mirrored: bool) -> OpenNetwork:
    """A transformer of three layers, 3 x 5 patches and a class token; where it is mirrored, so are its positions."""
    network = open_timm()
    if mirrored:
        _mirror(network.module)
        places = network.module.pos_embed.data[:, -15:].view(1, 3, 5, -1)
        places.copy_((places + places.flip(2)) / 2)
    return network


def _mirror(module: nn.Module) -> None:
    """Kernels that are their own mirror image."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data = (part.weight.data + part.weight.data.flip(3)) / 2


NETWORKS: dict[str, Callable[..., OpenNetwork]] = {"convolutions": convolutions, "attention": attention}


@pytest.fixture(scope="module")
def network_of() -> Callable[[str], OpenNetwork]:
    """Each mirrored network, made once: a method that left something behind would be caught."""
    made = {kind: make(mirrored=True) for kind, make in NETWORKS.items()}
    return made.__getitem__


def maps_of(network: OpenNetwork, name: str, batch: Tensor, score: Score | None = None, **more: object) -> np.ndarray:
    """(n, maps, y, x): one map an image, of `attention-heads` one a head."""
    found = explained_each(network, score or logit(), batch, name, **more)
    return np.stack([heat.maps for heat in found], axis=1)


def there_and_back(
    network: OpenNetwork, name: str, monkeypatch: pytest.MonkeyPatch, batch: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """The maps of images, and those of the images in a mirror turned back; noise is in the mirror as well."""
    there, drawn = maps_of(network, name, batch), torch.randn
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn", lambda *given, **more: drawn(*given, **more).flip(-1))
        back = maps_of(network, name, batch.flip(3))
    return there, back[..., ::-1]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_an_image_in_a_mirror_has_its_map_in_a_mirror(kind, name, network_of, monkeypatch):
    """Where the network cannot tell left from right: to 1e-4 of the largest value."""
    network = network_of(kind)
    there, back = there_and_back(network, name, monkeypatch, batch_for(network, 2))
    assert there.max() > 0
    np.testing.assert_allclose(back, there, atol=1e-4 * np.abs(there).max())


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_where_the_network_tells_left_from_right_it_has_not(kind, name, monkeypatch):
    """So that the test above can fail."""
    network = NETWORKS[kind](mirrored=False)
    there, back = there_and_back(network, name, monkeypatch, batch_for(network, 2))
    assert np.abs(back - there).max() > 0.02 * np.abs(there).max()


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_an_image_alone_and_among_others_has_the_same_map(kind, name, network_of):
    """To 1e-5 of the largest value, or of scores where they are subtracted; also where blocks end inside an image.

    SmoothGrad draws its noise image by image.
    """
    network = network_of(kind)
    batch = batch_for(network)
    together = maps_of(network, name, batch)
    near = 1e-5 * np.abs(together).max() + 1e-6 * float(network.logits(batch).abs().max()) * (name == "occlusion")
    np.testing.assert_allclose(maps_of(network, name, batch, at_once=7), together, rtol=0, atol=near)
    for image in range(1 if name == "smoothgrad" else 3):
        alone = maps_of(network, name, batch[image : image + 1])
        np.testing.assert_allclose(alone[0], together[image], rtol=0, atol=near)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_mode_of_the_caller_changes_nothing_and_is_not_changed(kind, name, mode, network_of):
    """No gradients, no autograd at all: the same map, and everything as it was."""
    network = network_of(kind)
    batch = batch_for(network, 2)
    kept, expected = batch.clone(), maps_of(network, name, batch)
    with mode():
        before = state_of(network)
        found = maps_of(network, name, batch)
        assert state_of(network) == before
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    assert torch.equal(batch, kept) and not batch.requires_grad


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_an_error_in_any_pass_leaves_everything_as_it_was(kind, name, network_of):
    """The first, the second, ... that a method asks a score for, whether it finds the layer or makes the map."""
    network = network_of(kind)
    batch = batch_for(network, 2)
    before = state_of(network)
    calls = 0

    def counting(until: int) -> Score:
        def of(rows: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            if calls == until:
                raise ZeroDivisionError
            return rows[:, 3]

        return Score("breaks", "breaks", "logit", of, "logits")

    maps_of(network, name, batch, counting(0), at_once=64)
    passes = calls
    assert passes > 0 and state_of(network) == before
    for until in range(1, passes + 1):
        calls = 0
        with pytest.raises(ZeroDivisionError):
            maps_of(network, name, batch, counting(until), at_once=64)
        assert state_of(network) == before, f"pass {until} of {passes}"


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_an_error_inside_the_network_leaves_everything_as_it_was(kind, name):
    """In a layer, while hooks below and above it are in place."""
    network = NETWORKS[kind](mirrored=True)
    batch = batch_for(network, 2)
    breaking = network.module[4] if kind == "convolutions" else network.module.blocks[1].mlp.act

    def broken(given: Tensor) -> Tensor:
        raise ZeroDivisionError

    explained_each(network, logit(), batch, name)  # what is measured once is measured
    breaking.forward = broken
    before = state_of(network)
    with pytest.raises(ZeroDivisionError):
        explained_each(network, logit(), batch, name)
    assert state_of(network) == before


@pytest.mark.parametrize(("kind", "name"), OF_GRADIENTS)
def test_an_error_on_the_way_back_leaves_everything_as_it_was(kind, name, network_of):
    """Where the gradient is taken."""
    network = network_of(kind)
    batch = batch_for(network, 2)
    before = state_of(network)

    def breaks(above: Tensor) -> Tensor:
        raise ZeroDivisionError

    def of(rows: Tensor) -> Tensor:
        if rows.requires_grad:
            rows.register_hook(breaks)
        return rows[:, 3]

    with pytest.raises(ZeroDivisionError):
        explained_each(network, Score("breaks", "breaks", "logit", of, "logits"), batch, name)
    assert state_of(network) == before


@pytest.mark.parametrize(("kind", "name"), [("attention", "cam"), *(("convolutions", name) for name in ATTENTION)])
def test_a_refusal_leaves_everything_as_it_was(kind, name, network_of):
    """Also where it comes after the network was looked into."""
    network = network_of(kind)
    before = state_of(network)
    with pytest.raises(Refused):
        explained_each(network, logit(), batch_for(network, 2), name)
    assert state_of(network) == before
