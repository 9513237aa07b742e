"""Spherical k-means groups directions, whatever the lengths."""

import numpy as np
import pytest

from boda.clusters.spherical import nearest_directions, spherical
from boda.errors import Refused


@pytest.fixture
def features() -> np.ndarray:
    """Six directions, 100 rows each, of all lengths."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(6, 12)), 100, axis=0) + 0.2 * rng.normal(size=(600, 12))
    return (rows * rng.uniform(0.01, 100, size=(600, 1))).astype(np.float32)


def test_finds_directions(features):
    """The six that were planted; centres have unit length and the inertia is the sum of 2 - 2 cosine."""
    found = spherical(features, 6, rng=np.random.default_rng(0))
    for group in range(6):
        assert len(set(found.labels[100 * group : 100 * group + 100].tolist())) == 1
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-6)
    unit = features / np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    cosines = unit @ found.centres.T
    np.testing.assert_array_equal(found.labels, cosines.argmax(axis=1))
    assert found.inertia == pytest.approx((2 - 2 * cosines.max(axis=1)).sum(), rel=1e-4)
    sums = np.array([unit[found.labels == one].sum(axis=0) for one in range(6)])
    np.testing.assert_allclose(found.centres, sums / np.linalg.norm(sums, axis=1, keepdims=True), atol=1e-5)


def test_lengths_do_not_matter(features):
    """Scaled rows are in the same clusters."""
    scales = np.random.default_rng(1).uniform(0.5, 2, size=(600, 1)).astype(np.float32)
    first = spherical(features, 4, rng=np.random.default_rng(0))
    second = spherical(features * scales, 4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(first.labels, second.labels)


def test_new_rows_go_to_the_smallest_angle(features):
    """As the fitted ones did."""
    found = spherical(features, 6, rng=np.random.default_rng(0))
    labels, squared = nearest_directions(features * 3, found.centres)
    np.testing.assert_array_equal(labels, found.labels)
    assert squared.sum() == pytest.approx(found.inertia, rel=1e-4)


def test_a_row_of_zeros_has_no_direction(features):
    """It is refused by name."""
    features[7] = 0
    with pytest.raises(Refused, match="row 7 is all zeros"):
        spherical(features, 2, rng=np.random.default_rng(0))
    with pytest.raises(Refused, match="row 7 is all zeros"):
        nearest_directions(features, np.eye(2, 12, dtype=np.float32))


def test_a_row_that_is_not_finite_is_named(features):
    """Also where its length is infinite."""
    features[9, 1] = np.nan
    with pytest.raises(Refused, match="row 9 of the features"):
        spherical(features, 2, rng=np.random.default_rng(0))
