"""Nearness to a cluster is what its rule decides by: the right numbers, above 0 where an image would be put there."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from boda.clusters.clustering import Clustering, find_clusters
from boda.clusters.methods import METHODS
from boda.clusters.predicting import learn_classes
from boda.clusters.rules import Mixture, NearestCentre, NearestRow
from boda.clusters.space import Space
from boda.errors import Refused
from boda.explanations.cluster_score import _into, cluster_score
from boda.explanations.deeplift import deep_lift
from boda.recipe import Recipe

RECIPE = Recipe("handmade:hog-colour", "", "pooled", "none", None, name="hog")
D = 60


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """240 rows of 60 features in four groups that touch, far from 0."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(240, D)) + 4 * np.eye(D)[np.arange(240) % 4] + 3).astype(np.float32)


def found(features: np.ndarray, method: str) -> Clustering:
    k = 4 if METHODS[method].takes_k else None
    return find_clusters(features, method, k, keys=[str(row) for row in range(len(features))], recipe=RECIPE, seed=0)


@pytest.fixture(scope="module")
def apart(features) -> np.ndarray:
    """The same groups farther apart, and rows strewn between them, most of which HDBSCAN puts in none."""
    rows = features + 10 * np.eye(D, dtype=np.float32)[np.arange(240) % 4]
    rows[::17] += np.random.default_rng(1).normal(size=rows[::17].shape).astype(np.float32) * 6
    return rows


@pytest.fixture(scope="module")
def clusterings(features, apart) -> dict[str, Clustering]:
    """By method."""
    return {name: found(apart if name == "hdbscan" else features, name) for name in METHODS}


def all_scores(clustering: Clustering, rows: np.ndarray) -> np.ndarray:
    """(n, k)"""
    batch = torch.from_numpy(rows)
    return np.stack([cluster_score(clustering, one).of(batch).numpy() for one in range(clustering.k)], axis=1)


def new_rows(count: int = 50) -> np.ndarray:
    """Rows that no clustering has seen, most of them between groups."""
    rng = np.random.default_rng(2)
    return (rng.normal(size=(count, D)) + 4 * rng.random((count, 4)) @ np.eye(4, D) + 3).astype(np.float32)


def in_space(clustering: Clustering, rows: np.ndarray) -> np.ndarray:
    return np.asarray(clustering.rule.space.of(rows), np.float64)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_above_0_where_an_image_would_be_put_there(clusterings, features, apart, method):
    """New rows and old ones; of a mixture it may be below for all, where no cluster has more than half."""
    clustering = clusterings[method]
    rows = np.concatenate([new_rows(), apart if method == "hdbscan" else features])
    scores, labels = all_scores(clustering, rows), clustering.assign(rows, recipe=RECIPE.id)[0]
    inside = labels[:, None] == np.arange(clustering.k)
    assert set(range(-(method == "hdbscan"), clustering.k)) == set(labels.tolist())
    if method == "gmm":
        assert (inside[scores > 0]).all() and (scores.argmax(axis=1) == labels).all()
    else:
        np.testing.assert_array_equal(scores > 0, inside)


@pytest.mark.parametrize("method", METHODS)
def test_rows_go_into_the_space_as_they_did_before(clusterings, method):
    """Torch prepares features as NumPy does, to 1e-5 of their spread, and with gradients."""
    clustering, rows = clusterings[method], new_rows()
    batch = torch.from_numpy(rows).requires_grad_()
    moved = _into(clustering.rule.space)(batch)
    expected = in_space(clustering, rows)
    np.testing.assert_allclose(moved.detach().numpy(), expected, atol=1e-5 * expected.std())
    assert moved.requires_grad


@pytest.mark.parametrize("method", ["kmeans", "minibatch", "spherical"])
def test_of_centres_it_is_the_signed_distance_to_the_border(clusterings, method):
    """By planes half way to the other centres; and a step of that length along the gradient leaves the cluster."""
    clustering, rows = clusterings[method], new_rows()
    centres, x = clustering.rule.centres.astype(np.float64), in_space(clustering, rows)
    distances = ((x[:, None] - centres) ** 2).sum(axis=2)
    scores = all_scores(clustering, rows)
    for one in range(clustering.k):
        others = [other for other in range(clustering.k) if other != one]
        planes = [
            (distances[:, other] - distances[:, one]) / (2 * np.linalg.norm(centres[other] - centres[one]))
            for other in others
        ]
        np.testing.assert_allclose(scores[:, one], np.min(planes, axis=0), atol=1e-6)
    if method == "kmeans":
        batch = torch.from_numpy(rows).double().requires_grad_()
        score = cluster_score(clustering, 0).of(batch)
        (slopes,) = torch.autograd.grad(score.sum(), batch)
        np.testing.assert_allclose(np.linalg.norm(slopes.numpy(), axis=1), 1, atol=1e-9)
        at_the_border = batch.detach() - score.detach()[:, None] * slopes
        inside = score.detach().numpy() > 0
        reached = cluster_score(clustering, 0).of(at_the_border).numpy()
        assert inside.any()
        np.testing.assert_allclose(reached[inside], 0, atol=1e-9)


