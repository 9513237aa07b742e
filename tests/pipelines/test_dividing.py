"""Dividing rows: some row of every class is learned from, whatever is kept apart; groups stay whole."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from boda.errors import Refused
from boda.heads.target import Target
from boda.pipelines.networks.dividing import divided


def classes(values: list[int]) -> Target:
    """A class for each row."""
    names = tuple(str(one) for one in range(max(values) + 1))
    return Target("class", "kind", np.array(values), names)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_a_class_of_two_images_is_learned(seed, share):
    """One of them may choose the epoch, never both."""
    values = [0] * 18 + [1, 1]
    learned, apart = divided(classes(values), 20, share=share, groups=None, seed=seed)
    assert {values[row] for row in learned} == {0, 1}
    assert 0 < len(apart) <= 20 * share
    assert sorted([*learned, *apart]) == list(range(20))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=4, max_size=40),
    share=st.sampled_from([0.1, 0.25, 0.5]),
    seed=st.integers(0, 9),
)
def test_every_class_is_learned_and_groups_stay_whole(rows, share, seed):
    """Or it is said that some class cannot be."""
    values, groups = (list(column) for column in zip(*rows, strict=True))
    assume(set(values) == set(range(max(values) + 1)))
    try:
        learned, apart = divided(classes(values), len(rows), share=share, groups=groups, seed=seed)
    except Refused:
        return
    assert {values[row] for row in learned} == set(values)
    assert len(apart)
    assert not {groups[row] for row in learned} & {groups[row] for row in apart}
    assert sorted([*learned, *apart]) == list(range(len(rows)))


def test_groups_that_are_classes_keep_none_apart():
    """Whichever is kept apart, its class is lost."""
    with pytest.raises(
        Refused, match=r"target 'kind': whatever is kept apart, of some class nothing is left.*--groups"
    ):
        divided(classes([0, 0, 1, 1, 2, 2]), 6, share=0.5, groups=["a", "a", "b", "b", "c", "c"], seed=0)


def test_where_a_class_takes_back_all_another_group_is_kept_apart():
    """The smallest that no class needs, so that there is still something to choose the epoch by."""
    values, groups = [0, 0, 0, 1, 0, 0], ["a", "a", "a", "b", "c", "c"]
    found = {seed: divided(classes(values), 6, share=0.5, groups=groups, seed=seed) for seed in range(10)}
    assert all(3 in learned and len(apart) for learned, apart in found.values())
