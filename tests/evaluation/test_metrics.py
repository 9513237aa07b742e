"""Metrics equal scikit-learn and scipy, on rows as they are and on rows drawn again; what is not defined is NaN."""

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from boda.errors import Refused
from boda.evaluation.metrics import measure, metrics_of, statistics

seeds = st.integers(0, 2**32 - 1)
LEVELS = (1.0, 2.0, 3.0, 5.0)
QUESTIONS = {"shape": slice(0, 3), "arms": slice(3, 5)}


def distributions(rng, shape):
    shares = rng.dirichlet(np.ones(shape[1]), size=shape[0])
    return np.round(shares, 2) + 0.01 if rng.random() < 0.5 else shares


def made(kind, rng, n=40):
    """A truth and a prediction, with ties half of the time."""
    if kind == "number":
        truth = rng.normal(size=n)
        return np.round(truth, 1), np.round(truth + rng.normal(size=n), 1 if rng.random() < 0.5 else 9)
    if kind in {"class", "two"}:
        k = 2 if kind == "two" else 4
        shares = distributions(rng, (n, k))
        shares /= shares.sum(axis=1, keepdims=True)
        return rng.integers(k, size=n), shares
    if kind == "labels":
        truth = (rng.random((n, 3)) < 0.4).astype(float)
        truth[rng.random((n, 3)) < 0.2] = np.nan
        return truth, np.round(rng.random((n, 3)), 2)
    width = len(LEVELS) if kind == "ratings" else 5
    counts = rng.poisson(2.0, size=(n, width)).astype(float)
    return counts, rng.dirichlet(np.ones(width), size=n)


def told(kind, truth, prediction):
    real = "class" if kind == "two" else kind
    more = {"levels": LEVELS} if kind == "ratings" else {"questions": QUESTIONS} if kind == "votes" else {}
    return real, truth, prediction, more


def expected(kind, truth, prediction):
    """The same metrics by scikit-learn and scipy."""
    if kind == "number":
        return {
            "r2": oracle.r2_score(truth, prediction),
            "spearman": scipy.stats.spearmanr(truth, prediction).statistic,
            "pearson": scipy.stats.pearsonr(truth, prediction).statistic,
            "mae": oracle.mean_absolute_error(truth, prediction),
            "rmse": oracle.root_mean_squared_error(truth, prediction),
        }
    if kind in {"class", "two"}:
        k = prediction.shape[1]
        said = prediction.argmax(axis=1)
        found = {
            "accuracy": oracle.accuracy_score(truth, said),
            "balanced_accuracy": oracle.balanced_accuracy_score(truth, said),
            "macro_f1": oracle.f1_score(truth, said, average="macro"),
            "log_loss": oracle.log_loss(truth, prediction, labels=range(k)),
            "brier": oracle.brier_score_loss(truth, prediction, labels=range(k)),
        }
        if k == 2:
            found["auc"] = oracle.roc_auc_score(truth, prediction[:, 1])
            found["average_precision"] = oracle.average_precision_score(truth, prediction[:, 1])
        else:
            there = [one for one in range(k) if 0 < (truth == one).sum() < len(truth)]
            found["auc"] = np.mean([oracle.roc_auc_score(truth == one, prediction[:, one]) for one in there])
        return found
    if kind == "labels":
        columns = [(t[~np.isnan(t)], p[~np.isnan(t)]) for t, p in zip(truth.T, prediction.T, strict=True)]
        both = [(t, p) for t, p in columns if 0 < t.sum() < len(t)]
        known = ~np.isnan(truth)
        return {
            "mean_average_precision": np.mean([oracle.average_precision_score(t, p) for t, p in columns if t.any()]),
            "macro_auc": np.mean([oracle.roc_auc_score(t, p) for t, p in both]),
            "micro_f1": oracle.f1_score(truth[known], prediction[known] >= 0.5),
            "macro_f1": np.nanmean([oracle.f1_score(t, p >= 0.5, zero_division=np.nan) for t, p in columns]),
        }
    return expected_of_people(kind, truth, prediction)


def expected_of_people(kind, truth, prediction):
    if kind == "ratings":
        rated = truth.sum(axis=1) > 0
        truth, prediction = truth[rated], prediction[rated]
        one, two = ([np.average(LEVELS, weights=row) for row in array] for array in (truth, prediction))
        distance = [
            scipy.stats.wasserstein_distance(LEVELS, LEVELS, a, b) for a, b in zip(truth, prediction, strict=True)
        ]
        return {
            "spearman": scipy.stats.spearmanr(one, two).statistic,
            "pearson": scipy.stats.pearsonr(one, two).statistic,
            "emd": np.mean(distance),
            "mae": oracle.mean_absolute_error(one, two),
        }
    found = {}
    for name, columns in QUESTIONS.items():
        votes, said = truth[:, columns], prediction[:, columns]
        asked = votes.sum(axis=1) > 0
        fractions = votes[asked] / votes[asked].sum(axis=1, keepdims=True)
        found[f"mae:{name}"] = np.average(
            np.abs(fractions - said[asked]).mean(axis=1), weights=votes[asked].sum(axis=1)
        )
    return found | {"mae": np.mean(list(found.values()))}


