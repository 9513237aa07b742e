"""The closed form says the same on both scales, and what scikit-learn says."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from ava.closed_form import closed_form
from ava.generated import LENGTH, WIDTH, generated_features
from ava.scales import DIVIDED, RAW, SCALES
from ava.table import AvaTable


@pytest.fixture(scope="module")
def table() -> AvaTable:
    """4,000 images, each with 200 ratings around a mean of its own."""
    rng = np.random.default_rng(7)
    centres = rng.normal(5.4, 0.75, (4000, 1))
    shares = np.exp(-np.square(np.arange(1, 11) - centres) / 4)
    lines = np.zeros((4000, 15), np.int64)
    lines[:, 1] = np.arange(4000)
    lines[:, 2:12] = rng.multinomial(200, shares / shares.sum(axis=1, keepdims=True))
    return AvaTable.of(lines)


@pytest.fixture(scope="module")
def vectors(table) -> np.ndarray:
    return generated_features(table, np.random.default_rng(0)).vectors


@pytest.fixture(scope="module")
def narrow(vectors) -> np.ndarray:
    """96 of the columns, for speed."""
    return np.ascontiguousarray(vectors[:, :96])


@pytest.mark.parametrize("scaling", ["raw", "normalised"])
def test_both_scales_have_the_same_ranks(table, narrow, scaling):
    """The penalty too, and intervals: predictions of a ridge scale with its target."""
    both = [
        closed_form(
            narrow[:3000], table.means[:3000], narrow[3000:],
            scale=scale, scaling=scaling, rng=np.random.default_rng(1),
        )
        for scale in SCALES
    ]  # fmt: skip
    np.testing.assert_allclose(both[0].test, both[1].test, rtol=1e-9)
    np.testing.assert_allclose(both[0].out_of_fold, both[1].out_of_fold, rtol=1e-5)  # of float32 products
    assert both[0].penalty == both[1].penalty
    assert both[0].intervals.half_width == pytest.approx(both[1].intervals.half_width, rel=1e-5)
    ranks = [spearmanr(table.means[3000:], one.test).statistic for one in both]
    assert ranks[0] == pytest.approx(ranks[1], abs=1e-9)
    assert ranks[0] > 0.2
    low, high = both[0].intervals.of(both[0].test)
    assert 0.87 < np.mean((low <= table.means[3000:]) & (table.means[3000:] <= high)) < 0.93


def test_it_is_the_ridge_of_scikit_learn(table, narrow):
    """With the penalty that was chosen, on raw features."""
    found = closed_form(
        narrow[:3000], table.means[:3000], narrow[3000:], scale=DIVIDED, scaling="raw", rng=np.random.default_rng(1)
    )
    theirs = Ridge(alpha=found.penalty, solver="cholesky").fit(narrow[:3000].astype(np.float64), table.means[:3000])
    np.testing.assert_allclose(found.test, theirs.predict(narrow[3000:].astype(np.float64)), rtol=1e-6)


def test_generated_features_have_the_scale_of_clip(table, vectors):
    """Length about 10 around a shared centre, a few directions with most of the variance, correlated with ratings."""
    assert vectors.shape == (4000, WIDTH)
    assert vectors.dtype == np.float32
    assert np.sqrt(np.square(vectors).sum(axis=1).mean()) == pytest.approx(LENGTH, rel=0.02)
    variances = np.linalg.eigvalsh(np.cov(vectors.T.astype(np.float64)))[::-1]
    assert 0.6 < variances[:32].sum() / variances.sum() < 0.9
    lengths = np.linalg.norm(vectors[:500], axis=1)
    cosines = (vectors[:500] @ vectors[:500].T / np.outer(lengths, lengths))[np.triu_indices(500, 1)]
    assert 0.55 < cosines.mean() < 0.75
    assert 0.5 < spearmanr(table.means[3000:], _least_squares(vectors, table.means)).statistic < 0.75


def _least_squares(vectors: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Of the last thousand rows, from the others."""
    x = np.hstack([vectors, np.ones((len(vectors), 1), np.float32)]).astype(np.float64)
    return x[3000:] @ np.linalg.solve(x[:3000].T @ x[:3000], x[:3000].T @ means[:3000])


def test_generated_features_are_those_of_their_seed(table, vectors):
    """The same seed gives the same bits, another seed other images."""
    again = generated_features(table, np.random.default_rng(0))
    assert again.vectors.tobytes() == vectors.tobytes()
    assert again.ids.tolist() == table.ids.tolist()
    assert (generated_features(table, np.random.default_rng(1)).vectors != vectors).mean() > 0.99
    assert RAW.divisor == 1
