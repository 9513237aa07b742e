"""Errors of a map are those of scikit-learn's definition, and of hand-made cases."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from boda.errors import Refused
from boda.maps.faithful import faithful, neighbours_asked, rows_looked_at


def told(features, places, k=5, metric="euclidean", rows=None):
    rows = np.arange(len(features)) if rows is None else rows
    (found,) = faithful(features, [places], rows, k=k, metric=metric)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_it_is_scikit_learns_trustworthiness(seed):
    """And continuity is the same with features and map in each other's place."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(90, 6)).astype(np.float32)
    places = (features[:, :2] + rng.normal(size=(90, 2))).astype(np.float32)
    found = told(features, places, k=7)
    assert found.trustworthiness.mean() == pytest.approx(trustworthiness(features, places, n_neighbors=7), abs=1e-9)
    assert found.continuity.mean() == pytest.approx(trustworthiness(places, features, n_neighbors=7), abs=1e-9)


def test_cosine_is_of_directions():
    """Trustworthiness of cosine distances, by scikit-learn."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 4)).astype(np.float32) * rng.uniform(0.1, 9, (60, 1)).astype(np.float32)
    places = rng.normal(size=(60, 2)).astype(np.float32)
    expected = trustworthiness(features.astype(float), places, n_neighbors=5, metric="cosine")
    assert told(features, places, metric="cosine").trustworthiness.mean() == pytest.approx(expected, abs=1e-9)


def test_a_map_that_is_the_features_has_no_error():
    """Turned and enlarged as well; copies of one image blame nobody."""
    flat = np.random.default_rng(1).normal(size=(50, 2))
    flat = np.concatenate([flat, flat[:10], flat[:10]])
    found = told(flat.astype(np.float32), (flat @ [[0, 3], [-3, 0]]).astype(np.float32))
    for values in (found.trustworthiness, found.continuity, found.kept):
        assert values.mean() > 0.99


def test_some_rows_have_the_values_they_have_among_all():
    """Ranks are exact also where few rows are looked at."""
    rng = np.random.default_rng(2)
    features, places = rng.normal(size=(80, 5)), rng.normal(size=(80, 3))
    rows = np.array([3, 40, 77])
    some, every = told(features, places, rows=rows), told(features, places)
    np.testing.assert_array_equal(some.trustworthiness, every.trustworthiness[rows])
    np.testing.assert_array_equal(some.kept, every.kept[rows])


def test_intervals_hold_their_means_and_narrow_with_rows():
    """By a bootstrap over rows."""
    rng = np.random.default_rng(3)
    features, places = rng.normal(size=(200, 5)), rng.normal(size=(200, 2))
    few = told(features, places, rows=rows_looked_at(200, rng, most=30)).summary(np.random.default_rng(0))
    every = told(features, places).summary(np.random.default_rng(0))
    for name in ("trustworthiness", "continuity", "kept"):
        assert every[name].low < every[name].value < every[name].high
        assert every[name].high - every[name].low < few[name].high - few[name].low


def test_a_random_map_is_worth_a_half():
    """The worst that chance does; it keeps the share of neighbours that k of all others are."""
    rng = np.random.default_rng(4)
    found = told(rng.normal(size=(400, 8)), rng.normal(size=(400, 2)), k=10)
    assert found.trustworthiness.mean() == pytest.approx(0.5, abs=0.05)
    assert found.kept.mean() == pytest.approx(10 / 399, abs=0.02)


def test_too_many_neighbours_are_refused():
    """Half of the rows cannot be near."""
    with pytest.raises(Refused, match="fewer than half"):
        told(np.zeros((9, 2)), np.zeros((9, 2)), k=5)
    assert [neighbours_asked(n) for n in (5, 20, 46, 10**6)] == [1, 6, 15, 15]
