"""Groups of classes: only those by the shares of clusters do not depend on how clusters are numbered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.clusters.grouping import group_classes
from boda.errors import Refused


def planted(rng: np.random.Generator, groups: list[int], k: int) -> np.ndarray:
    """(c, k) counts of classes whose shares are alike within a group."""
    shares = rng.dirichlet(np.full(k, 0.4), size=max(groups) + 1)
    return np.stack([rng.multinomial(500, shares[group]) for group in groups])


@given(st.integers(0, 10_000), st.permutations(range(5)))
@settings(max_examples=6, deadline=None)
def test_groups_by_shares_do_not_change_when_clusters_are_renumbered(seed, order):
    """Whatever the table and the permutation."""
    counts = planted(np.random.default_rng(seed), [0, 1, 2, 0, 1, 2, 2], 5)
    first, second = (group_classes(table, 3, rng=np.random.default_rng(0)) for table in (counts, counts[:, order]))
    assert first.groups["distribution"] == second.groups["distribution"]


def test_groups_by_numbers_do():
    """Class b is half in cluster 0 and half in 2: by its mean it is like class c, which is all in cluster 1.

    Renumbered, it is like another one; its shares were never like any.
    """
    counts = np.array([[100, 0, 0], [50, 0, 50], [0, 100, 0], [0, 0, 100]])
    first, second = (group_classes(table, 3, rng=np.random.default_rng(0)) for table in (counts, counts[:, [1, 0, 2]]))
    assert first.groups["mean"] == (0, 1, 1, 2)
    assert second.groups["mean"] != first.groups["mean"]
    counts = np.array([[90, 10, 0, 0], [10, 90, 0, 0], [0, 0, 90, 10], [0, 0, 10, 90]])
    first, second = (
        group_classes(table, 2, rng=np.random.default_rng(0)) for table in (counts, counts[:, [0, 2, 1, 3]])
    )
    assert first.groups["mean_std"] != second.groups["mean_std"]
    assert first.groups["distribution"] == second.groups["distribution"]
    assert any("differ" in note for note in [*first.notes, *second.notes])


def test_with_two_clusters_all_three_agree_on_clear_groups():
    """The published case: the mean is the share of one cluster."""
    shares = np.array([0.95, 0.02, 0.9, 0.05, 0.99, 0.1])
    counts = np.stack([1000 * shares, 1000 * (1 - shares)], axis=1).astype(int)
    for table in (counts, counts[:, ::-1]):
        found = group_classes(table, 2, rng=np.random.default_rng(0))
        assert set(found.groups.values()) == {(0, 1, 0, 1, 0, 1)}
        assert not found.trivial
        assert found.notes == ()


@pytest.mark.parametrize("count", [4, 9])
def test_as_many_groups_as_classes_are_called_trivial(count):
    """Each class is alone by construction."""
    counts = planted(np.random.default_rng(1), [0, 1, 2, 3], 6)
    found = group_classes(counts, count, rng=np.random.default_rng(0))
    assert found.trivial
    assert found.groups["distribution"] == (0, 1, 2, 3)
    assert any(note.startswith("trivial") for note in found.notes)


def test_classes_that_are_the_same_are_not_torn_apart():
    """Fewer groups than were asked for, and a note."""
    counts = np.array([[5, 5, 0], [10, 10, 0], [0, 1, 9], [7, 0, 0]])
    found = group_classes(counts, 4, rng=np.random.default_rng(0))
    assert found.groups["distribution"] == (0, 0, 1, 2)
    assert any("fewer than 4" in note for note in found.notes)


def test_a_class_without_rows_is_in_no_group():
    """And does not count as one."""
    found = group_classes(np.array([[5, 0], [0, 0], [0, 6]]), 2, rng=np.random.default_rng(0))
    assert found.groups["distribution"] == (0, -1, 1)
    assert found.trivial


def test_nothing_to_group_is_refused():
    """No groups, or no rows."""
    with pytest.raises(Refused, match="at least 1"):
        group_classes(np.eye(3, dtype=int), 0, rng=np.random.default_rng(0))
    with pytest.raises(Refused, match="nothing to group"):
        group_classes(np.zeros((3, 2), int), 2, rng=np.random.default_rng(0))
