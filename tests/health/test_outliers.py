"""Outliers: planted ones are found, in words that say how far is far."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from boda.errors import Refused
from boda.health import outliers as module
from boda.health.outliers import outliers


def clouds(n: int = 300, rng: np.random.Generator | None = None) -> np.ndarray:
    """Three clouds of directions."""
    rng = rng or np.random.default_rng(0)
    centres = rng.normal(size=(3, 64)) * 3
    return (centres[np.arange(n) % 3] + rng.normal(size=(n, 64))).astype(np.float32)


def test_planted_outliers_are_found_and_little_else():
    """Five directions of their own among three hundred, the furthest first, with a reason."""
    rng = np.random.default_rng(1)
    features = np.concatenate([clouds(), (rng.normal(size=(5, 64)) * 5).astype(np.float32)])
    found = outliers(features, np.arange(305), rng=rng)
    assert set(found.rows[:5].tolist()) == set(range(300, 305))
    assert len(found.rows) <= 8
    assert found.distance[found.rows[0]] == found.distance.max()
    assert found.reason(302).startswith("its 10th nearest neighbour is at ")
    assert "99 % of images have one nearer than" in found.reason(302)


def test_a_cloud_has_hardly_any():
    """Nothing is planted: of 300 at most 1 %."""
    assert len(outliers(clouds(), np.arange(300), rng=np.random.default_rng(0)).rows) <= 3


def test_distances_are_those_of_scikit_learn():
    """To the k-th nearest of the other rows, by cosine; the row itself is no neighbour."""
    features = clouds(120)
    found = outliers(features, np.arange(120), k=4, rng=np.random.default_rng(0))
    oracle = NearestNeighbors(n_neighbors=5, metric="cosine", algorithm="brute").fit(features)
    oracle = oracle.kneighbors(features)[0][:, 4]
    np.testing.assert_allclose(found.distance, oracle, atol=1e-5)


def test_a_few_alike_outliers_do_not_hide_each_other():
    """Five copies of one odd picture are five outliers."""
    odd = np.repeat(np.random.default_rng(3).normal(size=(1, 64)) * 6, 5, axis=0)
    features = np.concatenate([clouds(), odd + 0.01 * np.arange(5)[:, None]]).astype(np.float32)
    assert set(range(300, 305)) <= set(outliers(features, np.arange(305), rng=np.random.default_rng(0)).rows.tolist())


def test_of_many_rows_a_drawn_part_is_the_reference(monkeypatch):
    """Planted ones are found all the same, and the same seed draws the same."""
    features = np.concatenate([clouds(), (np.random.default_rng(1).normal(size=(5, 64)) * 5).astype(np.float32)])
    monkeypatch.setattr(module, "REFERENCE", 150)
    one, two = (outliers(features, np.arange(305), rng=np.random.default_rng(7)) for _ in range(2))
    assert set(range(300, 305)) <= set(one.rows.tolist())
    np.testing.assert_array_equal(one.distance, two.distance)


def test_a_group_of_foreign_images_is_found():
    """Twenty among three hundred, each of a direction of its own: they differ from all others in the same way."""
    rng = np.random.default_rng(2)
    foreign = (rng.normal(size=(20, 64)) * 3).astype(np.float32)
    found = outliers(np.concatenate([clouds() + 4, foreign]), np.arange(320), rng=rng)
    assert set(found.rows.tolist()) == set(range(300, 320))


def test_few_images_and_equal_images():
    """Too few are refused; where all are copies none is unusual."""
    with pytest.raises(Refused, match="29 images are too few"):
        outliers(clouds(), np.arange(29), rng=np.random.default_rng(0))
    assert len(outliers(np.ones((40, 64), np.float32), np.arange(40), rng=np.random.default_rng(0)).rows) == 0
