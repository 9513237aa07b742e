"""Estimators: the protocol of scikit-learn, checked by its own checks."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import Ridge as Oracle
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from boda.errors import Refused
from boda.heads.estimators import LogisticClassifier, RidgeRegressor


@parametrize_with_checks([RidgeRegressor(), LogisticClassifier()])
def test_every_check_of_scikit_learn_passes(estimator: BaseEstimator, check: Callable[[BaseEstimator], None]) -> None:
    """`check_estimator`, one check a test."""
    check(estimator)


def test_ridge_equals_that_of_scikit_learn() -> None:
    """On real data, in float64, to 1e-8; in their units too."""
    x, y = load_diabetes(return_X_y=True, scaled=False)
    found = RidgeRegressor(penalties=(10.0,)).fit(x, y).predict(x)
    np.testing.assert_allclose(
        found, make_pipeline(StandardScaler(), Oracle(alpha=10.0)).fit(x, y).predict(x), rtol=1e-8
    )
    raw = RidgeRegressor(penalties=(10.0,), scaling="raw").fit(x, y).predict(x)
    np.testing.assert_allclose(raw, Oracle(alpha=10.0).fit(x, y).predict(x), rtol=1e-8)


def test_digits_beyond_float32_count() -> None:
    """A column of 1e10 with differences of 1e-2, which float32 would not see."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal(200)
    model = RidgeRegressor().fit((1e10 + y / 100)[:, None], y)
    assert model.score((1e10 + y / 100)[:, None], y) > 0.999


def test_they_work_in_searches_and_pipelines() -> None:
    """`clone`, `cross_val_score`, `GridSearchCV`."""
    x, y = load_diabetes(return_X_y=True)
    assert cross_val_score(clone(RidgeRegressor()), x, y, cv=5).mean() > 0.45
    search = GridSearchCV(RidgeRegressor(), {"scaling": ["standardised", "raw", "normalised"]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.45
    flowers, kinds = load_iris(return_X_y=True)
    assert cross_val_score(LogisticClassifier(), flowers, kinds, cv=5).mean() > 0.9


def test_probabilities_sum_to_one_and_classes_keep_their_names() -> None:
    """Two classes as three."""
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    for rows in (slice(50, 150), slice(0, 150)):
        model = LogisticClassifier().fit(x[rows], names[rows])
        np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)
        assert model.score(x[rows], names[rows]) > 0.9
        assert set(model.classes_) == set(names[rows])


def test_groups_stay_together_in_inner_folds() -> None:
    """With one group no penalty can be chosen; an unknown scaling is refused."""
    x, y = load_diabetes(return_X_y=True)
    with pytest.raises(Refused, match="one group"):
        RidgeRegressor().fit(x, y, groups=np.zeros(len(y)))
    with pytest.raises(Refused, match="scaling"):
        RidgeRegressor(scaling="other").fit(x, y)


def test_heads_do_not_load_scikit_learn_before_it_is_asked_for() -> None:
    """Only `boda.heads.estimators` does."""
    code = "import sys, boda.heads.ridge, boda.heads.crossfit; print([m for m in ('sklearn', 'scipy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
