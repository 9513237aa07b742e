"""Maps that know nothing: where the blob is, and that chance is as coarse as a method and 0 on average."""

import numpy as np
import pytest

from boda.explanations.checks.centre import centre_blob, random_maps
from boda.explanations.checks.deletion import curves
from boda.explanations.heat import Heat
from boda.explanations.score import Score
from little_networks import batch_of, linear_network


@pytest.mark.parametrize("shape", [(6, 8), (7, 7), (224, 160)])
def test_the_blob_is_in_the_middle_and_as_wide_as_the_picture(shape):
    """The same turned, largest in the middle, and exp(-2) where it meets the middle of an edge, of either side."""
    blob = centre_blob(shape)
    assert blob.shape == shape and blob.dtype == np.float32
    np.testing.assert_allclose(blob, blob[::-1, ::-1], rtol=1e-6)
    assert blob.max() == pytest.approx(float(blob[(shape[0] - 1) // 2, (shape[1] - 1) // 2]))
    edges = [
        blob[0].max() * np.exp(0.5 * (2 - 2 / shape[0]) ** 2 - 2),
        blob[:, 0].max() * np.exp(0.5 * (2 - 2 / shape[1]) ** 2 - 2),
    ]
    np.testing.assert_allclose(edges, np.exp(-2) * blob.max(), rtol=0.07)


def test_random_maps_are_as_coarse_as_a_methods_own():
    """Values at its places, enlarged as its maps are; without places a value at each pixel."""
    found = random_maps(3, (24, 32), np.random.default_rng(0), places=(3, 4))
    values = np.random.default_rng(0).standard_normal((3, 3, 4), dtype=np.float32)
    np.testing.assert_array_equal(found, Heat("", "", values, np.zeros(3), "", signed=True).at((24, 32)))
    assert np.corrcoef(found[:, :, 1:].ravel(), found[:, :, :-1].ravel())[0, 1] > 0.9
    everywhere = random_maps(3, (24, 32), np.random.default_rng(0))
    assert abs(np.corrcoef(everywhere[:, :, 1:].ravel(), everywhere[:, :, :-1].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("places", [(2, 2), None])
def test_chance_is_faithful_by_nothing_on_average(places):
    """Of a score with squares and a large offset: within four standard errors of 0 over 400 maps."""
    network = linear_network()
    score = Score("square", "square", "point", lambda rows: 1e3 + rows.square().sum(1) + rows[:, :20].sum(1))
    batch = batch_of(network, 1).expand(400, -1, -1, -1)
    rng = np.random.default_rng(0)
    found = curves(network, score, batch, random_maps(400, (6, 8), rng, places=places), rng=rng, steps=6)
    spread = found.faithfulness.std()
    assert spread > 0.1 and abs(found.faithfulness.mean()) < 4 * spread / np.sqrt(400)
