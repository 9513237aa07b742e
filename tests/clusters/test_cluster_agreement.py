"""Agreement is scikit-learn's, and does not depend on how groups are numbered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, jaccard_score, normalized_mutual_info_score

from boda.clusters.agreement import adjusted_rand, jaccard, matched_accuracy, matching, mutual_information, table_of
from boda.errors import Refused

labellings = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-1, 4), min_size=n, max_size=n).map(np.array)] * 2)
)


@given(labellings)
@settings(max_examples=40, deadline=None)
def test_agrees_with_scikit_learn(pair):
    """Adjusted Rand index and mutual information, trivial groupings and rows in no group included."""
    first, second = pair
    table = table_of(first, second)
    assert table.sum() == len(first)
    if len(first) > 1:
        assert adjusted_rand(table) == pytest.approx(adjusted_rand_score(first, second), abs=1e-12)
    assert mutual_information(table) == pytest.approx(normalized_mutual_info_score(first, second), abs=1e-10)


@given(labellings, st.permutations(range(6)))
@settings(max_examples=25, deadline=None)
def test_numbers_of_groups_do_not_matter(pair, order):
    """Renumbering one side changes no figure."""
    first, second = pair
    table, other = table_of(first + 1, second + 1), table_of(first + 1, np.array(order)[second + 1])
    for figure in (adjusted_rand, mutual_information, matched_accuracy):
        np.testing.assert_allclose(figure(table), figure(other), atol=1e-12)


def test_matching_is_the_best_of_all():
    """The share that agrees is the largest over all permutations."""
    from itertools import permutations

    table = np.random.default_rng(3).integers(0, 50, (5, 5)).astype(float)
    best = max(sum(table[row, column] for row, column in enumerate(order)) for order in permutations(range(5)))
    assert matched_accuracy(table) == pytest.approx(best / table.sum())


def test_more_groups_than_classes_stay_unmatched():
    """Each class is given once."""
    assert matching(np.array([[5.0, 9.0, 1.0], [4.0, 0.0, 2.0]])).tolist() == [1, 0, -1]


def test_jaccard_is_scikit_learns():
    """Cell by cell."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(3, size=80), rng.integers(4, size=80)
    found = jaccard(table_of(first, second))
    expected = [[jaccard_score(first == i, second == j) for j in range(4)] for i in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_labels_of_other_rows_are_refused():
    """Nothing broadcasts."""
    with pytest.raises(Refused, match="not of the same rows"):
        table_of(np.zeros(3, int), np.zeros(1, int))
