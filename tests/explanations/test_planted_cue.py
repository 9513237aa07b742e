"""A patch of colour that decides: every method of a score finds it, and leaves everything as it was."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from boda.encoders.opened import OpenNetwork
from boda.explanations.deeplift import deep_lift
from boda.explanations.gradients import gradient, gradient_times_input
from boda.explanations.heat import Heat
from boda.explanations.integrated import integrated_gradients
from boda.explanations.methods import explained
from boda.explanations.occlusion import occlusion
from boda.explanations.score import Score
from boda.explanations.smoothing import smooth_gradient
from little_networks import class_score, functional, open_module

SIDE, PATCH = 24, 6
Method = Callable[[OpenNetwork, Score, Tensor], Heat]


def smoothed(opened: OpenNetwork, score: Score, batch: Tensor) -> Heat:
    """With little noise: at 0.05 of the range it is colour itself, and gradients are largest around the patch."""
    return smooth_gradient(opened, score, batch, generator=torch.Generator().manual_seed(0), samples=8, noise=0.02)


METHODS: dict[str, Method] = {
    "gradient": gradient,
    "gradient x input": gradient_times_input,
    "smoothgrad": smoothed,
    "integrated gradients": integrated_gradients,
    "deeplift": deep_lift,
    "occlusion": occlusion,
}


def at_the_layer(method: str) -> Method:
    """A method of class activation maps, at the layer that is found by itself: here as fine as the pixels."""
    return lambda opened, score, batch: explained(opened, score, batch, method)


FINDING = METHODS | {name: at_the_layer(name) for name in ("cam", "grad-cam", "grad-cam++", "layer-cam")}
"""All that are of a score and of a convolutional network."""


def planted(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Grey noise, half of it with a red patch somewhere, half with a green one: images, classes, corners."""
    draw = torch.Generator().manual_seed(seed)
    images = 0.5 * torch.randn(n, 1, SIDE, SIDE, generator=draw).expand(-1, 3, -1, -1).clone()
    classes = torch.arange(n) % 2
    corners = torch.randint(0, SIDE - PATCH + 1, (n, 2), generator=draw)
    for image, kind, (y, x) in zip(images, classes, corners, strict=True):
        image[kind, y : y + PATCH, x : x + PATCH] += 2
        image[1 - kind, y : y + PATCH, x : x + PATCH] -= 2
    return images, classes, corners


@pytest.fixture(scope="module")
def trained() -> OpenNetwork:
    """A network of two convolutions that has seen 60 batches of them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)),
        )
    learner = torch.optim.Adam(module.parameters(), 0.01)
    for step in range(60):
        images, classes, _ = planted(16, step)
        learner.zero_grad()
        nn.functional.cross_entropy(module(images), classes).backward()
        learner.step()
    for one in module.parameters():
        one.grad = None
    return open_module(module, (SIDE, SIDE))


def overlap(heat: np.ndarray, corner: Tensor) -> float:
    """Intersection over union of the patch and as many of the hottest pixels."""
    patch = np.zeros((SIDE, SIDE), bool)
    patch[corner[0] : corner[0] + PATCH, corner[1] : corner[1] + PATCH] = True
    hot = np.zeros(SIDE * SIDE, bool)
    hot[np.argsort(heat.ravel())[-(PATCH**2) :]] = True
    both = hot.reshape(SIDE, SIDE) & patch
    return float(both.sum() / (hot.sum() + patch.sum() - both.sum()))


@pytest.mark.parametrize("name", FINDING)
def test_a_planted_cue_is_found(trained, name, record_property):
    """The hottest pixels are the patch's, for the score of its own class less the other's."""
    images, classes, corners = planted(20, 1000)
    with torch.no_grad():
        assert (trained.logits(images).argmax(1) == classes).all()
    for kind in (0, 1):
        score = Score("own", "own less other", "logit", lambda rows, kind=kind: rows[:, kind] - rows[:, 1 - kind])
        heat = FINDING[name](trained, score, images[classes == kind])
        overlaps = [overlap(*one) for one in zip(heat.maps, corners[classes == kind], strict=True)]
        record_property(f"IoU {name} {kind}", float(np.mean(overlaps)))
        assert np.mean(overlaps) > 0.5


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"smoothgrad"}))
def test_a_flipped_image_has_a_flipped_map(name):
    """In a network that cannot tell left from right; but for SmoothGrad, whose noise does not turn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    weight = module[0].weight.data
    weight.copy_((weight + weight.flip(3)) / 2)
    network = open_module(module, (SIDE, SIDE))
    images, _, _ = planted(2, 0)
    score = Score("square", "square", "point", lambda rows: rows.square().sum(1))
    there, back = (METHODS[name](network, score, one).maps for one in (images, images.flip(3)))
    np.testing.assert_allclose(back[:, :, ::-1], there, atol=1e-4 * np.abs(there).max())


def state_of(network: OpenNetwork) -> tuple:
    """All that a method might leave behind."""
    parts = list(network.module.modules())
    digest = hashlib.sha256()
    for tensor in network.module.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return (
        digest.hexdigest(),
        [one.training for one in parts],
        [len(one._forward_hooks) + len(one._forward_pre_hooks) + len(one._backward_hooks) for one in parts],
        [(one.requires_grad, one.grad is None) for one in network.module.parameters()],
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
        len(torch.overrides._get_current_function_mode_stack()),
        torch._C._len_torch_dispatch_stack(),
    )


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_everything_is_left_as_it_was(trained, name, mode):
    """Weights, hooks, modes, gradients and images, whatever mode the caller is in, also after an error in a score."""
    images, _, _ = planted(2, 0)
    kept = images.clone()

    def broken(rows: Tensor) -> Tensor:
        raise ZeroDivisionError

    with mode():
        before = state_of(trained)
        METHODS[name](trained, class_score(1), images)
        assert state_of(trained) == before
        with pytest.raises(ZeroDivisionError):
            METHODS[name](trained, Score("broken", "broken", "", broken), images)
        assert state_of(trained) == before
    assert torch.equal(images, kept) and not images.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_a_first_layer_may_work_in_place(name):
    """On a copy: images stay as they are."""
    network = open_module(functional(lambda batch: batch.relu_().flatten(1)), (SIDE, SIDE))
    images, _, _ = planted(2, 0)
    kept = images.clone()
    found = METHODS[name](network, Score("sum", "sum", "point", lambda rows: rows.sum(1)), images)
    assert torch.equal(images, kept) and np.abs(found.maps).max() > 0
