"""The trivial predictor ignores its inputs, and is no better than that."""

import numpy as np
import pytest
import scipy.stats
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
