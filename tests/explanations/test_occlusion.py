"""Occlusion: closed forms, Captum, borders, bounded rows."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from boda.errors import Refused
from boda.explanations.baselines import baseline_of
from boda.explanations.occlusion import _starts, occlusion
from boda.explanations.score import Score
from little_networks import WEIGHTS, batch_of, class_score, linear_network, linear_score, open_module, rows_seen


def test_of_a_linear_score_windows_of_one_pixel_are_weights_times_differences():
    """Pixel by pixel, borders and corners as well."""
    network = linear_network()
    batch = batch_of(network, 3)
    found = occlusion(network, linear_score(), batch, baseline="black", window=(1, 1), stride=(1, 1), at_once=50)
    away = batch - baseline_of(network, batch, "black")
    np.testing.assert_allclose(found.maps, (WEIGHTS * away).sum(1), atol=1e-4)
    assert found.signed and found.unit == "point"


def test_each_pixel_has_the_mean_over_the_windows_that_hide_it():
    """By loops, where the stride does not divide the side: windows at 0, 2, 4 down and 0, 2, 3, 5 across."""
    network = linear_network()
    batch = batch_of(network, 1)
    found = occlusion(network, linear_score(), batch, baseline="mean", window=(2, 3), stride=(2, 2))
    away = (WEIGHTS * (batch - baseline_of(network, batch, "mean")))[0].sum(0)
    for y in range(6):
        for x in range(8):
            falls = [
                float(away[down : down + 2, across : across + 3].sum())
                for down in (0, 2, 4)
                for across in (0, 2, 3, 5)
                if down <= y < down + 2 and across <= x < across + 3
            ]
            assert found.maps[0, y, x] == pytest.approx(np.mean(falls), abs=1e-4)


def test_it_is_captums(open_network):
    """To 1e-5 of the largest value, where the stride fits the side: perturbations for each pixel."""
    attr = pytest.importorskip("captum.attr")
    network, score = open_network("resnet:resnet20"), class_score()
    batch = batch_of(network)
    found = occlusion(network, score, batch, baseline="black", window=(8, 12), stride=(8, 5), at_once=7).maps
    start = baseline_of(network, batch, "black").contiguous()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        captum = attr.Occlusion(score.through(network))
        expected = captum.attribute(batch.contiguous(), (3, 8, 12), (3, 8, 5), start)[:, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@given(st.integers(1, 60), st.data())
def test_windows_cover_a_side_and_lie_inside(side, data):
    """From border to border, at most a stride apart, and the same seen from the other end."""
    window = data.draw(st.integers(1, side))
    stride = data.draw(st.integers(1, window))
    starts = _starts(side, window, stride)
    assert starts[0] == 0 and starts[-1] == side - window
    assert all(0 < after - before <= stride for before, after in pairwise(starts))
    assert [side - window - one for one in reversed(starts)] == starts


@st.composite
def fitting(draw):
    """Height and width, those of a window, and strides."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    window = tuple(draw(st.integers(1, side)) for side in shape)
    return shape, window, tuple(draw(st.integers(1, side)) for side in window)


@given(fitting())
@example(((4, 8), (2, 3), (1, 3))).via("five pixels of room across, and two gaps: no window can lie in the middle")
@settings(max_examples=30)
def test_the_map_of_a_picture_in_a_mirror_is_its_map_in_a_mirror(asked):
    """Left and right, up and down, of any size, window and stride; of a score that bends."""
    shape, window, stride = asked
    network = open_module(nn.Flatten(), shape)
    score = Score("bent", "bent", "point", lambda rows: torch.tanh(rows.sum(1) / 9) + rows.square().sum(1) / 99)
    batch = batch_of(network, 1)
    there = occlusion(network, score, batch, window=window, stride=stride).maps
    for axes in ((2,), (1,), (1, 2)):
        turned = batch.flip([one + 1 for one in axes])
        back = np.flip(occlusion(network, score, turned, window=window, stride=stride).maps, axes)
        np.testing.assert_allclose(back, there, atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 10, 1000])
def test_the_bound_on_rows_holds_and_changes_nothing(at_once):
    """Windows of several images share a batch."""
    network, seen = rows_seen(linear_network())
    score = Score("square", "square", "point", lambda rows: rows.square().sum(1))
    batch = batch_of(network, 3)
    found = occlusion(network, score, batch, window=(3, 2), stride=(3, 2), at_once=at_once)
    assert max(seen) == min(at_once, 3 * 2 * 4)
    np.testing.assert_allclose(found.maps, occlusion(network, score, batch, window=(3, 2), stride=(3, 2)).maps)


def test_the_default_is_an_eighth_and_a_sixteenth(open_network):
    """Of 32 pixels windows of 4, 2 apart: 15 x 15 of them."""
    network, seen = rows_seen(open_network("resnet:resnet20"))
    occlusion(network, class_score(), batch_of(network, 1), at_once=1000)
    assert max(seen) == 15 * 15


def test_it_explains_what_has_no_gradient():
    """How many bright pixels there are."""
    network = linear_network()
    score = Score("bright", "bright", "count", lambda rows: (rows > 1).sum(1).float())
    batch = torch.zeros(1, 3, 6, 8)
    batch[0, :, 2, 5] = 2
    found = occlusion(network, score, batch, baseline=torch.zeros_like(batch), window=(1, 1), stride=(1, 1))
    assert found.maps[0, 2, 5] == 3 and np.count_nonzero(found.maps) == 1


def test_the_image_is_left_as_it_was():
    """Windows are laid on copies."""
    network = linear_network()
    batch = batch_of(network, 2)
    before = batch.clone()
    occlusion(network, linear_score(), batch)
    assert torch.equal(batch, before)


@pytest.mark.parametrize("wrong", [((7, 2), (1, 1)), ((2, 2), (3, 1)), ((2, 2), (1, 0))])
def test_windows_that_do_not_fit_are_refused(wrong):
    """Larger than the image, or with gaps between them."""
    network = linear_network()
    with pytest.raises(Refused, match="1 <= stride <= window"):
        occlusion(network, linear_score(), batch_of(network), window=wrong[0], stride=wrong[1])
