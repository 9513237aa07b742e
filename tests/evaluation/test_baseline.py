"""The trivial predictor ignores its inputs, and is no better than that."""

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from boda.evaluation import baseline


@pytest.fixture
def folds(rng):
    return rng.permutation(60) % 5


def test_numbers_and_classes_are_scikit_learns_dummies(folds, rng):
    """The mean, and the shares of classes, of the other folds."""
    number, classes = rng.normal(size=60), rng.integers(3, size=60)
    nothing, cv = np.zeros((60, 1)), PredefinedSplit(folds)
    expected = cross_val_predict(DummyRegressor(), nothing, number, cv=cv)
    np.testing.assert_allclose(baseline.predict("number", number, folds), expected)
    expected = cross_val_predict(DummyClassifier(strategy="prior"), nothing, classes, cv=cv, method="predict_proba")
    np.testing.assert_allclose(baseline.predict("class", classes, folds, classes=3), expected)


def test_labels_ratings_and_votes_are_shares_of_the_other_folds(folds, rng):
    """Known labels; each rated row's distribution alike; votes by their number; never NaN."""
    labels = np.where(rng.random((60, 3)) < 0.3, np.nan, rng.random((60, 3)) < 0.5)
    labels[:, 2] = np.nan
    others = folds != 2
    found = baseline.predict("labels", labels, folds)[folds == 2][0]
    np.testing.assert_allclose(found[:2], np.nanmean(labels[others][:, :2], axis=0))
    assert found[2] == 0.5
    counts = rng.poisson(3, size=(60, 4)).astype(float)
    counts[:5] = 0
    rated = counts[others & (counts.sum(axis=1) > 0)]
    found = baseline.predict("ratings", counts, folds)[folds == 2][0]
    np.testing.assert_allclose(found, (rated / rated.sum(axis=1, keepdims=True)).mean(axis=0))
    questions = {"a": slice(0, 2), "b": slice(2, 4)}
    found = baseline.predict("votes", counts, folds, questions=questions)[folds == 2][0]
    np.testing.assert_allclose(found[2:], counts[others, 2:].sum(axis=0) / counts[others, 2:].sum())
    nobody = baseline.predict("votes", np.zeros((60, 4)), folds, questions=questions)
    assert (nobody == 0.5).all() and (baseline.predict("ratings", np.zeros((60, 4)), folds) == 0.25).all()


def test_the_mean_of_the_others_is_not_a_correlation(rng):
    """Left out one by one, the mean of the rest correlates with the truth by -1; the baseline says 0."""
    truth = rng.normal(size=60)
    found = baseline.statistics("number", truth, np.arange(60))
    averages = baseline.predict("number", truth, np.arange(60))
    assert scipy.stats.pearsonr(averages, truth).statistic == pytest.approx(-1)
    assert found["pearson"](np.ones(60)) == found["spearman"](np.ones(60)) == 0
    assert -0.1 < found["r2"](np.ones(60)) < 0


def test_order_is_worth_a_coin(folds, rng):
    """An area of 0.5 and a precision of the share of positives, whatever the folds."""
    truth = np.r_[np.zeros(45, int), np.ones(15, int)]
    found = baseline.statistics("class", truth, folds, classes=2)
    assert found["auc"](np.ones(60)) == 0.5
    assert found["average_precision"](np.ones(60)) == pytest.approx(0.25)
    assert found["accuracy"](np.ones(60)) == 0.75
    labels = baseline.statistics("labels", np.stack([truth, 1 - truth], axis=1).astype(float), folds)
    assert labels["macro_auc"](np.ones(60)) == 0.5
    assert labels["mean_average_precision"](np.ones(60)) == pytest.approx(0.5)


def test_where_nothing_is_held_out_it_is_scikit_learns_dummy_of_these_rows(rng):
    """Every metric that a constant has; those that look at order are worth nothing."""
    number, classes = rng.exponential(size=60), rng.choice(3, size=60, p=[0.6, 0.3, 0.1])
    nothing, once = np.zeros((60, 1)), np.ones(60)
    said = DummyRegressor().fit(nothing, number).predict(nothing)
    found = {name: one(once) for name, one in baseline.statistics("number", number, None).items()}
    expected = {
        "r2": metrics.r2_score(number, said),
        "mae": metrics.mean_absolute_error(number, said),
        "rmse": metrics.root_mean_squared_error(number, said),
    }
    assert found == pytest.approx(expected | {"spearman": 0, "pearson": 0}, abs=1e-12)
    dummy = DummyClassifier(strategy="prior").fit(nothing, classes)
    shares, likeliest = dummy.predict_proba(nothing), dummy.predict(nothing)
    found = {name: one(once) for name, one in baseline.statistics("class", classes, None, classes=3).items()}
    expected = {
        "accuracy": metrics.accuracy_score(classes, likeliest),
        "balanced_accuracy": metrics.balanced_accuracy_score(classes, likeliest),
        "macro_f1": metrics.f1_score(classes, likeliest, average="macro"),
        "log_loss": metrics.log_loss(classes, shares),
        "brier": np.square(shares - np.eye(3)[classes]).sum(axis=1).mean(),
        "auc": metrics.roc_auc_score(classes, shares, multi_class="ovr"),
    }
    assert found == pytest.approx(expected)


def test_no_other_constant_has_a_smaller_squared_error_or_log_loss(rng):
    """So that nothing looks better beside it than it is."""
    number, once = rng.normal(size=40), np.ones(40)
    best = baseline.statistics("number", number, None)["rmse"](once)
    assert all(best <= np.sqrt(np.mean((number - other) ** 2)) for other in np.linspace(-1, 1, 41))
    truth = rng.integers(2, size=40)
    found = baseline.statistics("class", truth, None, classes=2)
    for share in np.linspace(0.01, 0.99, 99):
        said = np.tile([1 - share, share], (40, 1))
        assert found["log_loss"](once) <= metrics.log_loss(truth, said) + 1e-12
        assert found["brier"](once) <= metrics.brier_score_loss(truth, said[:, 1]) + 1e-12
