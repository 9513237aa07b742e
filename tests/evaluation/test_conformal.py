"""Conformal intervals and sets hold the truth as often as they say, and say how often they did."""

import json

import numpy as np
import pytest

from boda.errors import Refused
from boda.evaluation.calibration import softmax
from boda.evaluation.conformal import (
    Intervals,
    LabelSets,
    Sets,
    fit_intervals,
    fit_label_sets,
    fit_sets,
    interval_coverage,
    label_set_coverage,
    set_coverage,
)


def test_the_half_width_is_the_corrected_quantile():
    """Of 19 residuals and a level of 0.9 it is the 18th: ceil(20 x 0.9)."""
    off = np.arange(1.0, 20.0)
    assert fit_intervals(off, np.zeros(19), level=0.9).half_width == 18
    assert fit_intervals(np.arange(1.0, 10.0), np.zeros(9)).half_width == 9


def test_too_few_rows_give_no_end():
    """Eight rows cannot say what nine of ten do: the interval is everything, in JSON None."""
    fitted = fit_intervals(np.arange(8.0), np.zeros(8))
    low, high = fitted.of(np.zeros(2))
    assert np.isneginf(low).all() and np.isposinf(high).all()
    assert fitted.as_json()["half_width"] is None
    assert Intervals.from_json(json.loads(json.dumps(fitted.as_json(), allow_nan=False))) == fitted
    assert fit_sets(np.zeros(3, int), np.full((3, 2), 0.5)).of(np.array([[0.9, 0.1]])).all()


def test_new_rows_are_covered(rng):
    """Over many small data sets, one new row is inside 90 times in 100: the guarantee of split conformal."""
    hits, inside = 0, 0
    for _ in range(3000):
        off, new = rng.standard_cauchy(29), rng.standard_cauchy()
        low, high = fit_intervals(off, np.zeros(29)).of(np.zeros(1))
        hits += low[0] <= new <= high[0]
        scores = rng.normal(size=(30, 4)) * 2
        probabilities, truth = softmax(scores), np.array([rng.choice(4, p=row) for row in softmax(scores)])
        inside += fit_sets(truth[:29], probabilities[:29]).of(probabilities[29:])[0, truth[29]]
    assert 0.885 < hits / 3000 < 0.915
    assert 0.885 < inside / 3000 < 0.93


def test_measured_coverage_is_honest(rng):
    """It is near the level and its interval holds it; width is that of the noise."""
    truth = rng.normal(size=2000)
    found = interval_coverage(truth, np.zeros(2000), np.arange(2000) % 5)
    assert found.share.low < 0.9 < found.share.high and found.size == pytest.approx(2 * 1.645, rel=0.06)
    assert found.as_json()["share"]["rows"] == 2000


def test_a_fold_that_differs_is_seen(rng):
    """Where one fold is four times as noisy, its own rows are covered less; plain residuals of all would hide it."""
    noise = np.repeat([1.0, 1, 1, 1, 4], 200)
    truth, folds = rng.normal(size=1000) * noise, np.repeat(np.arange(5), 200)
    loud = folds == 4
    fitted = fit_intervals(truth[~loud], np.zeros(800))
    alone = np.mean(np.abs(truth[loud]) <= fitted.half_width)
    assert alone < 0.5
    assert interval_coverage(truth, np.zeros(1000), folds).share.value < 0.88


def test_a_difficulty_narrows_the_easy_rows(rng):
    """Twice the difficulty is twice the width; coverage is the same for easy and hard rows."""
    difficulty = np.repeat([1.0, 5.0], 1000)
    truth = rng.normal(size=2000) * difficulty
    fitted = fit_intervals(truth, np.zeros(2000), difficulty=difficulty)
    low, high = fitted.of(np.zeros(2), np.array([1.0, 2.0]))
    assert (high - low)[1] == pytest.approx(2 * (high - low)[0])
    low, high = fitted.of(np.zeros(2000), difficulty)
    inside = (low <= truth) & (truth <= high)
    assert abs(inside[:1000].mean() - inside[1000:].mean()) < 0.04
    folds = rng.permutation(2000) % 5
    with_it = interval_coverage(truth, np.zeros(2000), folds, difficulty=difficulty)
    assert with_it.size < interval_coverage(truth, np.zeros(2000), folds).size
    assert Intervals.from_json(fitted.as_json()) == fitted
    with pytest.raises(Refused, match="by difficulty"):
        fitted.of(np.zeros(2))
    with pytest.raises(Refused, match="above 0"):
        fit_intervals(truth, truth, difficulty=difficulty - 1)


