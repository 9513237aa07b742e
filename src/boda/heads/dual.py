"""Dual form of ridge: where rows are fewer than columns, weights are a sum of rows."""

import numpy as np
import numpy.typing as npt

from boda.heads.column_map import Matrix, Vector
from boda.heads.design import Design
from boda.heads.penalties import weights_of_all

COLUMNS = 1024
"""Multiplied at once, in float64."""


def products_of_rows(x: npt.NDArray[np.floating], origin: Vector) -> Matrix:
    """(n, n) products of the rows of (n, d), less the origin."""
    found = np.zeros((len(x), len(x)))
    for start in range(0, x.shape[1], COLUMNS):
        place = slice(start, start + COLUMNS)
        part = x[:, place] - origin[place]
        found += part @ part.T
    return found


def centred(products: Matrix) -> Matrix:
    """(n, n) products of rows less their mean."""
    means = products.mean(axis=0)
    found: Matrix = products - means - means[:, None] + means.mean()
    return found


def held_out_errors(products: Matrix, target: Vector, held_out: npt.NDArray[np.bool_], penalties: Vector) -> Vector:
    """(m,) sums of squared errors on the rows held out, of ridges fitted to the others.

    Args:
        products: (n, n) of all rows.
        target: (n,).
        held_out: (n,).
        penalties: (m,).
    """
    training = products[np.ix_(~held_out, ~held_out)]
    means, mean = training.mean(axis=0), target[~held_out].mean()
    amounts = weights_of_all(centred(training), target[~held_out] - mean, penalties)
    across = products[np.ix_(held_out, ~held_out)]
    across = across - across.mean(axis=1, keepdims=True) - means + means.mean()
    errors = (target[held_out] - mean)[:, None] - across @ amounts
    found: Vector = np.einsum("ij,ij->j", errors, errors)
    return found


def weights_and_freedom(
    design: Design, origin: Vector, products: Matrix, target: Vector, penalty: float
) -> tuple[Matrix, Vector, float]:
    """(d, 1) weights, (1,) offset and degrees of freedom of the ridge of all rows.

    Args:
        design: (n, d).
        origin: (d,) that `products` are measured from.
        products: (n, n).
        target: (n,).
        penalty: > 0.
    """
    from scipy.linalg import eigh

    mean = target.mean()
    values, vectors = eigh(centred(products), driver="evd", check_finite=False)
    values = np.maximum(values, 0)
    amounts = vectors @ (((target - mean) @ vectors) / (values + penalty))
    weights, sums = np.zeros(design.width), np.zeros(design.width)
    for place, x in design.blocks():
        away = x - origin
        weights += amounts[place] @ away
        sums += away.sum(axis=0)
    offset = mean - weights @ (origin + sums / design.rows)
    return weights[:, None], np.array([offset]), float((values / (values + penalty)).sum())
