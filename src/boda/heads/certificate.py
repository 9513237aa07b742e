"""Certificate: how far an objective is from its optimum at most, which nobody has to believe the solver for.

The problem, for softmax: minimise over W (d, k) and b (k)

    P(W, b) = sum_i w_i (log sum_c exp(z_ic) - q_i' z_i) + penalty / 2 |W|^2,    z_i = W'x_i + b.

log sum exp(z) is the largest p'z + H(p) over probabilities p, with H their entropy (Boyd and Vandenberghe, Convex
Optimization, 2004, example 3.25). Exchanging minimum and maximum gives the dual: over probabilities p_i of each row

    D(p) = sum_i w_i H(p_i) - |sum_i w_i x_i (p_i - q_i)'|^2 / (2 penalty),    where sum_i w_i (p_i - q_i) = 0,

since b is free to take advantage of anything else. Every such p has D(p) <= min P, so P(W, b) - D(p) bounds what is
left (the two-class case: Yu, Huang and Lin, Machine Learning 85, 2011). We take p = softmax(z) at the coefficients
that are judged and move it, (1 - t) p_i + t u with one u for all rows, just so far that the sums vanish: with r the
sums before and Q = sum_i w_i q_i, u = (t Q - (1 - t) r) / (t sum_i w_i), which is a probability from
t = max_c r_c / (Q_c + r_c) on. H is concave, so H((1 - t) p + t u) >= (1 - t) H(p) + t H(u), and all that the bound
needs are sums that the pass over the rows makes anyway. Where the offsets are at their optimum t = 0 and the bound is
|derivative by W|^2 / (2 penalty). A sigmoid is a softmax of two classes, with one weight vector.
"""

import numpy as np
import numpy.typing as npt

from boda.heads.links import Doubles
from boda.heads.problems import Point, Problems


def objectives(problems: Problems, coefficients: Doubles, point: Point, penalties: npt.ArrayLike) -> Doubles:
    """(g, c): loss and penalty."""
    squares = problems.link.total(coefficients[..., :-1] ** 2)
    found: Doubles = point.loss + np.asarray(penalties) / 2 * squares
    return found


def gaps(problems: Problems, coefficients: Doubles, point: Point, penalties: npt.ArrayLike) -> Doubles:
    """(g, c): objective minus a lower bound of its optimum, >= 0 up to rounding.

    Args:
        problems: g of them.
        coefficients: (g, k, d + 1).
        point: what the pass said at these coefficients.
        penalties: > 0, one for all, or (c,).
    """
    moments = problems.moments
    features, excess = point.slopes[..., :-1], np.where(problems.present, point.slopes[..., -1], 0.0)
    dual = problems.link.mixture(excess, moments.counts, moments.rows)
    pulled = dual.constant[..., None] * moments.features - moments.products
    share = dual.share[..., None]
    moved = np.where(problems.present[..., None], (1 - share) * features + share * pulled, 0.0)
    squares = problems.link.total(moved**2) / (2 * np.asarray(penalties))
    lower = (1 - dual.share) * point.entropy + dual.share * moments.rows * dual.entropy - squares
    found: Doubles = objectives(problems, coefficients, point, penalties) - lower
    return found
