"""Every method finds groups that are there, numbers them by size, and puts rows where they were."""

import logging

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from boda.clusters.methods import METHODS, fit, partition
from boda.clusters.rules import Mixture
from boda.clusters.space import principal
from boda.errors import Refused


@pytest.fixture(scope="module")
def groups():
    """Three groups of 120, 80 and 60 rows in 6 columns, all far from 0: features, groups."""
    rng = np.random.default_rng(5)
    truth = np.repeat([2, 0, 1], [80, 120, 60])
    centres = np.array([[9, 0, 0, 1, 0, 2], [0, 9, 0, 2, 1, 0], [0, 0, 9, 0, 2, 1]])
    order = rng.permutation(260)
    return (centres[truth] + rng.normal(size=(260, 6)))[order].astype(np.float32), np.where(
        truth == 2, 1, np.where(truth == 1, 2, 0)
    )[order]


def asked(method: str, k: int = 3) -> int | None:
    return k if METHODS[method].takes_k else None


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("method", METHODS)
def test_groups_that_are_there_are_found(groups, method, dtype):
    """Numbered from the largest to the smallest."""
    features, truth = groups
    found = partition(features.astype(dtype), method, asked(method), rng=np.random.default_rng(0), restarts=3)
    inside = found.labels >= 0
    assert inside.mean() > 0.9
    np.testing.assert_array_equal(found.labels[inside], truth[inside])
    assert found.k == 3
    assert found.labels.dtype == np.int32


@pytest.mark.parametrize("method", METHODS)
def test_rows_go_where_they_were(groups, method):
    """The rule gives the rows it was made of the same clusters, all at once or one by one."""
    features, _ = groups
    found = fit(features, method, asked(method), rng=np.random.default_rng(1), restarts=2)
    np.testing.assert_array_equal(found.rule.assign(features)[0], found.partition.labels)
    alone = [found.rule.assign(features[row : row + 1])[0][0] for row in range(0, 260, 37)]
    np.testing.assert_array_equal(alone, found.partition.labels[::37])


@pytest.mark.parametrize("method", METHODS)
def test_one_seed_gives_one_clustering(groups, method):
    """Also with groups that are not there, where starts matter."""
    features = np.random.default_rng(2).normal(size=(150, 5)).astype(np.float32)
    first, second = (
        partition(features, method, asked(method, 4), rng=np.random.default_rng(9), restarts=2) for _ in range(2)
    )
    np.testing.assert_array_equal(first.labels, second.labels)


def test_a_mixture_is_scikit_learns(groups):
    """Densities and labels of the kept parameters are those of its model."""
    rule = fit(groups[0], "gmm", 3, rng=np.random.default_rng(0)).rule
    assert isinstance(rule, Mixture)
    model = GaussianMixture(3, means_init=rule.means)
    model.means_, model.weights_, model.covariances_ = rule.means, rule.weights, rule.covariances
    model.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(rule.covariances)).astype(float)
    rows = rule.space.of(groups[0]).astype(np.float64)
    scores = rule.log_densities(rows)
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.exp(scores), model.predict_proba(rows), atol=1e-9)


def test_a_mixture_finds_groups_that_no_centre_tells_apart():
    """Two long groups side by side, which k-means cuts across."""
    rng = np.random.default_rng(4)
    truth = rng.integers(2, size=600)
    features = (rng.normal(size=(600, 2)) * [12, 0.5] + np.stack([0 * truth, 4 * truth], axis=1)).astype(np.float32)

    def right(method: str) -> float:
        share = (partition(features, method, 2, rng=np.random.default_rng(0)).labels == truth).mean()
        return float(max(share, 1 - share))

    assert right("kmeans") < 0.6
    assert right("gmm") > 0.95


