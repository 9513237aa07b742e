"""Integrated gradients: closed forms, Captum, completeness, baselines."""

import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from boda.errors import Refused
from boda.explanations.baselines import baseline_of
from boda.explanations.integrated import integrated_gradients
from boda.explanations.score import Score
from little_networks import WEIGHTS, batch_of, class_score, linear_network, linear_score, rows_seen


@pytest.mark.parametrize("rule", ["gauss-legendre", "midpoint"])
@pytest.mark.parametrize("baseline", ["black", "mean", "blurred"])
def test_of_a_linear_score_attributions_are_weights_times_differences(rule, baseline):
    """By any rule, with one step."""
    network = linear_network()
    batch = batch_of(network, 3)
    found = integrated_gradients(network, linear_score(), batch, baseline=baseline, rule=rule, steps=1)
    away = batch - baseline_of(network, batch, baseline)
    np.testing.assert_allclose(found.maps, (WEIGHTS * away).sum(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.gaps["completeness"], 0, atol=1e-4)


def test_of_a_power_they_are_its_differences():
    """Of the sum of fifth powers each pixel's own; exact with three Gauss-Legendre steps, near with midpoints."""
    network = linear_network()
    score = Score("fifth", "fifth", "point", lambda rows: rows.pow(5).sum(1))
    batch = batch_of(network, 2)
    start = torch.full_like(batch, 0.25)
    own = (batch.double().pow(5) - start.double().pow(5)).sum(1)
    found = integrated_gradients(network, score, batch, baseline=start, steps=3)
    np.testing.assert_allclose(found.maps, own, rtol=1e-4, atol=1e-4)
    coarse = integrated_gradients(network, score, batch, baseline=start, steps=3, rule="midpoint")
    gap = coarse.maps.sum(axis=(1, 2)).astype(float) - own.sum((1, 2)).numpy()
    assert np.abs(gap).min() > 1
    np.testing.assert_allclose(coarse.gaps["completeness"], gap, rtol=1e-3)


@pytest.mark.parametrize("name", ["resnet:resnet20", "timm:test_vit"])
@pytest.mark.parametrize(("rule", "theirs"), [("gauss-legendre", "gausslegendre"), ("midpoint", "riemann_middle")])
def test_they_are_captums(open_network, name, rule, theirs):
    """To 1e-5 of the largest value, with the same rule, steps and baseline."""
    attr = pytest.importorskip("captum.attr")
    network, score = open_network(name), class_score()
    batch = batch_of(network)
    start = baseline_of(network, batch, "black")
    found = integrated_gradients(network, score, batch, rule=rule, steps=5, at_once=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        captum = attr.IntegratedGradients(score.through(network))
        expected, delta = captum.attribute(
            batch.contiguous(), start.contiguous(), n_steps=5, method=theirs, return_convergence_delta=True
        )
    expected = expected.sum(1).detach().numpy()
    np.testing.assert_allclose(found.maps, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(found.gaps["completeness"], delta, atol=1e-4)


def test_more_steps_leave_a_smaller_gap(open_network):
    """On a network of ReLUs, where no number of steps is exact."""
    network, score = open_network("resnet:resnet20"), class_score()
    batch = batch_of(network)
    gaps = [
        np.abs(integrated_gradients(network, score, batch, steps=steps).gaps["completeness"]).max() for steps in (1, 30)
    ]
    assert gaps[1] < 0.2 * gaps[0]


@pytest.mark.parametrize("at_once", [1, 4, 1000])
def test_the_bound_on_rows_holds_and_changes_nothing(at_once):
    """Steps of several images share a batch."""
    network, seen = rows_seen(linear_network())
    score = Score("sines", "sines", "point", lambda rows: rows.sin().sum(1))
    batch = batch_of(network, 3)
    found = integrated_gradients(network, score, batch, steps=5, at_once=at_once)
    assert max(seen) == min(at_once, 15)
    np.testing.assert_allclose(found.maps, integrated_gradients(network, score, batch, steps=5).maps, atol=1e-5)


def test_black_is_a_black_image_as_the_network_sees_it():
    """(0 - mean) / std by channel, not zeros."""
    network = linear_network()
    found = baseline_of(network, batch_of(network), "black")
    np.testing.assert_allclose(found[1, :, 2, 3], [-2.5, -1.6, -1.0], rtol=1e-6)


def test_mean_is_the_images_own_colour():
    """One an image and channel."""
    network = linear_network()
    batch = batch_of(network, 3)
    found = baseline_of(network, batch, "mean")
    np.testing.assert_allclose(found[2, :, 5, 7], batch[2].mean((1, 2)), rtol=1e-5)


def test_blurred_is_scipys_gaussian():
    """Of 1/16 of the longer side, by planes, the last pixel going on at the borders."""
    batch = torch.randn(2, 3, 40, 64, generator=torch.Generator().manual_seed(0))
    expected = gaussian_filter(batch.numpy(), (0, 0, 4, 4), mode="nearest", radius=(0, 0, 12, 12))
    np.testing.assert_allclose(baseline_of(linear_network(), batch, "blurred"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baseline": "white"}, "no baseline 'white'; one of black, mean, blurred"),
        ({"baseline": torch.zeros(1, 3, 5, 5)}, "does not fit"),
        ({"steps": 0}, "steps=0"),
        ({"rule": "simpson"}, "one of gauss-legendre, midpoint"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    """Each with what there is."""
    network = linear_network()
    with pytest.raises(Refused, match=message):
        integrated_gradients(network, linear_score(), batch_of(network), **arguments)