def test_groups_widen_what_coverage_may_be(rng):
    """Rows that come in groups of ten say as little as their groups do."""
    truth = np.repeat(rng.normal(size=100), 10) + 0.1 * rng.normal(size=1000)
    groups = np.repeat(np.arange(100), 10)
    folds = groups % 5
    alone = interval_coverage(truth, np.zeros(1000), folds).share
    together = interval_coverage(truth, np.zeros(1000), folds, groups=groups).share
    assert together.value == alone.value
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_sets_grow_with_doubt(rng):
    """The most probable class is always in; unsure rows get larger sets; the measured coverage is near the level."""
    scores = rng.normal(size=(3000, 6)) * np.linspace(0.2, 4, 3000)[:, None]
    probabilities = softmax(scores)
    truth = (rng.random((3000, 1)) > np.cumsum(probabilities, axis=1)).sum(axis=1).clip(max=5)
    fitted = fit_sets(truth, probabilities)
    sets = fitted.of(probabilities)
    assert sets[np.arange(3000), probabilities.argmax(axis=1)].all()
    assert sets[:500].sum(axis=1).mean() > 1.5 * sets[-500:].sum(axis=1).mean()
    found = set_coverage(truth, probabilities, rng.permutation(3000) % 5)
    assert found.share.low - 0.01 < 0.9 < found.share.high + 0.01
    assert found.size == pytest.approx(sets.sum(axis=1).mean(), rel=0.03)
    assert Sets.from_json(json.loads(json.dumps(fitted.as_json()))) == fitted


def test_shapes_that_do_not_fit_are_refused():
    """[n, 1] against [n], a level that is no share."""
    with pytest.raises(Refused):
        fit_intervals(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(Refused):
        fit_sets(np.zeros(2, int), np.zeros((3, 2)))
    with pytest.raises(Refused, match="no share"):
        fit_intervals(np.zeros(3), np.zeros(3), level=90)


def drawn_labels(rng, n=6000):
    """A common label, a rare one and one of which a third is known, with their true probabilities."""
    probabilities = 1 / (1 + np.exp(-(rng.normal(size=(n, 3)) * 2 + [0, -3, 1])))
    truth = (rng.random((n, 3)) < probabilities).astype(float)
    truth[rng.random(n) < 2 / 3, 2] = np.nan
    return truth, probabilities


def test_sets_of_labels_hold_yes_and_no_alike(rng):
    """Of new rows no is in the set of nine in ten that are not, yes in that of nine in ten that are, rare or not."""
    fitted = fit_label_sets(*drawn_labels(rng))
    truth, probabilities = drawn_labels(rng)
    sets = fitted.of(probabilities)
    assert sets.any(axis=2).all()
    for value in (0, 1):
        for label in range(3):
            rows = truth[:, label] == value
            assert sets[rows, label, value].mean() > 0.87
    assert sets[truth[:, 1] == 1, 1, 1].mean() < 0.95
    assert not sets[probabilities[:, 1] < 1e-4, 1, 1].any()
    assert LabelSets.from_json(json.loads(json.dumps(fitted.as_json(), allow_nan=False))) == fitted


def test_measured_coverage_of_labels_counts_what_is_known(rng):
    """Of all labels and of each; what nobody said is not counted, rows that belong together widen it."""
    truth, probabilities = drawn_labels(rng, 3000)
    folds = rng.permutation(3000) % 5
    every, each = label_set_coverage(truth, probabilities, folds)
    assert every.share.rows == np.isfinite(truth).sum() == sum(one.share.rows for one in each)
    assert every.share.value > 0.89
    assert all(1 <= one.size <= 2 for one in each)
    again = np.repeat(np.arange(3000), 2)
    twice, _ = label_set_coverage(truth[again], probabilities[again], folds[again], groups=again)
    assert twice.share.value == pytest.approx(every.share.value, abs=0.01)
    alone, _ = label_set_coverage(truth[again], probabilities[again], folds[again])
    assert twice.share.high - twice.share.low > 1.2 * (alone.share.high - alone.share.low)


def test_a_label_seen_too_rarely_is_never_ruled_out():
    """Eight that are say nothing of nine in ten; one that is never known says nothing at all."""
    truth = np.stack([np.arange(100) < 8, np.full(100, np.nan)], axis=1).astype(float)
    fitted = fit_label_sets(truth, np.full((100, 2), 0.01))
    sets = fitted.of(np.array([[1e-9, 1e-9]]))
    assert sets.tolist() == [[[True, True], [True, True]]]
    assert fitted.as_json()["masses"] == [[0.0, None], [None, None]]
    _, each = label_set_coverage(truth, np.full((100, 2), 0.01), np.arange(100) % 5)
    assert each[1].share.rows == 0
    assert each[1].as_json()["size"] is None


def test_sets_of_other_labels_are_refused():
    """Shapes of truth and probabilities, and of what was fitted."""
    with pytest.raises(Refused):
        fit_label_sets(np.zeros((3, 2)), np.zeros((3, 3)))
    with pytest.raises(Refused, match="2 labels"):
        LabelSets(0.9, ((0.0, 0.0), (0.0, 0.0))).of(np.zeros((4, 3)))
