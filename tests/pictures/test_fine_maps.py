"""Fine maps are made coarser for the eye without cancelling, and their scale says what was done."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.pictures.fine_maps import FINE, PLACES, readable
from boda.pictures.heat import heated
from boda.pixels.window import Window

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("side", [1, 7, FINE])
@pytest.mark.parametrize("signed", [False, True])
def test_coarse_maps_stay_as_they_are(side, signed):
    """And nothing is said of them."""
    maps = RNG.normal(size=(2, side, side)).astype(np.float32)
    found = readable(maps, signed=signed)
    np.testing.assert_array_equal(found.maps, maps)
    assert found.about == ""


def test_of_fine_maps_sizes_are_averaged_under_the_sign_of_their_sum():
    """By blocks of 7 x 7, counted by hand; of maps without signs plain averages."""
    maps = RNG.normal(size=(2, 224, 112))
    blocks = maps.reshape(2, 32, 7, 16, 7)
    found = readable(maps, signed=True)
    expected = np.abs(blocks).mean(axis=(2, 4)) * np.sign(blocks.sum(axis=(2, 4)))
    np.testing.assert_allclose(found.maps, expected, rtol=1e-5)
    assert found.about == "mean sizes over 7 x 7 places, signed as their sum"
    plain = readable(np.abs(maps), signed=False)
    np.testing.assert_allclose(plain.maps, np.abs(blocks).mean(axis=(2, 4)), rtol=1e-5)
    assert plain.about == "averages over 7 x 7 places"


@given(st.integers(1, 90), st.integers(65, 90))
@settings(max_examples=60)
def test_every_place_counts_by_its_area_and_no_side_goes_first(down, across):
    """Where sides cannot be divided too: the mean stays, a map in a mirror is drawn in a mirror, places are bounded."""
    maps = np.random.default_rng([down, across]).random((1, down, across))
    found = readable(maps, signed=False).maps
    assert max(found.shape[1:]) <= PLACES and min(found.shape) >= 1
    np.testing.assert_allclose(found.mean(), maps.mean(), rtol=1e-5)
    for axes in (1, 2):
        again = readable(np.flip(maps, axes), signed=False).maps
        np.testing.assert_allclose(np.flip(again, axes), found, rtol=1e-5)


def test_neighbours_of_opposite_signs_are_seen_in_a_small_picture():
    """A square of dots in the middle of nothing: left as they are, they would be as grey as what is around them."""
    maps = np.zeros((1, 224, 224), np.float32)
    rows, columns = np.indices((112, 112))
    maps[0, 56:168, 56:168] = np.where((rows + columns) % 3, 0.65, -1.19)
    grey = np.full((224, 224, 3), 100, np.uint8)

    def hue(drawn, scale) -> tuple[float, float]:
        over = heated(grey, drawn, Window(0, 0, 224, 224), scale, side=100)[1]
        apart = np.ptp(np.asarray(over).astype(int), axis=2)
        return apart[30:70, 30:70].mean(), apart[:15].mean()

    fine = readable(maps, signed=True)
    inside, outside = hue(fine.maps[0], fine.scale("logit"))
    assert inside > 100 and outside == 0
    assert hue(maps[0], fine.scale("logit"))[0] < 10


def test_the_scale_is_that_of_what_is_drawn_and_says_where_colours_end():
    """Of all images, or of each; the ends of the colours are values of the drawn maps."""
    maps = RNG.normal(size=(3, 112, 112)) * [[[1]], [[2]], [[5]]]
    fine = readable(maps, signed=True)
    every, last = fine.scale("logit"), fine.scale("logit", 2, opacity=0.5)
    assert every.limits[1] in np.abs(fine.maps) and last.limits[1] in np.abs(fine.maps[2])
    assert last.limits[1] < np.abs(maps[2]).max() / 2 and (last.unit, last.opacity, last.signed) == ("logit", 0.5, True)
    assert last.about == f"{fine.about}; colours end at the 99 % quantile"
    assert np.mean(np.abs(fine.maps[2]) > last.limits[1]) <= 0.01
    assert readable(RNG.random((4, 7, 7)), signed=False).scale("logit", 1).about == ""
