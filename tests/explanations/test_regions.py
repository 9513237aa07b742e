"""Regions: averages of fine maps, coarse maps untouched."""

import numpy as np
import pytest

from boda.explanations.checks.regions import at_regions, places_at
from boda.explanations.heat import Heat


def heat(*shape: int) -> Heat:
    maps = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return Heat(
        "test", "layer", maps, np.zeros(shape[0]), "logit", signed=True, gaps={"completeness": np.zeros(shape[0])}
    )


def test_a_region_has_the_mean_of_its_pixels():
    """With its sign; all else of the heat stays."""
    fine = heat(2, 12, 8)
    found = at_regions(fine, 4)
    np.testing.assert_allclose(found.maps, fine.maps.reshape(2, 4, 3, 4, 2).mean(axis=(2, 4)), rtol=1e-5, atol=1e-7)
    assert (found.method, found.layer, found.signed) == ("test", "layer", True) and found.gaps is fine.gaps


@pytest.mark.parametrize(("shape", "regions"), [((7, 7), 14), ((14, 14), 14), ((32, 32), None)])
def test_maps_that_are_coarse_enough_stay(shape, regions):
    """Nothing is copied."""
    own = heat(1, *shape)
    assert at_regions(own, regions) is own and places_at(shape, regions) == shape


def test_each_side_is_made_coarse_by_itself():
    """A map of 4 x 20 places has 4 x 14 regions."""
    assert at_regions(heat(1, 4, 20), 14).maps.shape == (1, *places_at((4, 20), 14)) == (1, 4, 14)