def test_a_mixture_that_goes_on_is_said(monkeypatch, caplog):
    """In the log of the library, which the command shows with -v."""
    from sklearn import mixture

    def hurried(k, **settings):
        return GaussianMixture(k, **(settings | {"max_iter": 1, "tol": 1e-12}))

    monkeypatch.setattr(mixture, "GaussianMixture", hurried)
    with caplog.at_level(logging.WARNING, "boda.clusters.methods"):
        fit(np.random.default_rng(0).normal(size=(200, 3)), "gmm", 2, rng=np.random.default_rng(0))
    assert "still changing" in caplog.text


def test_principal_directions_are_the_decomposition():
    """Distances in all directions are those of the rows; the leading ones hold the most variance."""
    rng = np.random.default_rng(6)
    features = (rng.normal(size=(90, 7)) @ rng.normal(size=(7, 7)) + 5).astype(np.float32)
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    rows = principal(features, 3).of(features)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=0), singular[:3], rtol=1e-4)
    whole = principal(features).of(features)
    np.testing.assert_allclose(
        np.linalg.norm(whole[0] - whole[1]), np.linalg.norm(features[0] - features[1]), rtol=1e-5
    )


def test_noise_is_in_no_cluster():
    """HDBSCAN leaves rows out, and new rows that are nearest to those go nowhere too."""
    rng = np.random.default_rng(8)
    dense = rng.normal(size=(100, 2)) * 0.05 + np.repeat([[0, 0], [5, 5]], 50, axis=0)
    far = np.array([[20.0, 0.0], [-20.0, 9.0], [3.0, 40.0]])
    found = fit(np.concatenate([dense, far]).astype(np.float32), "hdbscan", None, rng=rng)
    assert found.partition.k == 2
    assert found.partition.labels[-3:].tolist() == [-1, -1, -1]
    assert found.rule.assign(np.array([[19.0, 1.0], [5.0, 5.1]], np.float32))[0].tolist() == [
        -1,
        found.partition.labels[50],
    ]


ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("features", "method", "k", "words"),
    [
        (ROWS, "means", 2, "choose one of kmeans, spherical"),
        (ROWS, "hdbscan", 3, "leave out -k"),
        (ROWS, "kmeans", None, "give one with -k"),
        (ROWS, "kmeans", 1, "groups begin at 2"),
        (ROWS, "agglomerative", 13, "at most 12"),
        (ROWS, "gmm", 2, "at least 20 rows"),
        (ROWS[:8], "hdbscan", None, "at least 10 rows"),
        (ROWS[:0], "kmeans", 2, "rows and columns are needed"),
        (np.zeros((9, 4), np.float32), "kmeans", 2, "all rows are equal"),
        (np.zeros((20_001, 1), np.float32), "agglomerative", 2, "20,001 are more"),
        (np.eye(12, 5000, dtype=np.float32), "agglomerative", 2, "5,000 columns"),
    ],
)
def test_what_makes_no_sense_is_refused(features, method, k, words):
    """In a sentence that says what would."""
    with pytest.raises(Refused, match=words):
        fit(features, method, k, rng=np.random.default_rng(0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("method", METHODS)
def test_rows_that_are_not_finite_are_named(method, bad):
    """By every method alike."""
    features = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    features[41, 1] = bad
    with pytest.raises(Refused, match="row 41"):
        fit(features, method, asked(method, 2), rng=np.random.default_rng(0))


@pytest.mark.parametrize("method", [name for name, one in METHODS.items() if one.takes_k])
def test_rows_all_alike_are_not_cut(method):
    """Equal rows belong together: of one row there are no two groups, of two there are two and both go back."""
    with pytest.raises(Refused, match="all rows are equal: there is nothing to group"):
        fit(np.ones((40, 3), np.float32), method, 2, rng=np.random.default_rng(0))
    two = np.repeat(np.array([[1, 0, 0], [0, 9, 0]], np.float32), [25, 15], axis=0)
    with pytest.raises(Refused, match="3 clusters of 2 different rows"):
        fit(two, method, 3, rng=np.random.default_rng(0))
    found = fit(two, method, 2, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found.partition.labels, np.repeat([0, 1], [25, 15]))
    np.testing.assert_array_equal(found.rule.assign(two)[0], found.partition.labels)
