"""More like these, less like those: Rocchio's direction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.retrieval.feedback import LESS, direction


def test_it_is_rocchios_formula():
    """Mean of the unit rows that are wanted less half the mean of those that are not; lengths do not count."""
    rng = np.random.default_rng(0)
    like, less = rng.normal(size=(3, 8)), rng.normal(size=(2, 8))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (like, less)]
    expected = unit[0].mean(axis=0) - LESS * unit[1].mean(axis=0)
    np.testing.assert_allclose(direction(like * [[1], [20], [0.1]], less), expected, atol=1e-12)
    np.testing.assert_allclose(direction(like.astype("f4"), less[:0]), unit[0].mean(axis=0), atol=1e-6)


def test_zeros_count_for_nothing():
    """A row of zeros has no direction; alone it stays what it is."""
    np.testing.assert_array_equal(direction(np.zeros((1, 4)), np.zeros((0, 4))), np.zeros(4))
    np.testing.assert_allclose(direction(np.array([[0.0, 0], [2, 0]]), np.zeros((0, 2))), [0.5, 0])


def test_examples_that_cancel_out_are_refused():
    """Opposite rows, or a wanted one and twice the same unwanted."""
    one = np.array([[1.0, 2, 3]])
    with pytest.raises(Refused, match="cancel out"):
        direction(np.concatenate([one, -one]), one[:0])


@given(st.integers(1, 5), st.integers(0, 5), st.integers(0, 1000))
def test_unwanted_examples_never_make_a_hit_more_wanted(wanted, unwanted, seed):
    """What is wanted less has no greater product with the direction than without it being said."""
    rng = np.random.default_rng(seed)
    like, less = np.abs(rng.normal(size=(wanted, 6))) + 0.1, np.abs(rng.normal(size=(unwanted, 6))) + 0.1
    for row in less:
        assert row @ direction(like, less) <= row @ direction(like, less[:0]) + 1e-12
