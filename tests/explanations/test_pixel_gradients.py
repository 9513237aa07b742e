"""Gradients at the pixels: a linear score in closed form, the average of SmoothGrad, bounded rows."""

import numpy as np
import pytest
import torch

from boda.errors import Refused
from boda.explanations.deeplift import deep_lift
from boda.explanations.gradients import gradient, gradient_times_input
from boda.explanations.score import Score
from boda.explanations.smoothing import smooth_gradient
from little_networks import WEIGHTS, batch_of, linear_network, linear_score, rows_seen


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_of_a_linear_score_the_gradient_is_its_weights():
    """The largest size over channels, the same for every image."""
    network = linear_network()
    found = gradient(network, linear_score(), batch_of(network, 3))
    np.testing.assert_allclose(found.maps, np.broadcast_to(WEIGHTS.abs().amax(0), (3, 6, 8)), rtol=1e-6)
    assert not found.signed and found.unit == "point per unit of normalised input" and found.layer == ""


def test_of_a_linear_score_gradient_times_input_adds_up_to_the_score():
    """Signed, over channels, without the offset."""
    network = linear_network()
    batch = batch_of(network, 3)
    found = gradient_times_input(network, linear_score(), batch)
    np.testing.assert_allclose(found.maps, (WEIGHTS * batch).sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.maps.sum(axis=(1, 2)) + 0.5, found.scores, rtol=1e-5)
    assert found.signed and found.unit == "point"


def test_smooth_gradient_is_the_mean_over_noise():
    """Of a square the gradient is twice the pixel, so that the mean noise is seen exactly."""
    network = linear_network()
    score = Score("square", "square", "point", lambda rows: rows.square().sum(1))
    batch = batch_of(network, 2)
    found = smooth_gradient(network, score, batch, generator=seeded(), samples=5, noise=0.3, at_once=3)
    noise, draw = torch.zeros_like(batch), seeded()
    for image in range(2):
        drawn = torch.stack([torch.randn(3, 6, 8, generator=draw) for _ in range(5)])
        noise[image] = drawn.mean(0) * 0.3 * (batch[image].max() - batch[image].min())
    np.testing.assert_allclose(found.maps, (2 * (batch + noise)).abs().amax(1), rtol=1e-5)


def test_smooth_gradient_without_noise_is_the_gradient():
    """On a network that bends."""
    network = linear_network()
    score = Score("tanh", "tanh", "point", lambda rows: (rows @ torch.ones(144, 1))[:, 0].div(9).tanh())
    batch = batch_of(network, 2)
    quiet = smooth_gradient(network, score, batch, generator=seeded(), samples=3, noise=0)
    np.testing.assert_allclose(quiet.maps, gradient(network, score, batch).maps, rtol=1e-5)


@pytest.mark.parametrize("at_once", [1, 4, 64])
def test_the_bound_on_rows_holds_and_changes_nothing(at_once):
    """The same seed gives the same noise, however many copies go through together."""
    network, seen = rows_seen(linear_network())
    score = Score("cube", "cube", "point", lambda rows: rows.pow(3).sum(1))
    batch = batch_of(network, 5)
    found = smooth_gradient(network, score, batch, generator=seeded(7), samples=6, at_once=at_once)
    assert max(seen) <= at_once
    together = smooth_gradient(network, score, batch, generator=seeded(7), samples=6, at_once=1000)
    np.testing.assert_allclose(found.maps, together.maps, rtol=1e-4)
    seen.clear()
    np.testing.assert_allclose(
        gradient(network, score, batch, at_once=at_once).maps, gradient(network, score, batch).maps, rtol=1e-6
    )
    assert max(seen[: -(-5 // at_once)]) <= at_once


def test_another_seed_gives_other_noise():
    """Noise is there at all."""
    network = linear_network()
    score = Score("cube", "cube", "point", lambda rows: rows.pow(3).sum(1))
    maps = [smooth_gradient(network, score, batch_of(network), generator=seeded(one)).maps for one in (1, 2)]
    assert np.abs(maps[0] - maps[1]).max() > 1e-3


def test_what_has_no_gradient_is_refused():
    """With what explains it all the same."""
    network = linear_network()
    score = Score("count", "count", "count", lambda rows: (rows > 0).sum(1).float())
    with pytest.raises(Refused, match="no gradient at the pixels: explain it by occlusion"):
        gradient(network, score, batch_of(network))


def test_a_score_of_the_whole_batch_is_refused():
    """A score is one number an image, of that image alone."""
    network = linear_network()
    score = Score("all", "all", "point", lambda rows: rows.sum())
    with pytest.raises(Refused, match="one number an image"):
        gradient(network, score, batch_of(network))


def test_deeplift_says_of_such_scores_what_gradients_say():
    """Not that integrated gradients would help."""
    network = linear_network()
    for of, words in (
        (lambda rows: (rows > 0).sum(1).float(), "no gradient at the pixels: explain it by occlusion$"),
        (lambda rows: rows.sum(), "one number an image, of that image alone$"),
    ):
        with pytest.raises(Refused, match=words):
            deep_lift(network, Score("such", "such", "point", of), batch_of(network))


@pytest.mark.parametrize("arguments", [{"samples": 0}, {"noise": -1}, {"at_once": 0}])
def test_arguments_that_make_no_sense_are_refused(arguments):
    """Each with its value."""
    network = linear_network()
    with pytest.raises(Refused, match=next(iter(arguments))):
        smooth_gradient(network, linear_score(), batch_of(network), generator=seeded(), **arguments)


def test_gradients_are_taken_also_in_inference_mode():
    """Whatever mode the caller is in."""
    network = linear_network()
    with torch.inference_mode():
        found = gradient(network, linear_score(), batch_of(network))
        assert torch.is_inference_mode_enabled()
    assert found.maps.max() > 0
