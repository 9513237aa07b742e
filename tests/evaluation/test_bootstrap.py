"""Intervals hold the true value as often as they say."""

import numpy as np
import pytest
import scipy.stats

from boda.errors import Refused
from boda.evaluation.bootstrap import difference_of, draws, interval_of, intervals, paired_difference
from boda.evaluation.weighted import mean_of, spearman_of


def test_the_interval_of_a_mean_is_students(rng):
    """With many rounds it is the t interval, also for few rows."""
    values = rng.normal(size=25)
    found = intervals({"mean": mean_of(values)}, 25, rng=rng, rounds=20_000)["mean"]
    error = values.std(ddof=1) / 5
    expected = values.mean() + error * scipy.stats.t(24).ppf([0.05, 0.95])
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.05 * np.ptp(expected))
    assert found.value == pytest.approx(values.mean()) and found.rounds == 20_000 and found.undefined == 0


def test_agrees_with_scipy(rng):
    """For many rows the interval of a rank correlation is scipy's percentile bootstrap."""
    x = rng.normal(size=300)
    y = x + rng.normal(size=300)
    ours = intervals({"s": spearman_of(x, y)}, 300, rng=rng, rounds=2000)["s"]

    def spearman(a, b):
        return scipy.stats.spearmanr(a, b).statistic

    theirs = scipy.stats.bootstrap(
        (x, y),
        spearman,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        confidence_level=0.9,
        method="percentile",
        rng=rng,
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], atol=0.015)


def test_whole_groups_are_drawn(rng):
    """Ten copies of each row are no more evidence than the rows alone."""
    values = rng.normal(size=40)
    alone = intervals({"m": mean_of(values)}, 40, rng=rng, rounds=2500)["m"]
    groups = np.repeat(np.arange(40), 10)
    copied = intervals({"m": mean_of(np.repeat(values, 10))}, 400, groups=groups, rng=rng, rounds=2500)["m"]
    np.testing.assert_allclose([copied.low, copied.high], [alone.low, alone.high], atol=0.05)


def test_a_difference_is_paired(rng):
    """Two predictions with the same large error differ by a small one, which unpaired intervals would hide."""
    shared = rng.normal(size=200) * 10
    first, second = shared + 1 + rng.normal(size=200) * 0.1, shared
    found = paired_difference(mean_of(first), mean_of(second), 200, rng=rng)
    assert 0.95 < found.low < found.value < found.high < 1.05
    assert found.share_above_zero == 1 and found.clear
    none = paired_difference(mean_of(first), mean_of(first), 200, rng=rng)
    assert (none.value, none.low, none.high, none.share_above_zero, none.clear) == (0, 0, 0, 0.5, False)


def test_rounds_that_are_not_defined_are_counted(rng):
    """A metric that needs both classes is left out of rounds that drew one."""
    found = intervals({"m": lambda weights: float("nan") if weights[0] == 0 else weights[0]}, 10, rng=rng)["m"]
    assert 250 < found.undefined < 450 and np.isfinite([found.low, found.high]).all()
    nothing = intervals({"m": lambda weights: float("nan")}, 10, rng=rng)["m"]
    assert nothing.as_json() == {
        "value": None, "low": None, "high": None, "level": 0.9, "rounds": 1000, "undefined": 1000,
    }  # fmt: skip


def test_one_group_has_no_interval(rng):
    """Nothing is known of other groups where there is one."""
    found = intervals({"m": mean_of(np.arange(5.0))}, 5, groups=np.zeros(5, np.int64), rng=rng)["m"]
    assert found.value == 2 and np.isnan([found.low, found.high]).all()


def test_rounds_of_three_predictions_share_their_draws(rng):
    """Differences of any two columns of one set of draws are paired."""
    values = rng.normal(size=50)
    found = draws({"a": mean_of(values), "b": mean_of(values + 1)}, 50, rng=rng, rounds=100)
    np.testing.assert_allclose(found["b"] - found["a"], 1)
    assert difference_of(1.0, found["b"] - found["a"], units=50).low == pytest.approx(1)
    assert interval_of(0.0, found["a"], units=50).low < 0.5


@pytest.mark.parametrize("arguments", [{"n": 0}, {"rounds": 0}, {"level": 1.0}, {"groups": np.zeros(3, np.int64)}])
def test_nonsense_is_refused(arguments, rng):
    """No rows, no rounds, a level that is no share, groups of other rows."""
    given = {"n": 5, "rng": rng} | arguments
    with pytest.raises(Refused):
        intervals({"m": mean_of(np.ones(given["n"]))}, **given)


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_coverage_is_what_it_says(clustered, rng):
    """Of 250 data sets, close to 90 % have the true rank correlation in their interval; groups included."""
    true = 6 / np.pi * np.arcsin(0.6 / 2)
    hits = 0
    for _ in range(250):
        if clustered:
            groups = np.repeat(np.arange(30), 5)
            shared = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=30)[groups]
            own = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=150)
            x, y = ((shared * 2 + own) / np.sqrt(5)).T
        else:
            groups, (x, y) = None, rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=60).T
        found = intervals({"s": spearman_of(x, y)}, len(x), groups=groups, rng=rng, rounds=250)["s"]
        hits += found.low <= true <= found.high
    assert 0.84 <= hits / 250 <= 0.95


@pytest.mark.parametrize(("units", "low"), [(22, 0.89), (5, 0.65)])
def test_all_right_is_not_certain(rng, units, low):
    """Where no draw can differ the interval is Wilson's for that many hits, of groups where groups are drawn."""
    groups = np.repeat(np.arange(units), 3)
    found = intervals({"accuracy": mean_of(np.ones(3 * units))}, 3 * units, groups=groups, rng=rng)["accuracy"]
    assert found.value == found.high == 1.0
    z2 = 1.6448536**2
    assert found.low == pytest.approx(units / (units + z2), abs=1e-3)
    assert found.low == pytest.approx(low, abs=0.01)
