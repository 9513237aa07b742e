"""Deletion and insertion curves: closed forms, the order of equal pixels, bounded rows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from boda.errors import Refused
from boda.explanations.checks.deletion import _places, curves
from boda.explanations.score import Score
from little_networks import WEIGHTS, batch_of, linear_network, linear_score, rows_seen

PIXELS = 48
SQUARE = Score("square", "square", "point", lambda rows: rows.square().sum(1) + 100)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def exact_map(batch: torch.Tensor) -> np.ndarray:
    """What each pixel adds to the linear score, over its mean colour."""
    return (WEIGHTS * (batch - batch.mean(dim=(2, 3), keepdim=True))).sum(1).numpy()


def of_linear(maps: np.ndarray, batch: torch.Tensor, steps: int = PIXELS):
    return curves(linear_network(), linear_score(), batch, maps, rng=rng(), steps=steps, baseline="mean")


def test_of_a_linear_score_the_curves_are_sums_of_what_pixels_add():
    """The exact map takes the largest first: the score falls by the cumulative sum, and rises by it."""
    batch = batch_of(linear_network(), 3)
    found = of_linear(exact_map(batch), batch)
    added = np.cumsum(-np.sort(-exact_map(batch).reshape(3, -1).astype(np.float64)), axis=1)
    score = linear_score().of(batch.flatten(1)).numpy()
    np.testing.assert_allclose(found.deletion[:, 1:], score[:, None] - added, atol=1e-4)
    np.testing.assert_allclose(found.insertion[:, 1:], score[:, None] - added[:, -1:] + added, atol=1e-4)
    np.testing.assert_allclose(found.shares, np.arange(49) / 48)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(PIXELS)))
def test_no_other_order_is_better_than_the_exact_maps(order):
    """Any order leaves at least as much under deletion, and at most as much under insertion."""
    batch = batch_of(linear_network(), 1)
    best, other = (of_linear(maps, batch) for maps in (exact_map(batch), np.array(order).reshape(1, 6, 8) * 1.0))
    assert other.deletion_auc[0] >= best.deletion_auc[0] - 1e-4
    assert other.insertion_auc[0] <= best.insertion_auc[0] + 1e-4


def test_areas_are_scipys_trapezoids():
    """Also where steps do not divide the pixels, so that shares lie unevenly."""
    network = linear_network()
    batch = batch_of(network, 4)
    found = curves(network, SQUARE, batch, exact_map(batch), rng=rng(), steps=7)
    np.testing.assert_allclose(found.shares * PIXELS, [0, 7, 14, 21, 27, 34, 41, 48])
    np.testing.assert_allclose(found.deletion_auc, trapezoid(found.deletion, found.shares, axis=1))
    np.testing.assert_allclose(found.insertion_auc, trapezoid(found.insertion, found.shares, axis=1))
    np.testing.assert_allclose(found.faithfulness, found.insertion_auc - found.deletion_auc)


def test_hiding_in_one_order_is_showing_in_the_reverse():
    """So a map turned round is as unfaithful as the map is faithful, whatever the score: chance has 0 on average."""
    network, batch = linear_network(), batch_of(linear_network(), 3)
    maps = rng(1).standard_normal((3, 6, 8))
    there, back = (curves(network, SQUARE, batch, one, rng=rng(), steps=6) for one in (maps, -maps))
    np.testing.assert_allclose(back.deletion, there.insertion[:, ::-1], rtol=1e-5)
    np.testing.assert_allclose(back.faithfulness, -there.faithfulness, atol=1e-4)


def test_both_curves_run_between_the_image_and_its_baseline():
    """The score of either is theirs at the ends."""
    network, batch = linear_network(), batch_of(linear_network(), 2)
    baseline = torch.full_like(batch[:1], 0.25)
    found = curves(network, SQUARE, batch, exact_map(batch), rng=rng(), steps=3, baseline=baseline)
    image, hidden = (SQUARE.of(one.flatten(1)).numpy() for one in (batch, baseline.expand_as(batch)))
    for curve, ends in ((found.deletion, (image, hidden)), (found.insertion, (hidden, image))):
        np.testing.assert_allclose(curve[:, [0, -1]], np.stack(ends, axis=1), rtol=1e-5)


def test_all_channels_of_a_pixel_go_together():
    """No picture on the way has a pixel that is changed in part."""
    network, batch = linear_network(), batch_of(linear_network(), 2)

    def in_part(rows: torch.Tensor) -> torch.Tensor:
        hidden = rows.unflatten(1, (3, PIXELS)) == 7
        return (hidden.any(dim=1) & ~hidden.all(dim=1)).sum(1).float()

    score = Score("part", "part", "pixels", in_part)
    found = curves(network, score, batch, exact_map(batch), rng=rng(), baseline=torch.full_like(batch, 7))
    assert not found.deletion.any() and not found.insertion.any()


def test_pixels_of_equal_value_favour_no_place():
    """In a map that is the same everywhere each pixel's mean place over 2,000 draws is the middle one."""
    places = _places(np.zeros((2000, 2, 3)), rng())
    assert (np.sort(places.reshape(2000, 6), axis=1) == np.arange(6)).all()
    np.testing.assert_allclose(places.mean(axis=0), 2.5, atol=4 * np.sqrt(35 / 12 / 2000))


def test_larger_values_go_first_and_negative_ones_last():
    """By value and not by size, and by rng only among equals."""
    one = np.array([[[-5.0, 2.0, 0.0], [3.0, 0.0, -1.0]]])
    firsts = {tuple(_places(one, rng(seed)).ravel()) for seed in range(20)}
    assert firsts == {(5, 1, 2, 0, 3, 4), (5, 1, 3, 0, 2, 4)}


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_the_bound_on_rows_holds_and_changes_nothing(at_once):
    """Pictures of several images share a batch; each curve takes steps - 1 passes, and both share their ends."""
    network, seen = rows_seen(linear_network())
    batch = batch_of(network, 3)
    before, maps = batch.clone(), rng(2).integers(0, 3, (3, 6, 8)) * 1.0
    found = curves(network, SQUARE, batch, maps, rng=rng(), steps=6, at_once=at_once)
    assert max(seen) == min(at_once, 3 * 2 * 5) and sum(seen) == 3 * (2 * 5 + 2)
    assert torch.equal(batch, before)
    np.testing.assert_allclose(found.deletion, curves(network, SQUARE, batch, maps, rng=rng(), steps=6).deletion)


@pytest.mark.parametrize(
    ("maps", "steps", "why"),
    [
        (np.zeros((2, 3, 4)), 4, "do not fit"),
        (np.full((2, 6, 8), np.nan), 4, "image 0 of the batch holds NaN"),
        (np.zeros((2, 6, 8)), 49, "at most the 48 pixels"),
        (np.zeros((2, 6, 8)), 0, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(maps, steps, why):
    """Maps of another shape or without an order, too many steps or none."""
    network = linear_network()
    with pytest.raises(Refused, match=why):
        curves(network, linear_score(), batch_of(network), maps, rng=rng(), steps=steps)
