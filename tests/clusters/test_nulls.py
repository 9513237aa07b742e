"""Nulls keep every column and lose every group; one kind keeps correlations too."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from boda.clusters.nulls import KINDS, Nulls


def long_cloud(rng: np.random.Generator, n: int = 2000) -> np.ndarray:
    """(n, 4) one cloud whose columns go together, one of them skewed."""
    one = rng.normal(size=(n, 4)) + 2 * rng.normal(size=(n, 1))
    one[:, 3] = np.exp(one[:, 3])
    return one.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_keeps_its_values(kind):
    """Exactly, over other rows; another draw is another."""
    features = long_cloud(np.random.default_rng(0), 60)
    nulls, rng = Nulls.of(features), np.random.default_rng(1)
    first, second = nulls.draw(kind, rng), nulls.draw(kind, rng)
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(features, axis=0))
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)


def test_one_kind_keeps_correlations_of_ranks():
    """The other has none left."""
    features = long_cloud(np.random.default_rng(0))
    nulls, rng = Nulls.of(features), np.random.default_rng(1)
    wanted = spearmanr(features).statistic
    np.testing.assert_allclose(spearmanr(nulls.draw("correlated", rng)).statistic, wanted, atol=0.05)
    np.testing.assert_allclose(spearmanr(nulls.draw("shuffled", rng)).statistic, np.eye(4), atol=0.08)


def test_zeros_that_many_rows_share_are_not_in_the_order_of_the_rows():
    """As after a ReLU: equal values share a rank, so independent columns stay so."""
    features = np.maximum(np.random.default_rng(0).normal(size=(2000, 3)) - 0.7, 0).astype(np.float32)
    drawn = Nulls.of(features).draw("correlated", np.random.default_rng(1))
    np.testing.assert_allclose(spearmanr(drawn).statistic, np.eye(3), atol=0.08)


@pytest.mark.parametrize("kind", KINDS)
def test_constant_columns_and_wide_features_are_no_trouble(kind):
    """A column that says nothing still says nothing; more columns than rows are fine."""
    features = np.random.default_rng(0).normal(size=(20, 50)).astype(np.float32)
    features[:, 7] = 3
    drawn = Nulls.of(features).draw(kind, np.random.default_rng(1))
    assert np.isfinite(drawn).all()
    assert (drawn[:, 7] == 3).all()
