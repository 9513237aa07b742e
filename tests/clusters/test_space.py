"""Principal directions where there are fewer rows than columns."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from boda.clusters.space import principal


@pytest.mark.parametrize("shape", [(30, 200), (60, 61)])
def test_fewer_rows_than_columns_have_the_same_directions(shape):
    """Found by products of rows, against scikit-learn; distances within the span stay as they are."""
    rng = np.random.default_rng(4)
    rows = (rng.normal(size=shape) * np.linspace(3, 0.1, shape[1])).astype(np.float32)
    space = principal(rows, 10)
    expected = PCA(10, svd_solver="full").fit(rows)
    np.testing.assert_allclose(np.abs(space.of(rows)), np.abs(expected.transform(rows)), atol=1e-3)
    everything = principal(rows, shape[0]).of(rows)
    np.testing.assert_allclose(
        np.linalg.norm(everything[0] - everything[1:], axis=1), np.linalg.norm(rows[0] - rows[1:], axis=1), rtol=1e-4
    )


def test_equal_rows_have_a_direction_too():
    """Copies of one row beside another: one direction is all there is."""
    rows = np.zeros((6, 20), np.float32)
    rows[3:] = 1
    assert principal(rows, 5).of(rows).shape == (6, 1)
