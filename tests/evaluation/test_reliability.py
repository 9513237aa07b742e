"""The reliability curve counts what happened."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from boda.errors import Refused
from boda.evaluation.reliability import of_classes, of_labels, reliability_of


def test_bins_are_scikit_learns(rng):
    """Means and shares of equal-mass bins agree; every row is in one bin."""
    said = rng.random(1000)
    happened = rng.random(1000) < said**2
    found = reliability_of(said, happened)
    share, mean = calibration_curve(happened, said, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([one.happened.value for one in found.bins], share)
    np.testing.assert_allclose([one.said for one in found.bins], mean)
    assert [one.happened.rows for one in found.bins] == [100] * 10
    assert found.error == pytest.approx(np.abs(share - mean).mean())


def test_equal_probabilities_are_one_bin(rng):
    """A head that always says the same has one bin; none has none."""
    found = reliability_of(np.full(50, 0.3), rng.random(50) < 0.3)
    assert len(found.bins) == 1 and found.bins[0].happened.low < 0.3 < found.bins[0].happened.high
    assert reliability_of(np.zeros(0), np.zeros(0, bool)).as_json() == {"bins": [], "error": None}


def test_what_is_compared_of_classes_and_labels():
    """Two classes: the second; more: the named one; labels: all that are known."""
    probability, happened = of_classes(np.array([0, 1]), np.array([[0.3, 0.7], [0.6, 0.4]]))
    assert probability.tolist() == [0.7, 0.4] and happened.tolist() == [False, True]
    probability, happened = of_classes(np.array([0, 1]), np.array([[0.3, 0.5, 0.2], [0.1, 0.8, 0.1]]))
    assert probability.tolist() == [0.5, 0.8] and happened.tolist() == [False, True]
    probability, happened = of_labels(np.array([[1, np.nan], [0, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]]))
    assert probability.tolist() == [0.1, 0.3, 0.4] and happened.tolist() == [True, False, True]


def test_shapes_that_do_not_fit_are_refused():
    """[n, 1] against [n]."""
    with pytest.raises(Refused):
        reliability_of(np.zeros((3, 1)), np.zeros(3, bool))
