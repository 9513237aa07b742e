"""The space is that of scikit-learn's principal components, and new rows come to lie in it."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from boda.errors import Refused
from boda.maps.space import Space


@pytest.mark.parametrize("shape", [(200, 12), (12, 200)])
def test_it_is_scikit_learns_pca(shape):
    """More rows than columns, or fewer; up to the sign of a direction."""
    x = np.random.default_rng(0).normal(size=shape) * np.linspace(5, 1, shape[1]) + 3
    space, oracle = Space.fit(x, "euclidean", 4), PCA(4).fit(x)
    np.testing.assert_allclose(np.abs(space.of(x)), np.abs(oracle.transform(x)), atol=1e-4)
    np.testing.assert_allclose(space.shares, oracle.explained_variance_ratio_, rtol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    """A memory map is read a block at a time."""
    x = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
    whole = Space.fit(x, "cosine", 3).of(x)
    monkeypatch.setattr("boda.maps.space._BLOCK", 7)
    np.testing.assert_allclose(Space.fit(x, "cosine", 3).of(x), whole, atol=1e-6)


def test_cosine_sees_directions_only():
    """Rows of any length; a row of zeros stays."""
    x = np.random.default_rng(2).normal(size=(30, 5))
    longer = x * np.arange(1, 31)[:, None]
    np.testing.assert_allclose(Space.fit(x, "cosine", 3).of(x), Space.fit(longer, "cosine", 3).of(longer), atol=1e-6)
    assert np.isfinite(Space.fit(np.vstack([x, np.zeros(5)]), "cosine", 3).mean).all()


def test_fewer_directions_than_asked_for():
    """As many as rows differ in."""
    x = np.outer(np.arange(10.0), [1, 2, 0])
    assert Space.fit(x, "euclidean", 3).of(x).shape == (10, 1)


def test_what_cannot_be_mapped_is_refused():
    """The same row everywhere, NaN, another width."""
    with pytest.raises(Refused, match="the same"):
        Space.fit(np.ones((9, 4)), "euclidean", 2)
    with pytest.raises(Refused, match="the same"):
        Space.fit(np.ones((4, 9)), "euclidean", 2)
    x = np.random.default_rng(3).normal(size=(9, 4))
    space = Space.fit(x, "euclidean", 2)
    with pytest.raises(Refused, match="3 numbers"):
        space.of(x[:, :3])
    x[2, 1] = np.nan
    for failing in (lambda: Space.fit(x, "euclidean", 2), lambda: space.of(x)):
        with pytest.raises(Refused, match="NaN"):
            failing()
