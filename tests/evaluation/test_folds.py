"""Folds are honest: every row once, groups whole, sizes and strata as even as they can be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from boda.errors import Refused
from boda.evaluation.folds import split, strata_of

seeds = st.integers(0, 2**32 - 1)


@given(st.lists(st.integers(0, 6), min_size=7, max_size=80), st.integers(2, 7), seeds)
def test_rows_and_strata_are_dealt_evenly(strata, folds, seed):
    """Fold sizes, and each stratum's rows in a fold, differ by at most one."""
    strata = np.array(strata)
    numbers = split(len(strata), folds=folds, strata=strata, rng=np.random.default_rng(seed))
    assert numbers.dtype == np.int64 and set(numbers) == set(range(folds))
    assert np.ptp(np.bincount(numbers, minlength=folds)) <= 1
    for stratum in np.unique(strata):
        assert np.ptp(np.bincount(numbers[strata == stratum], minlength=folds)) <= 1


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), min_size=5, max_size=80), st.integers(2, 5), seeds)
def test_groups_stay_whole_and_folds_balanced(rows, folds, seed):
    """No group is in two folds, no fold is empty, sizes differ by at most the largest group."""
    groups, strata = np.array(rows).T
    count = len(np.unique(groups))
    rng = np.random.default_rng(seed)
    if count < folds:
        with pytest.raises(Refused, match="groups cannot be split"):
            split(len(groups), folds=folds, groups=groups, rng=rng)
        return
    for layers in (None, strata):
        numbers = split(len(groups), folds=folds, groups=groups, strata=layers, rng=rng)
        sizes = np.bincount(numbers, minlength=folds)
        assert all(len(set(numbers[groups == group])) == 1 for group in groups)
        assert sizes.min() > 0 and np.ptp(sizes) <= np.bincount(groups).max()


@settings(max_examples=20)
@given(seeds)
def test_strata_of_groups_are_as_even_as_scikit_learns(seed):
    """On mixed groups the worst stratum is no further from even than StratifiedGroupKFold leaves it, nearly always."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(60, size=600)
    strata = (rng.random(600) < rng.random(60)[groups] * 0.6).astype(int)
    ours = split(600, groups=groups, strata=strata, rng=rng)
    theirs = np.empty(600, int)
    for fold, (_, held) in enumerate(StratifiedGroupKFold(5).split(strata, strata, groups)):
        theirs[held] = fold

    def off(numbers):
        return max(np.ptp(np.bincount(numbers[strata == one], minlength=5)) for one in (0, 1))

    assert off(ours) <= off(theirs) + 12


@pytest.mark.parametrize("groups", [None, np.arange(100) // 3])
def test_the_same_state_gives_the_same_folds(groups):
    """Folds depend on the generator only; another one gives others."""
    once, again, other = (split(100, groups=groups, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_ordered_rows_are_shuffled():
    """Rows sorted by place or time are in every fold from everywhere."""
    numbers = split(1000, rng=np.random.default_rng(0))
    assert np.abs(np.bincount(numbers, weights=np.arange(1000)) / 200 - 499.5).max() < 60


def test_a_class_rarer_than_the_folds_is_in_as_many_as_it_has_rows():
    """Two rows of a class are held out one after the other, never together."""
    strata = np.repeat([0, 1], [98, 2])
    numbers = split(100, strata=strata, rng=np.random.default_rng(0))
    assert len(set(numbers[strata == 1])) == 2


def test_groups_of_one_row_are_rows():
    """Where every row is its own group, folds are even to a row."""
    numbers = split(103, groups=np.arange(103), strata=np.arange(103) % 4, rng=np.random.default_rng(0))
    assert np.ptp(np.bincount(numbers)) <= 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"folds": 1}, "hold nothing out"),
        ({"folds": 11}, "10 rows cannot"),
        ({"strata": np.zeros((10, 1), int)}, "strata"),
        ({"groups": np.zeros(9, int)}, "groups"),
        ({"groups": np.repeat([0, 1], 5)}, "2 groups cannot"),
    ],
)
def test_what_cannot_be_split_is_refused(arguments, reason):
    """The message says which number does not fit."""
    with pytest.raises(Refused, match=reason):
        split(10, rng=np.random.default_rng(0), **arguments)


def test_strata_of_numbers_are_bins_of_equally_many():
    """Ten bins of ten; equal numbers are never parted."""
    assert (np.bincount(strata_of("number", np.random.default_rng(0).normal(size=100))) == 10).all()
    many_zeros = np.r_[np.zeros(50), np.arange(1, 51)]
    assert len(set(strata_of("number", many_zeros)[:50])) == 1


def test_strata_of_other_kinds():
    """Classes as they are; the rarest label; bins of the mean rating; the first question's answer; 0 for unknown."""
    assert strata_of("class", np.array([2, 0])).tolist() == [2, 0]
    labels = np.array([[1, 0], [1, 1], [np.nan, 0], [1, np.nan]])
    assert strata_of("labels", labels).tolist() == [2, 1, 0, 2]
    counts = np.array([[5, 0, 0], [0, 0, 5], [0, 0, 0]])
    strata = strata_of("ratings", counts, levels=(1, 2, 3))
    assert strata[0] < strata[1] and strata[2] == 0
    votes = np.array([[1, 4, 9, 0], [0, 0, 0, 0]])
    assert strata_of("votes", votes, questions=(slice(0, 2), slice(2, 4))).tolist() == [2, 0]