KINDS = ["number", "two", "class", "labels", "ratings", "votes"]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_metrics_equal_the_oracles(kind, seed):
    """On rows as they are, and on a draw with repeated and missing rows, every metric is the oracle's."""
    rng = np.random.default_rng(seed)
    real, truth, prediction, more = told(kind, *made(kind, rng))
    prepared = statistics(real, truth, prediction, **more)
    times = np.bincount(rng.integers(40, size=60), minlength=40)
    for counts in (np.ones(40, int), times):
        rows = np.repeat(np.arange(40), counts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wanted = expected(kind, truth[rows], prediction[rows])
        for name, value in wanted.items():
            if np.isfinite(value):
                assert prepared[name](counts.astype(float)) == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("kind", KINDS)
def test_every_metric_is_described(kind, rng):
    """What is computed and what is described have the same names, in the same order."""
    real, truth, prediction, more = told(kind, *made(kind, rng))
    described = metrics_of(real, classes=prediction.shape[-1], questions=tuple(QUESTIONS))
    assert list(measure(real, truth, prediction, **more)) == list(described) or kind == "votes"
    assert set(measure(real, truth, prediction, **more)) == set(described)
    assert all(metric.as_json()["better"] in {"higher", "lower"} for metric in described.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_beats_a_random_one(kind, rng):
    """The direction that each metric states is the right one."""
    real, truth, prediction, more = told(kind, *made(kind, rng))
    perfect = np.nan_to_num(truth, nan=0.5)
    if real == "class":
        perfect = np.eye(prediction.shape[1])[truth]
    elif kind == "ratings":
        truth = perfect = truth + 1
    elif kind == "votes":
        truth = truth * 20 * (truth == truth.max(axis=1, keepdims=True))
        perfect = truth.copy()
        for columns in QUESTIONS.values():
            perfect[:, columns] /= np.maximum(1, perfect[:, columns].sum(axis=1, keepdims=True))
    described = metrics_of(real, classes=prediction.shape[-1], questions=tuple(QUESTIONS))
    best, worse = (measure(real, truth, one, **more) for one in (perfect, prediction))
    for name, metric in described.items():
        assert (best[name] > worse[name]) == metric.higher_is_better, name


def test_what_is_not_defined_is_nan_in_silence():
    """Constants, one class only, no votes, no known label: NaN, no exception, no warning."""
    constant = measure("number", np.full(5, 0.1), np.arange(5.0))
    assert np.isnan([constant["r2"], constant["spearman"], constant["pearson"]]).all() and constant["mae"] > 0
    assert np.isnan(measure("number", np.arange(5.0), 0.3 + np.array([0, 6e-17, 0, 0, 0]))["pearson"])
    one = measure("class", np.zeros(4, int), np.full((4, 2), 0.5))
    assert np.isnan([one["auc"], one["average_precision"]]).all() and one["accuracy"] == 1
    unknown = measure("labels", np.full((4, 2), np.nan), np.full((4, 2), 0.5))
    assert np.isnan(list(unknown.values())).all()
    unrated = measure("ratings", np.zeros((4, 4)), np.full((4, 4), 0.25), levels=LEVELS)
    assert np.isnan(list(unrated.values())).all()
    unasked = measure("votes", np.zeros((4, 5)), np.full((4, 5), 0.25), questions=QUESTIONS)
    assert np.isnan(list(unasked.values())).all()


def test_a_round_without_a_row_that_counts_is_nan():
    """Weights of 0 everywhere are no rows."""
    for kind in KINDS:
        real, truth, prediction, more = told(kind, *made(kind, np.random.default_rng(0)))
        prepared = statistics(real, truth, prediction, **more)
        assert np.isnan([statistic(np.zeros(40)) for statistic in prepared.values()]).all()


def test_a_class_that_nobody_has_is_left_out():
    """Means over classes are over the classes that are there."""
    truth, probabilities = np.array([0, 1, 0, 1]), np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]] * 2)
    assert set(measure("class", truth, probabilities).values()) >= {1.0}
    assert measure("class", truth, probabilities)["auc"] == 1


def test_large_numbers_beside_small_differences():
    """A target of 10^10 with differences of 0.1 keeps its correlation."""
    small = np.random.default_rng(0).normal(size=(2, 100))
    shifted = measure("number", 1e10 + small[0], 1e10 + small[1])
    plain = measure("number", *small)
    assert shifted["pearson"] == pytest.approx(plain["pearson"], abs=1e-4)
    assert shifted["r2"] == pytest.approx(plain["r2"], rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "truth", "prediction"),
    [
        ("number", np.zeros(3), np.zeros((3, 1))),
        ("number", np.zeros((3, 1)), np.zeros((3, 1))),
        ("number", np.zeros(3), np.array([0, np.nan, 0])),
        ("class", np.zeros(3, int), np.zeros(3)),
        ("class", np.zeros(2, int), np.zeros((3, 2))),
        ("labels", np.zeros((3, 2)), np.zeros((3, 1))),
        ("ratings", np.zeros((3, 2)), np.zeros((3, 2))),
        ("votes", np.zeros((3, 2)), np.zeros((3, 2))),
    ],
)
def test_nothing_broadcasts(kind, truth, prediction):
    """[n, 1] against [n] is refused, and so is a prediction that is not finite, ratings without levels, ..."""
    with pytest.raises(Refused):
        measure(kind, truth, prediction)


def test_a_row_that_is_not_finite_is_named():
    """The message says which."""
    with pytest.raises(Refused, match="row 1 is not finite"):
        measure("number", np.zeros(3), np.array([0, np.inf, np.nan]))


def test_one_confident_voter_is_no_agreement():
    """Accuracy on confident votes needs ten votes and 80 % of them."""
    votes = np.array([[1, 0], [9, 1], [7, 3]], float)
    found = measure("votes", votes, np.array([[0, 1], [1, 0], [0, 1]], float), questions={"bar": slice(0, 2)})
    assert found["confident_accuracy:bar"] == 1
