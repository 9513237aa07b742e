"""Classes are counted, also those that nobody has."""

import json

import numpy as np
import pytest

from boda.evaluation.imbalance import imbalance_of
from boda.evaluation.plain import as_plain


def test_equal_classes_are_as_many_as_they_are():
    """The effective number is the number; of one class it is 1; of none 0."""
    assert imbalance_of(np.arange(12) % 4, "abcd").effective == pytest.approx(4)
    assert imbalance_of(np.zeros(5, int), "ab").effective == 1
    assert imbalance_of(np.zeros(0, int), "ab").as_json() == {
        "names": ["a", "b"], "counts": [0, 0], "shares": [0, 0], "effective": 0, "missing": ["a", "b"],
    }  # fmt: skip


def test_rare_classes_count_for_little():
    """Ninety of one and ten of another are like 1.4 classes."""
    found = imbalance_of(np.repeat([0, 1], [90, 10]), ["rest", "merger", "star"])
    assert found.counts == (90, 10, 0) and found.shares[0] == 0.9 and found.missing == ("star",)
    assert found.effective == pytest.approx(np.exp(-0.9 * np.log(0.9) - 0.1 * np.log(0.1)))


def test_results_are_json_without_nan():
    """Arrays, NumPy numbers, NaN and infinities anywhere inside become what JSON has."""
    value = {"a": (np.float64("nan"), np.array([1.0, np.inf])), 3: np.int64(2), "b": np.bool_(True), "c": None}
    assert json.loads(json.dumps(as_plain(value), allow_nan=False)) == {
        "a": [None, [1, None]],
        "3": 2,
        "b": True,
        "c": None,
    }
