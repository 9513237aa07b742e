"""Moments: sums that add up to what all rows together would say."""

import numpy as np
import pytest

from boda.cores import BLOCK
from boda.errors import Refused
from boda.heads.column_map import ColumnMap
from boda.heads.design import Design
from boda.heads.moments import Moments, Origin

RNG = np.random.default_rng(0)
N, D = BLOCK + 321, 6
X = (RNG.standard_normal((N, D)) * 10.0 ** np.arange(-3, 3) + 100).astype(np.float32)
Y = X @ RNG.standard_normal(D) + RNG.standard_normal(N)
FOLDS = RNG.integers(0, 4, N)
DESIGN = Design.of(X)


def test_moments_of_folds_add_up_to_those_of_all_rows() -> None:
    """And are those of their own rows."""
    origin = Origin.of(DESIGN, Y)
    folds = Moments.by_fold(DESIGN, Y, FOLDS, origin)
    np.testing.assert_allclose(Moments.total(folds).matrix, Moments.of(DESIGN, Y).matrix, rtol=1e-9, atol=1e-6)
    own = Moments.of(DESIGN.take(np.flatnonzero(FOLDS == 2)), Y[FOLDS == 2], origin)
    np.testing.assert_allclose(folds[2].matrix, own.matrix, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose((folds[0] + folds[1]).matrix, folds[0].matrix + folds[1].matrix)


def test_centred_products_are_those_of_numpy() -> None:
    """Of columns far from 0."""
    z = np.column_stack([X.astype(np.float64), Y])
    expected = np.cov(z.T, bias=True) * N
    found = Moments.of(DESIGN, Y).centred
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def test_squared_errors_are_those_of_predictions() -> None:
    """For several weights at once, on rows of another fold."""
    origin = Origin.of(DESIGN, Y)
    weights, offsets = RNG.standard_normal((D, 3)), RNG.standard_normal(3)
    errors = (Y - origin.target)[:, None] - (X - origin.columns) @ weights - offsets
    found = Moments.of(DESIGN, Y, origin).squared_errors(weights, offsets)
    np.testing.assert_allclose(found, (errors**2).sum(axis=0), rtol=1e-10)


def test_huge_rows_of_one_fold_leave_the_others_their_digits() -> None:
    """Sums are never differences: 1e15 in fold 0 does not touch fold 1."""
    x = X.copy()
    x[FOLDS == 0] *= 1e15
    origin = Origin.of(DESIGN, Y)
    poisoned = Moments.by_fold(Design.of(x), Y, FOLDS, origin)
    clean = Moments.by_fold(DESIGN, Y, FOLDS, origin)
    np.testing.assert_array_equal(Moments.total(poisoned[1:]).matrix, Moments.total(clean[1:]).matrix)


def test_values_that_are_not_finite_are_refused() -> None:
    """Before anything is solved."""
    x = X.copy()
    x[5, 2] = np.nan
    with pytest.raises(Refused, match="not finite"):
        Moments.of(Design.of(x), Y)


def test_a_column_map_maps_products_and_weights_alike() -> None:
    """Products of mapped columns, and weights that predict the same, also where columns share an indicator."""
    columns = ColumnMap(
        D, np.array([4, 0, 5]), RNG.standard_normal(3), np.array([5, 0, 0]), np.array([0.3, 0, 0]), np.ones(3)
    )
    x, weights = RNG.standard_normal((40, D)), RNG.standard_normal((3, 2))
    mapped = columns.columns(x)
    np.testing.assert_allclose(columns.gram(x.T @ x), mapped.T @ mapped)
    np.testing.assert_allclose(x @ columns.weights(weights), mapped @ weights)