def test_of_a_mixture_it_is_the_log_odds(clusterings):
    """By SciPy's densities."""
    clustering, rows = clusterings["gmm"], new_rows()
    rule, x = clustering.rule, in_space(clusterings["gmm"], rows)
    logs = np.stack(
        [
            np.log(weight) + multivariate_normal(mean, covariance).logpdf(x)
            for weight, mean, covariance in zip(rule.weights, rule.means, rule.covariances, strict=True)
        ],
        axis=1,
    )
    for one in range(clustering.k):
        rest = np.logaddexp.reduce(np.delete(logs, one, axis=1), axis=1)
        said = cluster_score(clustering, one).of(torch.from_numpy(rows)).numpy()
        np.testing.assert_allclose(said, logs[:, one] - rest, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("method", ["hdbscan", "agglomerative"])
def test_of_rows_it_is_the_difference_of_squared_distances(clusterings, method):
    """To the nearest row outside, those in no cluster among them, less that to the nearest inside."""
    clustering, rows = clusterings[method], new_rows()
    rule, x = clustering.rule, in_space(clustering, rows)
    squared = ((x[:, None] - rule.rows.astype(np.float64)) ** 2).sum(axis=2)
    for one in range(clustering.k):
        inside = rule.labels == one
        said = cluster_score(clustering, one).of(torch.from_numpy(rows)).numpy()
        expected = squared[:, ~inside].min(axis=1) - squared[:, inside].min(axis=1)
        np.testing.assert_allclose(said, expected, atol=1e-4)


def test_a_row_that_decides_about_itself_has_a_gradient(clusterings, features):
    """An image of the collection is its own nearest row: a distance would have no gradient there, and noise for one."""
    clustering = clusterings["agglomerative"]
    one = int(clustering.labels[0])
    batch = torch.from_numpy(features[:1]).requires_grad_()
    (slopes,) = torch.autograd.grad(cluster_score(clustering, one).of(batch).sum(), batch)
    rule = clustering.rule
    outside = rule.rows[rule.labels != one].astype(np.float64)
    nearest = outside[((outside - rule.rows[0]) ** 2).sum(axis=1).argmin()]
    np.testing.assert_allclose(slopes[0].numpy(), rule.space.basis @ (2 * (rule.rows[0] - nearest)), atol=1e-3)


def test_names_say_what_it_is(clusterings, features):
    """With the class of the cluster where one was learned."""
    clustering = clusterings["kmeans"]
    truth = np.where(np.arange(240) % 4 == 2, -1, np.arange(240) % 4).astype(np.int32)
    told = learn_classes(clustering.labels, truth, ("ankle boot", "bag", "-", "shirt"), k=4)
    named = dataclasses.replace(clustering, class_map=dataclasses.replace(told, of=(1, -1, *told.of[2:])))
    score = cluster_score(named, 0)
    assert (score.name, score.unit) == ("cluster:0", "distance to the border")
    assert score.title == "cluster 0 (bag), distance to the border"
    assert cluster_score(named, 1).title == "cluster 1, distance to the border"
    assert cluster_score(clusterings["gmm"], 1).title == "cluster 1, log odds"


def with_rule(clustering: Clustering, rule) -> Clustering:
    return dataclasses.replace(clustering, rule=rule)


def test_what_has_no_nearness_is_refused(clusterings):
    """No such cluster, one alone, two with one centre, a rule that nobody knows."""
    kmeans = clusterings["kmeans"]
    for one in (-1, 4):
        with pytest.raises(Refused, match=f"clusters are 0 to 3, and there is no {one}"):
            cluster_score(kmeans, one)
    space, point = Space(), np.ones((1, 3), np.float32)
    alone = [
        NearestCentre(space, point),
        Mixture(space, point.astype(np.float64), np.eye(3)[None], np.ones(1)),
        NearestRow(space, point, np.zeros(1, np.int32)),
    ]
    for rule in alone:
        with pytest.raises(Refused, match="cluster 0 is all there is"):
            cluster_score(with_rule(kmeans, rule), 0)
    with pytest.raises(Refused, match="cluster 1 has the centre of another"):
        cluster_score(with_rule(kmeans, NearestCentre(space, np.repeat(point, 2, axis=0))), 1)

    @dataclasses.dataclass
    class Another:
        space: Space
        centres: np.ndarray
        kind: str = "another"

    with pytest.raises(Refused, match="kind 'another' have no nearness"):
        cluster_score(with_rule(kmeans, Another(space, point)), 0)


def test_deeplift_adds_up(open_network):
    """Every operation on the way has a rule, the smallest of many among them."""
    opened = open_network("resnet:resnet20")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    pixels[::2, :16] //= 2
    pixels[::3, :, :16] //= 3
    batch = opened.door(pixels)
    with torch.no_grad():
        rows = opened.features(batch).numpy()
    keys = [str(row) for row in range(40)]
    for method in ("kmeans", "spherical", "gmm", "agglomerative"):
        clustering = find_clusters(rows, method, 3, keys=keys, recipe=opened.recipe, seed=0, restarts=2)
        heat = deep_lift(opened, cluster_score(clustering, 1), batch[:2])
        np.testing.assert_allclose(heat.gaps["completeness"], 0, atol=1e-4 * max(1, np.abs(heat.scores).max()))
        assert np.abs(heat.maps).max() > 0
