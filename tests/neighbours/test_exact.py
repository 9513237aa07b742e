"""Exact neighbours agree with scikit-learn, whatever the blocks, the ties and the widths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.neighbors import NearestNeighbors

from boda.errors import Refused
from boda.neighbours import exact
from boda.neighbours.exact import nearest


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(500, 24)).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(exact, "BLOCK_ROWS", 37)
    monkeypatch.setattr(exact, "_PRODUCT_VALUES", 37 * 5)
    monkeypatch.setattr(exact, "_EXACT_ROWS", 3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_agrees_with_scikit_learn(features, small_blocks, metric, dtype):
    """Rows and distances are scikit-learn's brute force in float64."""
    features = features.astype(dtype)
    queries = features[::9] + dtype(0.01)
    oracle = NearestNeighbors(n_neighbors=11, metric=metric, algorithm="brute").fit(features.astype(np.float64))
    distances, rows = oracle.kneighbors(queries.astype(np.float64))
    found = nearest(features, queries, 11, metric=metric)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, atol=1e-6)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_block_size_changes_nothing(features, metric, monkeypatch):
    """One block and many give bit-equal answers."""
    features[::3] = features[0]
    whole = nearest(features, features[:20], 40, metric=metric)
    monkeypatch.setattr(exact, "BLOCK_ROWS", 11)
    parts = nearest(features, features[:20], 40, metric=metric)
    np.testing.assert_array_equal(whole.rows, parts.rows)
    np.testing.assert_array_equal(whole.distances, parts.distances)


def test_equal_rows_come_in_row_order(small_blocks):
    """Copies are equally near, wherever they stand, and keep their order."""
    one = np.random.default_rng(1).normal(size=48).astype(np.float32)
    found = nearest(np.tile(one, (300, 1)), one[None], 300)
    np.testing.assert_array_equal(found.rows[0], np.arange(300))
    assert np.ptp(found.distances) == 0


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_row_is_not_its_own_neighbour(features, small_blocks, metric):
    """With `exclude`, leave-one-out neighbours are scikit-learn's."""
    found = nearest(features, features, 3, metric=metric, exclude=np.arange(len(features)))
    oracle = NearestNeighbors(n_neighbors=3, metric=metric, algorithm="brute").fit(features)
    np.testing.assert_array_equal(found.rows, oracle.kneighbors(None, return_distance=False))


def test_fewer_rows_than_k(features):
    """As many as there are come back, and none from an empty array."""
    assert nearest(features[:4], features[:2], 9).rows.shape == (2, 4)
    assert nearest(features[:4], features[:2], 9, exclude=np.arange(2)).rows.shape == (2, 3)
    assert nearest(features[:0], features[:2], 9).rows.shape == (2, 0)
    assert nearest(features[:1], features[:1], 9, exclude=np.arange(1)).rows.shape == (1, 0)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_tiny_and_huge_features_are_compared_exactly(features, scale):
    """Cosine does not depend on the lengths, even where float32 squares vanish or overflow."""
    scaled = (features.astype(np.float64) * scale).astype(np.float32)
    found = nearest(scaled, scaled[:5], 7)
    np.testing.assert_array_equal(found.rows, nearest(features, features[:5], 7).rows)
    nearest(scaled, scaled[:5], 7, metric="euclidean")


def test_zeros_are_at_distance_one(features):
    """A vector of zeros has no direction: distance 1 to all, never NaN."""
    features[3] = 0
    assert nearest(features[3:4], features[:1], 1).distances[0, 0] == 1
    found = nearest(features, features[3:4], 5)
    np.testing.assert_array_equal(found.distances, np.ones((1, 5)))
    np.testing.assert_array_equal(found.rows, [np.arange(5)])


def test_a_memory_map_is_read_in_blocks(features, small_blocks, tmp_path):
    """A float16 file gives what the array gives."""
    np.save(tmp_path / "f.npy", features.astype(np.float16))
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    found = nearest(mapped, mapped[:4], 6)
    np.testing.assert_array_equal(found.rows, nearest(features.astype(np.float16), features[:4].astype("f2"), 6).rows)


def test_what_makes_no_sense_is_refused(features):
    """k below 1, other widths and values that are not finite each name the trouble."""
    with pytest.raises(Refused, match="at least 1"):
        nearest(features, features[:1], 0)
    with pytest.raises(Refused, match="shape"):
        nearest(features, features[:1, :5], 1)
    with pytest.raises(Refused, match="query holds NaN"):
        nearest(features, np.full((1, 24), np.nan), 1)
    features[77, 3] = np.inf
    with pytest.raises(Refused, match="row 77 "):
        nearest(features, features[:1], 1)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.integers(-3, 3).map(float)),
    st.integers(1, 35),
)
def test_every_answer_is_the_sorted_truth(features, k):
    """Small whole numbers, full of ties and zeros: the order is that of (distance, row)."""
    wide = features.astype(np.float64)
    truth = np.square(wide - wide[0]).sum(axis=1)
    order = np.lexsort((np.arange(len(wide)), truth))[:k]
    found = nearest(features, features[:1], k, metric="euclidean")
    np.testing.assert_array_equal(found.rows[0], order)
    np.testing.assert_allclose(found.distances[0], np.sqrt(truth[order]))
