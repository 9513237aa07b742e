"""Disagreement is about who lies beside whom, and about nothing else."""

import numpy as np
import pytest

from boda.maps.agreement import by_chance, disagreement


def test_turned_mirrored_and_enlarged_maps_agree():
    """None of that changes neighbours."""
    flat = np.random.default_rng(0).normal(size=(60, 2))
    turned = flat @ np.array([[0.6, 0.8], [-0.8, 0.6]]) * 7
    np.testing.assert_array_equal(disagreement([flat, turned, flat * [-1, 1] + 5], 6), 0)


def test_groups_may_lie_anywhere():
    """Two groups that change sides agree, where places themselves would not."""
    rng = np.random.default_rng(1)
    group = rng.normal(size=(30, 2))
    here, there = np.concatenate([group, group + 100]), np.concatenate([group + 100, group])
    np.testing.assert_array_equal(disagreement([here, there], 5), 0)


def test_unrelated_maps_disagree_as_chance_says():
    """Whatever their number."""
    rng = np.random.default_rng(2)
    maps = [rng.normal(size=(500, 2)) for _ in range(3)]
    assert disagreement(maps, 10).mean() == pytest.approx(by_chance(500, 10), abs=0.01)


def test_one_point_that_chance_moved_stands_out():
    """It alone has other neighbours; those that lost or gained it differ in one."""
    flat = np.random.default_rng(3).normal(size=(100, 2))
    other = flat.copy()
    other[7] = flat.max(axis=0) * 2
    values = disagreement([flat, other], 5)
    assert values.argmax() == 7
    assert np.median(values) == 0
