"""The ceiling is what a perfect predictor reaches, on generated raters whose truth is known."""

import numpy as np
import pytest
import scipy.stats

from boda.errors import Refused
from boda.evaluation.ceiling import ceiling_of_counts, ceiling_of_means

LEVELS = np.arange(1.0, 8.0)


def rated(rng, n, raters, spread=1.0):
    """(n,) true means of the raters' distributions, and (n, 7) counts of `raters` people each."""
    middle = rng.normal(4, spread, size=n)
    shares = np.exp(-0.5 * np.square(LEVELS - middle[:, None]) / 1.5)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares @ LEVELS, rng.multinomial(raters, shares).astype(float)


@pytest.mark.parametrize("raters", [3, 10, 80])
def test_a_perfect_predictor_reaches_it(raters, rng):
    """The correlations of the true means with those of some raters are the ceilings, and the halves agree."""
    truth, counts = rated(rng, 5000, raters)
    means = counts @ LEVELS / raters
    found = ceiling_of_counts(counts, LEVELS, rng=rng, rounds=50)
    assert found.pearson.value == pytest.approx(scipy.stats.pearsonr(truth, means).statistic, abs=0.01)
    assert found.spearman.value == pytest.approx(scipy.stats.spearmanr(truth, means).statistic, abs=0.012)
    assert found.halves == pytest.approx(found.reliability, abs=0.035)
    assert found.rows == 5000 and found.raters == raters


def test_ranks_of_people_who_crowd_at_one_end(rng):
    """Where most rows lie close together at the low end, ranks are lost there; the formula for normal means is 0.06 off."""
    middle = 2 + rng.gamma(1.5, 0.7, size=20_000)
    shares = np.exp(-0.5 * np.square(LEVELS - middle[:, None]) / 1.5)
    shares /= shares.sum(axis=1, keepdims=True)
    counts = rng.multinomial(10, shares).astype(float)
    true = scipy.stats.spearmanr(shares @ LEVELS, counts @ LEVELS).statistic
    found = ceiling_of_counts(counts, LEVELS, rng=rng, rounds=20)
    normal = 6 / np.pi * np.arcsin(found.pearson.value / 2)
    assert normal > true + 0.04
    assert found.spearman.value == pytest.approx(true, abs=0.012)


def test_unequal_numbers_of_raters(rng):
    """From 1 to 40 raters a row, of which some are not rated at all."""
    raters = rng.integers(0, 41, size=5000)
    truth, counts = rated(rng, 5000, raters)
    there = raters > 0
    means = counts[there] @ LEVELS / raters[there]
    found = ceiling_of_counts(counts, LEVELS, rng=rng, rounds=30)
    assert found.pearson.value == pytest.approx(scipy.stats.pearsonr(truth[there], means).statistic, abs=0.015)
    assert found.spearman.value == pytest.approx(scipy.stats.spearmanr(truth[there], means).statistic, abs=0.02)


def test_means_and_spreads_say_the_same(rng):
    """Mean, standard deviation and number of raters give the ceilings of the counts; without halves."""
    _, counts = rated(rng, 3000, 12)
    ratings = [np.repeat(LEVELS, row.astype(int)) for row in counts]
    means, spreads = np.mean(ratings, axis=1), np.std(ratings, axis=1, ddof=1)
    one = ceiling_of_counts(counts, LEVELS, rng=rng, rounds=20)
    two = ceiling_of_means(means, spreads, np.full(3000, 12.0), rng=rng, rounds=20)
    assert two.pearson.value == pytest.approx(one.pearson.value, abs=1e-9)
    assert two.spearman.value == pytest.approx(one.spearman.value, abs=0.01)
    assert two.halves is None and ceiling_of_counts(counts / 2, LEVELS, rng=rng, rounds=2).halves is None


def test_rows_that_people_do_not_tell_apart_have_no_ceiling(rng):
    """All rows alike to people: about 0 of the variance is true, and never less than 0."""
    shares = np.full(7, 1 / 7)
    found = ceiling_of_counts(rng.multinomial(20, shares, size=2000).astype(float), LEVELS, rng=rng, rounds=50)
    assert 0 <= found.reliability < 0.1 and found.pearson.low >= 0
    same = ceiling_of_counts(np.tile([0.0, 3, 0, 0, 0, 3, 0], (10, 1)), LEVELS, rng=rng, rounds=5)
    assert same.as_json()["pearson"]["value"] is None and same.as_json()["spearman"]["value"] is None


def test_people_who_always_agree_leave_no_noise(rng):
    """Every rater says the same of a row: the ceiling is 1."""
    counts = np.eye(7)[rng.integers(7, size=100)] * 5
    found = ceiling_of_counts(counts, LEVELS, rng=rng, rounds=20)
    assert found.pearson.value == found.spearman.value == 1 and found.halves == pytest.approx(1)


@pytest.mark.parametrize("rows", [40, 400])
def test_an_interval_holds_its_own_value(rows, rng):
    """Also where drawing rows twice makes people look surer than they are, as it does with few of them."""
    _, counts = rated(rng, rows, 4)
    found = ceiling_of_counts(counts, LEVELS, rng=rng, rounds=100)
    for one in (found.pearson, found.spearman):
        assert one.low <= one.value <= one.high <= 1


@pytest.mark.slow
def test_intervals_hold_the_ceiling(rng):
    """Of 120 samples of 200 rows, between 80 and 97 % of the intervals hold the ceiling of all rows."""
    truth, counts = rated(rng, 200_000, 6)
    means = counts @ LEVELS / 6
    pearson, spearman = scipy.stats.pearsonr(truth, means).statistic, scipy.stats.spearmanr(truth, means).statistic
    hits = np.zeros(2)
    for _ in range(120):
        rows = rng.integers(200_000, size=200)
        found = ceiling_of_counts(counts[rows], LEVELS, rng=rng, rounds=100)
        hits += [
            found.pearson.low <= pearson <= found.pearson.high,
            found.spearman.low <= spearman <= found.spearman.high,
        ]
    assert (hits / 120 >= 0.8).all() and (hits / 120 <= 0.97).all()


@pytest.mark.parametrize(
    "columns", [([1.0, 2, 3], [1.0, 1, 1], [5.0, 0, 5]), ([1.0, 2], [1.0, 1], [5.0, 5]), ([1.0], [1.0, 1], [5.0])]
)
def test_rows_without_raters_are_refused(columns, rng):
    """Nobody rated a row, too few rows, columns of different lengths."""
    with pytest.raises(Refused):
        ceiling_of_means(*map(np.array, columns), rng=rng)


def test_single_ratings_have_no_ceiling(rng):
    """Where every row has one rating, nobody knows how far raters differ."""
    with pytest.raises(Refused, match="two ratings"):
        ceiling_of_counts(np.eye(7), LEVELS, rng=rng)
