"""Shares have Wilson's interval, and rows of one group count for less."""

import numpy as np
import pytest
import scipy.stats

from boda.evaluation.proportion import share_of


@pytest.mark.parametrize("hits", [0, 1, 45, 99, 100])
def test_agrees_with_scipy(hits):
    """Of independent rows it is scipy's Wilson interval."""
    found = share_of(np.arange(100) < hits)
    expected = scipy.stats.binomtest(hits, 100).proportion_ci(0.9, method="wilson")
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], atol=1e-12)


def test_copies_are_no_evidence():
    """Each row ten times has the interval of the rows alone, nearly; rows all alike that of their groups."""
    hits = np.arange(50) % 4 == 0
    alone, groups = share_of(hits), np.repeat(np.arange(50), 10)
    copied = share_of(np.repeat(hits, 10), groups=groups)
    np.testing.assert_allclose([copied.low, copied.high], [alone.low, alone.high], atol=0.003)
    assert copied.rows == 500
    assert share_of(np.ones(500, bool), groups=groups).low == pytest.approx(share_of(np.ones(50, bool)).low)


def test_groups_of_one_row_change_nothing():
    """Nor do groups that are less alike than chance make rows worth more than they are."""
    hits = np.arange(60) % 3 == 0
    assert share_of(hits, groups=np.arange(60)).high <= share_of(hits).high + 0.002
    assert share_of(hits, groups=np.arange(60) // 3) == share_of(hits)


def test_no_rows_have_no_share():
    """NaN, and None in JSON."""
    assert share_of(np.zeros(0, bool)).as_json() == {"value": None, "low": None, "high": None, "rows": 0}


@pytest.mark.slow
def test_coverage_with_groups(rng):
    """Of 2,000 data sets with 40 groups of alike rows, close to 90 % have the true share in their interval."""
    hits = 0
    for _ in range(2000):
        chance = rng.beta(4, 1, size=40)
        groups = np.repeat(np.arange(40), 12)
        found = share_of(rng.random(480) < chance[groups], groups=groups)
        hits += found.low <= 0.8 <= found.high
    assert 0.87 <= hits / 2000 <= 0.93
