"""Members are measured as by hand, and in the space where the clusters were found."""

import numpy as np
import pytest

from boda.clusters.members import members
from boda.clusters.methods import fit
from boda.clusters.rules import NearestCentre
from boda.clusters.space import Space
from boda.errors import Refused

POINTS = np.array([[0, 0], [1, 0], [-1, 0], [4, 0], [10, 0], [11, 0], [12, 0], [10, 3]], np.float32)
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, -1], np.int32)
RULE = NearestCentre(Space(), np.array([[1, 0], [11, 0]], np.float32))


def test_members_by_hand():
    """Sizes, medoids, border and outliers of seven points on a line and one in no cluster."""
    found = members(POINTS, RULE, LABELS)
    assert found.sizes.tolist() == [4, 3]
    assert found.unclustered == 1
    assert found.medoids.tolist() == [1, 5]
    np.testing.assert_allclose(found.distances[:7], [1, 0, 2, 3, 1, 0, 1])
    np.testing.assert_allclose(found.margins[:4], [10 / 11, 1, 10 / 12, 4 / 7])
    assert found.border(0, 2).tolist() == [3, 2]
    assert found.outliers(0, 2).tolist() == [3, 2]
    assert found.typical(1, 9).tolist() == [5, 4, 6]
    np.testing.assert_allclose(found.farness[:4], np.array([1, 0, 2, 3]) / 1.5)
    assert np.isnan([found.margins[7], found.farness[7], found.distances[7]]).all()


def test_rows_on_their_centre_are_not_far():
    """Where most rows of a cluster are the same, one that is not is infinitely far out, and the same ones are not."""
    points = np.array([[3, 3], [3, 3], [3, 3], [3, 4], [9, 9]], np.float32)
    rule = NearestCentre(Space(), np.array([[3, 3], [9, 9]], np.float32))
    found = members(points, rule, np.array([0, 0, 0, 0, 1], np.int32))
    assert found.farness.tolist() == [1, 1, 1, np.inf, 1]


def test_one_cluster_has_no_border():
    """There is no other centre to be near to."""
    rule = NearestCentre(Space(), np.zeros((1, 2), np.float32))
    found = members(POINTS, rule, np.zeros(8, np.int32))
    assert found.border(0, 3).tolist() == []
    assert found.medoids.tolist() == [0]


def test_length_does_not_matter_to_directions():
    """Spherical clusters are measured between rows of length 1."""
    rng = np.random.default_rng(0)
    features = np.abs(rng.normal(size=(60, 4))).astype(np.float32) + 0.1
    found = fit(features, "spherical", 3, rng=rng, restarts=2)
    scale = rng.uniform(0.5, 20, size=(60, 1)).astype(np.float32)
    first, second = (members(rows, found.rule, found.partition.labels) for rows in (features, features * scale))
    np.testing.assert_allclose(first.margins, second.margins, atol=1e-5)


def test_no_cluster_has_no_members():
    """As HDBSCAN may find: every row is in none."""
    rule = NearestCentre(Space(), np.zeros((0, 2), np.float32))
    found = members(POINTS, rule, np.full(8, -1, np.int32))
    assert (found.k, found.unclustered, found.medoids.tolist()) == (0, 8, [])


def test_labels_of_other_rows_are_refused():
    """Nothing is cut to fit."""
    with pytest.raises(Refused, match="8 rows"):
        members(POINTS, RULE, LABELS[:5])
