"""Softmax regression: shares of k classes from features, by penalised maximum likelihood."""

from dataclasses import dataclass

import numpy as np

from boda.errors import Refused
from boda.heads.design import Design
from boda.heads.links import Doubles, Softmax
from boda.heads.newton import solve
from boda.heads.problems import Problems
from boda.heads.span import span_of


@dataclass(frozen=True, eq=False)
class SoftmaxFit:
    """Weights and offsets, and how well they were solved for."""

    weights: Doubles
    """(d, k)."""
    offset: Doubles
    """(k,)."""
    objective: float
    gap: float
    """The objective is at most this far above its optimum (see `certificate`)."""
    slope: float
    """Length of the derivative of the objective."""
    iterations: int
    """Newton steps."""
    passes: int
    """Over the rows."""


def fit_softmax(
    design: Design,
    shares: Doubles,
    weights: Doubles,
    penalty: float,
    *,
    start: SoftmaxFit | None = None,
    tolerance: float = 1e-8,
) -> SoftmaxFit:
    """Minimise sum_i w_i (log sum_c exp(z_ic) - q_i'z_i) + penalty / 2 |W|^2; the offset is not penalised.

    With one class a row this is scikit-learn's `LogisticRegression(C=1 / penalty)` of three and more classes. For two
    classes that fits one vector for both, whose penalty is half as strong: give twice the penalty to match it. A class
    that no row has part in gets weights of 0 and an offset of log(0.5 / n), below every other.

    Args:
        design: (n, d), finite.
        shares: (n, k) >= 0, a row adds up to 1; one class a row, or shares of raters. Rows of weight 0 may be 0.
        weights: (n,) >= 0.
        penalty: > 0.
        start: where the search begins; the optimum is the same.
        tolerance: relative gap, and length of the derivative in units of the objective.

    Raises:
        Refused: shapes that differ, shares or weights that are none, no weight at all, or a penalty of 0.
    """
    _refuse(design, shares, weights, penalty)
    used = weights > 0
    columns = np.where(used[:, None], shares, 0.0).T
    span = span_of(design)
    told = Problems(
        span.design,
        Softmax(),
        np.ascontiguousarray(columns),
        np.ones((1, design.rows), np.float32),
        np.asarray(weights, np.float64)[None],
    )
    begin = None
    if start is not None:
        inner = start.weights if span.basis is None else span.basis.T @ start.weights
        begin = np.concatenate([inner.T, start.offset[:, None]], axis=1)[None]
    found = solve(told, penalty, start=begin, tolerance=tolerance)
    coefficients, present = found.coefficients[0], told.present[0]
    return SoftmaxFit(
        span.weights(coefficients[:, :-1]).T,
        np.where(present, coefficients[:, -1], np.log(0.5 / design.rows)),
        float(found.objective.sum()),
        float(found.gap.sum()),
        float(found.slope.max()),
        found.steps,
        found.passes,
    )


def _refuse(design: Design, shares: Doubles, weights: Doubles, penalty: float) -> None:
    if shares.ndim != 2 or len(shares) != design.rows or weights.shape != (design.rows,):
        raise Refused(f"{design.rows} rows need shares (n, k) and weights (n,), not {shares.shape} and {weights.shape}")
    if not 0 < penalty < np.inf:
        raise Refused(f"the penalty must be a positive number, not {penalty}")
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise Refused("weights must be finite and not negative, and one of them positive")
    bad = (weights > 0) & ((shares < 0).any(axis=1) | ~(np.abs(shares.sum(axis=1) - 1) < 1e-9))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise Refused(f"row {row}: shares must be at least 0 and add up to 1, not {shares[row]}")
