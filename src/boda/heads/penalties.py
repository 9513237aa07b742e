"""Penalties of a ridge: which to try, all their weights from one decomposition, and the best of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from boda.heads.column_map import ColumnMap, Matrix, Vector
from boda.heads.moments import Moments

DECADES = (-8, 7)
"""Of the default penalties, in units of the mean sum of squares of a column (n for standardised columns): from none
to so much that nothing is left of the weights. So the best is never beyond the border."""
PER_DECADE = 3


@dataclass(frozen=True)
class Choice:
    """Which penalty, and why."""

    penalty: float
    penalties: tuple[float, ...] = ()
    """All that were tried."""
    held_out_errors: tuple[float, ...] = ()
    """Mean squared error of each on rows that its weights had not seen."""

    @classmethod
    def best(cls, penalties: Vector, errors: Vector) -> "Choice":
        """The one of least error; the largest of them where several are."""
        place = len(errors) - 1 - int(np.argmin(errors[::-1]))
        return cls(float(penalties[place]), tuple(penalties.tolist()), tuple(errors.tolist()))


def default_penalties(squares: float, width: int) -> Vector:
    """Three a decade, ascending, on the same ladder whatever the data.

    Args:
        squares: of the centred columns, summed over all of them.
        width: how many columns.
    """
    unit = round(math.log10(squares / width)) if squares > 0 else 0
    steps = (DECADES[1] - DECADES[0]) * PER_DECADE + 1
    return np.logspace(unit + DECADES[0], unit + DECADES[1], steps)


def to_try(given: tuple[float, ...] | None, squares: float, width: int) -> Vector:
    """(m,) the given penalties, ascending, or the default ones."""
    return default_penalties(squares, width) if given is None else np.sort(np.array(given))


def weights_of_all(gram: Matrix, products: Vector, penalties: Vector) -> Matrix:
    """(p, m) weights of all penalties at once: `(gram + penalty) w = products`.

    A tridiagonal form serves all penalties as eigenvalues do, at a third of the cost (Golub and Van Loan, Matrix
    Computations, 8.3). Where rounding has made the gram indefinite beyond a penalty, eigenvalues below 0 are taken
    for 0.

    Args:
        gram: (p, p) positive semi-definite.
        products: (p,).
        penalties: (m,), > 0.
    """
    found = _tridiagonal(gram, products, penalties) if len(products) > 1 else None
    if found is not None:
        return found
    from scipy.linalg import eigh

    values, vectors = eigh(gram, driver="evd", check_finite=False)
    shrunk = (products @ vectors)[:, None] / (np.maximum(values, 0)[:, None] + penalties)
    weights: Matrix = vectors @ shrunk
    return weights


def _tridiagonal(gram: Matrix, products: Vector, penalties: Vector) -> Matrix | None:
    """As `weights_of_all`; None where a matrix is not positive definite."""
    from scipy.linalg import lapack

    width = len(products)
    reflectors, diagonal, beside, scales, failed = lapack.dsytrd(gram, lower=1, lwork=64 * width)
    if failed or not np.isfinite(diagonal).all():
        return None
    # the turn Q leaves the first row; on the others its reflectors are those of a QR decomposition
    below = np.asfortranarray(reflectors[1:, :-1])
    turned = products.copy()
    turned[1:] = lapack.dormqr("L", "T", below, scales, products[1:, None], lwork=64)[0][:, 0]
    solved = np.empty((width, len(penalties)), order="F")
    for place, penalty in enumerate(penalties):
        _, _, solved[:, place], failed = lapack.dptsv(diagonal + penalty, beside, turned)
        if failed:
            return None
    solved[1:] = lapack.dormqr("L", "N", below, scales, solved[1:], lwork=64 * len(penalties))[0]
    return solved


def ridges(training: Moments, columns: ColumnMap, penalties: Vector) -> tuple[Matrix, Vector]:
    """Ridges of all penalties: (c, m) weights and (m,) offsets for the columns that the moments are of.

    Args:
        training: of the columns that `columns` prepares.
        columns: to the prepared columns of these rows, which the penalty is on.
        penalties: (m,).
    """
    centred = training.centred
    gram, products = columns.gram(centred[:-1, :-1]), columns.columns(centred[-1, :-1])
    weights = columns.weights(weights_of_all(gram, products, penalties))
    return weights, training.offsets(weights)


def without(folds: Sequence[Moments], *left: int) -> Moments:
    """Of all folds but these."""
    return Moments.total(one for place, one in enumerate(folds) if place not in left)
