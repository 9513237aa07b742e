"""Calibration finds what made the scores wrong, and equals scikit-learn."""

import json

import numpy as np
import pytest
import torch
from sklearn.calibration import _sigmoid_calibration
from sklearn.metrics import log_loss

from boda.errors import Refused
from boda.evaluation.calibration import (
    Platt,
    Temperature,
    cross_fitted,
    fit_platt,
    fit_temperature,
    sigmoid,
    softmax,
)


def drawn(rng, scores):
    """Classes drawn as the softmax of the scores says."""
    return np.array([rng.choice(scores.shape[1], p=row) for row in softmax(scores)])


@pytest.mark.parametrize("sure", [0.3, 1.0, 4.0])
def test_temperature_undoes_scores_that_are_too_sure(sure, rng):
    """Scores multiplied by a factor need that temperature."""
    scores = rng.normal(size=(4000, 4)) * 2
    fitted = fit_temperature(scores * sure, drawn(rng, scores))
    assert fitted.value == pytest.approx(sure, rel=0.1)
    assert (fitted.probabilities(scores).argmax(axis=1) == scores.argmax(axis=1)).all()
    assert Temperature.from_json(json.loads(json.dumps(fitted.as_json()))) == fitted


def test_temperature_is_the_minimum_that_torch_finds(rng):
    """The gradient of torch's cross entropy, with the pull beside it, is 0 there."""
    scores, truth = rng.normal(size=(300, 5)) * 3, rng.integers(5, size=300)
    log = torch.tensor(np.log(fit_temperature(scores, truth).value), dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.tensor(scores) / log.exp(), torch.tensor(truth), reduction="sum")
    (loss + 2 * log**2).backward()
    assert abs(float(log.grad)) < 1e-6


def test_scores_that_say_all_or_nothing_have_a_limit(rng):
    """Many rows always right: as cold as it gets; always wrong: as hot; no rows: as they are."""
    truth = rng.integers(3, size=1_000_000)
    right = np.eye(3)[truth]
    assert fit_temperature(right, truth).value == pytest.approx(0.1)
    assert fit_temperature(-right, truth).value == pytest.approx(1e3)
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)).value == 1


@pytest.mark.parametrize("seed", range(5))
def test_few_rows_are_not_made_worse(seed):
    """Scores that are right as they are, of 60 rows nearly all of which are right, lose next to nothing."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(60, 3)) * 12
    truth = drawn(rng, scores)
    raw, made = softmax(scores), cross_fitted(scores, truth, np.arange(60) % 5)
    assert log_loss(truth, made, labels=range(3)) < log_loss(truth, raw, labels=range(3)) + 0.02


def test_folds_that_say_nothing_do_not_make_another_certain():
    """Four folds with scores of 1e-7 that are right by luck do not turn the fifth's 0.03 into certainty."""
    truth = np.tile([0, 0, 0, 1], 10)
    folds = np.arange(40) % 5
    size = np.where(folds == 0, 0.03, 1e-7)
    scores = np.stack([size, -size], axis=1)
    loss = -np.log(cross_fitted(scores, truth, folds)[np.arange(40), truth])
    assert loss.max() < 1.1


@pytest.mark.parametrize("scale", [1.0, 1e-3, 300.0])
def test_platt_is_scikit_learns(scale, rng):
    """Slope and offset are those of its sigmoid calibration, whatever the scale of the scores."""
    scores = rng.normal(size=400)
    truth = (rng.random(400) < sigmoid(2 * scores - 1)).astype(float)
    fitted = fit_platt(scores[:, None] * scale, truth[:, None])
    a, b = _sigmoid_calibration(scores, truth)
    np.testing.assert_allclose([fitted.slopes[0] * scale, fitted.offsets[0]], [-a, -b], rtol=2e-3)
    assert Platt.from_json(json.loads(json.dumps(fitted.as_json()))) == fitted


def test_platt_of_labels_that_teach_nothing(rng):
    """Unknown cells are left out; a label never or always true, or never known, stays as it is; separable is finite."""
    scores, truth = rng.normal(size=(100, 4)), np.zeros((100, 4))
    truth[:, 1], truth[:, 2] = np.nan, (scores[:, 2] > 0)
    truth[:, 3] = np.where(np.arange(100) < 50, rng.random(100) < 0.5, np.nan)
    fitted = fit_platt(scores, truth)
    assert fitted.slopes[:2] == (1, 1) and fitted.offsets[:2] == (0, 0)
    assert np.isfinite(fitted.slopes).all() and fitted.slopes[2] > 1
    alone = fit_platt(scores[:50, 3:], truth[:50, 3:])
    assert fitted.slopes[3] == pytest.approx(alone.slopes[0])


def test_cross_fitted_rows_do_not_see_themselves(rng):
    """Another truth in one fold changes the other folds' probabilities and not its own."""
    scores = rng.normal(size=(200, 3)) * 4
    truth, folds = drawn(rng, scores / 4), np.arange(200) % 4
    before = cross_fitted(scores, truth, folds)
    changed = np.where(folds == 1, (truth + 1) % 3, truth)
    after = cross_fitted(scores, changed, folds)
    np.testing.assert_array_equal(before[folds == 1], after[folds == 1])
    assert (before[folds != 1] != after[folds != 1]).any()
    assert log_loss(truth, before) < log_loss(truth, softmax(scores))
    labels = np.eye(3)[truth]
    assert cross_fitted(scores, labels, folds).shape == (200, 3)


def test_extreme_scores_do_not_overflow():
    """Scores of a million are probabilities of 0 and 1, in silence."""
    assert softmax(np.array([[1e6, 0.0]])).tolist() == [[1, 0]]
    assert sigmoid(np.array([-1e6, 0.0, 1e6])).tolist() == [0, 0.5, 1]


def test_shapes_that_do_not_fit_are_refused():
    """Scores of other rows than the truth."""
    with pytest.raises(Refused):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(Refused):
        fit_platt(np.zeros((3, 2)), np.zeros((3, 1)))
