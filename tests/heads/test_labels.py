"""Labels: one logistic regression each, with the rows that have one."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from boda.errors import Refused
from boda.heads.design import Design
from boda.heads.labels import Labels, LabelsModel
from boda.heads.target import Target


def made(n: int, d: int, strengths: tuple[float, ...]) -> tuple[Any, Any]:
    """(n, d) features and (n, l) labels, a third of them missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)).astype(np.float32) + 1
    labels = (x[:, : len(strengths)] * strengths + rng.logistic(size=(n, len(strengths))) > 0).astype(float)
    labels[rng.random(labels.shape) < 1 / 3] = np.nan
    return x, labels


def fitted(x: Any, labels: Any, penalties: tuple[float, ...] | None = None) -> LabelsModel:
    target = Target("labels", "seen", labels, tuple(f"label {one}" for one in range(labels.shape[1])))
    return Labels(penalties).fit(Design.of(x), target, groups=np.arange(len(x)), rng=np.random.default_rng(0))


def assert_as_alone(model: LabelsModel, x: Any, labels: Any) -> None:
    for column, penalty in enumerate(model.settings()["penalty"]):
        said = ~np.isnan(labels[:, column])
        oracle = LogisticRegression(C=1 / penalty, solver="newton-cg", tol=1e-12, max_iter=1000)
        oracle.fit(x[said].astype(np.float64), labels[said, column])
        wanted = oracle.decision_function(x)
        assert np.abs(model.outputs(x)[:, column] - wanted).max() <= 1e-6 * np.abs(wanted).max()


@pytest.mark.parametrize(("n", "d"), [(300, 12), (50, 120)])
def test_each_label_is_scikit_learns_regression_on_the_rows_that_have_it(n: int, d: int) -> None:
    """Also with fewer rows than columns."""
    x, labels = made(n, d, (0.5, -2.0, 0.0))
    assert_as_alone(fitted(x, labels, (2.0,)), x, labels)


def test_each_label_has_its_own_penalty() -> None:
    """Strong for the one that features say nothing of; each solved to the end."""
    x, labels = made(400, 25, (0.0, 3.0))
    model = fitted(x, labels)
    nothing, much = model.settings()["penalty"]
    assert nothing > 10 * much
    assert_as_alone(model, x, labels)
    assert (np.array(model.settings()["gap"]) <= 1e-8 * np.array(model.settings()["objective"])).all()


def test_labels_that_never_vary_learn_their_log_odds_alone() -> None:
    """Always yes, always no and never said; the label beside them is not disturbed."""
    x, labels = made(120, 6, (1.0,))
    ones = np.ones((120, 1))
    columns = np.concatenate([labels, ones, 0 * ones, np.nan * ones], axis=1)
    for penalties in ((1.0,), None):
        model = fitted(x, columns, penalties)
        assert (model.tensors()["weights"][:, 1:] == 0).all()
        np.testing.assert_allclose(model.tensors()["offset"][1:], [np.log(120.5 / 0.5), -np.log(120.5 / 0.5), 0.0])
    np.testing.assert_allclose(
        fitted(x, columns, (1.0,)).outputs(x)[:, 0], fitted(x, labels, (1.0,)).outputs(x)[:, 0], atol=1e-6
    )


def test_a_rare_label_may_be_missing_from_a_fold() -> None:
    """One yes: the fold without it learns nothing of the label and is not judged by it."""
    x, labels = made(100, 5, (1.0, 1.0))
    labels[:, 1] = 0
    labels[7, 1] = 1
    model = fitted(x, labels)
    assert np.isfinite(model.outputs(x)).all()
    assert np.isfinite(model.settings()["held_out_losses"]).all()


def test_a_saved_model_answers_as_before() -> None:
    """From its tensors and settings."""
    x, labels = made(60, 5, (1.0, 0.0))
    model = fitted(x, labels, (1.0,))
    again = LabelsModel.from_saved(model.tensors(), model.settings())
    np.testing.assert_array_equal(again.outputs(x), model.outputs(x))


def test_what_makes_no_sense_is_refused() -> None:
    """In one line that says what."""
    x, labels = made(20, 3, (1.0,))
    design, groups, rng = Design.of(x), np.arange(20), np.random.default_rng(0)
    with pytest.raises(Refused, match="penalties"):
        Labels((0.0,))
    with pytest.raises(Refused, match="takes labels"):
        Labels().fit(design, Target("number", "size", np.zeros(20)), groups=groups, rng=rng)
    with pytest.raises(Refused, match="both need as many"):
        Labels().fit(design, Target("labels", "seen", labels[:5], ("one",)), groups=groups, rng=rng)
    with pytest.raises(Refused, match="one group"):
        Labels().fit(design, Target("labels", "seen", labels, ("one",)), groups=0 * groups, rng=rng)
