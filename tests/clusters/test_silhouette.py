"""The silhouette is scikit-learn's of the rows drawn."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from boda.clusters.silhouette import silhouette
from boda.clusters.space import Space


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [70, 50, 30]).astype(np.int32)
    return (rng.normal(size=(150, 3)) + 4 * labels[:, None]).astype(np.float32), labels


def test_agrees_with_scikit_learn(rows):
    """On all rows, and with its interval around it."""
    features, labels = rows
    found = silhouette(features, labels, k=3, rng=np.random.default_rng(1))
    assert found.mean.value == pytest.approx(silhouette_score(features, labels), abs=1e-6)
    assert found.mean.low < found.mean.value < found.mean.high
    assert found.rows == 150
    weighted = sum(one.value * size for one, size in zip(found.clusters, (70, 50, 30), strict=True)) / 150
    assert weighted == pytest.approx(found.mean.value)


def test_a_sample_is_near_the_whole(rows):
    """Its interval holds the value of all rows."""
    features, labels = rows
    found = silhouette(features, labels, k=3, rng=np.random.default_rng(2), sample=90, level=0.99)
    assert found.rows == 90
    assert found.mean.low < silhouette_score(features, labels) < found.mean.high


def test_rows_in_no_cluster_are_left_out(rows):
    """As if they were not there."""
    features, labels = rows
    found = silhouette(features, np.where(labels == 2, -1, labels), k=3, rng=np.random.default_rng(0))
    assert found.mean.value == pytest.approx(silhouette_score(features[:120], labels[:120]), abs=1e-6)
    assert found.clusters[2] is None


def test_directions_are_compared_in_their_space(rows):
    """Longer rows change nothing where rows have length 1."""
    features, labels = rows
    first, second = (
        silhouette(scale * features, labels, k=3, rng=np.random.default_rng(0), space=Space(unit=True))
        for scale in (1, np.linspace(1, 9, 150, dtype=np.float32)[:, None])
    )
    assert first.mean.value == pytest.approx(second.mean.value, abs=1e-5)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [-1, -1, -1], [-1, -1, 0]])
def test_it_is_not_defined_for_less_than_two_groups_of_rows(labels):
    """Nor where every row is alone: then it says nothing, and so does its JSON."""
    found = silhouette(np.eye(3, dtype=np.float32), np.array(labels), k=3, rng=np.random.default_rng(0))
    assert found.as_json()["mean"] is None
