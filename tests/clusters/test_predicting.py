"""Classes from clusters: learned on training rows only, judged on others beside the largest class."""

import json

import numpy as np
import pytest

from boda.clusters.predicting import ClassMap, held_out, learn_classes
from boda.errors import Refused

NAMES = ("cat", "dog", "owl")


def test_majority_and_matching_by_hand():
    """Two clusters are mostly cats: the majority calls both so, the matching only the better one."""
    labels = np.repeat([0, 1, 2, 3], [10, 6, 5, 4])
    truth = np.concatenate([[0] * 9 + [1], [0] * 4 + [1] * 2, [2] * 5, [0, 1, 1, 1]])
    assert learn_classes(labels, truth, NAMES, k=5).of == (0, 0, 2, 1, -1)
    assert learn_classes(labels, truth, NAMES, k=5, how="matched").of == (0, -1, 2, 1, -1)


def test_rows_without_a_cluster_have_no_class():
    """Nor have clusters in which no training row was."""
    told = ClassMap("majority", "class", NAMES, (2, -1))
    assert told(np.array([0, 1, -1])).tolist() == [2, -1, -1]


def test_labels_of_held_out_rows_are_not_looked_at():
    """Wrong labels in one fold change what is said of the others, never what is said of that fold."""
    rng = np.random.default_rng(0)
    labels, folds = rng.integers(3, size=300), np.arange(300) % 2
    truth = np.where(folds == 0, labels, (labels + 1) % 3)
    found = held_out(labels, truth, folds, NAMES, k=3)
    assert found.accuracy.value == 0
    same = held_out(labels, labels, folds, NAMES, k=3)
    assert same.accuracy.value == 1
    assert same.baseline.value < 0.5


@pytest.mark.parametrize("how", ["majority", "matched"])
def test_clusters_that_say_nothing_are_no_better_than_the_largest_class(how):
    """The baseline stands beside the share, with intervals that overlap."""
    rng = np.random.default_rng(1)
    truth = rng.choice(3, size=600, p=[0.5, 0.3, 0.2])
    found = held_out(rng.integers(3, size=600), truth, np.arange(600) % 5, NAMES, k=3, how=how)
    assert found.accuracy.low < found.baseline.high
    assert found.baseline.value == pytest.approx(0.5, abs=0.05)


def test_rows_without_a_known_class_neither_teach_nor_count():
    """And rows in no cluster are wrong, and counted."""
    labels = np.array([0, 0, 1, 1, -1, 0, 1, 1])
    truth = np.array([0, 0, 1, 1, 1, -1, -1, 1])
    found = held_out(labels, truth, np.arange(8) % 2, NAMES, k=2)
    assert found.accuracy.rows == 6
    assert found.without == 1
    assert found.accuracy.value == pytest.approx(5 / 6)


def test_a_map_survives_json():
    """Whole, or refused."""
    told = ClassMap("matched", "label", NAMES, (1, 0, -1))
    record = json.loads(json.dumps(told.as_json()))
    again = ClassMap.from_json(record)
    assert (again.how, again.column, again.names, again.of) == ("matched", "label", NAMES, (1, 0, -1))
    with pytest.raises(ValueError, match="makes no sense"):
        ClassMap.from_json(record | {"of": [7, 0, 0]})


def test_nothing_to_learn_from_is_refused():
    """Another way, no class, one fold."""
    labels, truth = np.zeros(4, int), np.zeros(4, int)
    with pytest.raises(Refused, match="majority, matched"):
        learn_classes(labels, truth, NAMES, k=1, how="vote")
    with pytest.raises(Refused, match="no row of a cluster"):
        learn_classes(labels, truth - 1, NAMES, k=1)
    with pytest.raises(Refused, match="at least two"):
        held_out(labels, truth, np.zeros(4, int), NAMES, k=1)
