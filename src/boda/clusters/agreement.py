"""Agreement: how alike two ways are of putting the same rows into groups. None depends on how groups are numbered.

All are functions of the table of counts n_ij, of the rows that are in group i by the first and in j by the second. Its
cells may be weights, as in a bootstrap.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import Refused

Labels: TypeAlias = npt.NDArray[np.integer[Any]]
"""(n,) the group of each row, from 0; -1 in none."""
Table: TypeAlias = npt.NDArray[np.float64]
"""(a, b) rows of each pair of groups."""


def table_of(first: Labels, second: Labels) -> Table:
    """Count the rows of each pair of groups.

    Rows in no group (-1) are a group of their own, which then comes first.

    Raises:
        Refused: the labels are not of the same rows.

    >>> table_of(np.array([0, 0, 1]), np.array([1, 1, 0]))
    array([[0., 2.],
           [1., 0.]])
    """
    if first.shape != second.shape or first.ndim != 1:
        raise Refused(f"labels of shape {first.shape} and {second.shape} are not of the same rows")
    (one, a), (two, b) = _from_zero(first), _from_zero(second)
    return np.bincount(one * b + two, minlength=a * b).astype(np.float64).reshape(a, b)


def _from_zero(labels: Labels) -> tuple[npt.NDArray[np.int64], int]:
    codes = labels.astype(np.int64)
    codes -= min(0, int(codes.min(initial=0)))
    return codes, int(codes.max(initial=-1)) + 1


def adjusted_rand(table: Table) -> float:
    """The adjusted Rand index: 1 the same groups, 0 as alike as chance makes groups of these sizes.

    With pairs C(x) = x (x - 1) / 2, and E = sum_i C(n_i.) sum_j C(n_.j) / C(n):
    (sum_ij C(n_ij) - E) / ((sum_i C(n_i.) + sum_j C(n_.j)) / 2 - E). Two groupings that are both trivial are the same.

    Source: Hubert and Arabie, Journal of Classification 2, 1985.

    >>> adjusted_rand(np.array([[0.0, 5.0], [5.0, 0.0]]))
    1.0
    """
    together, by_first, by_second = _pairs(table), _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    every = _pairs(table.sum())
    if not every > 0:
        return float("nan")
    expected = by_first * by_second / every
    most = (by_first + by_second) / 2
    return float((together - expected) / (most - expected)) if most > expected else 1.0


def _pairs(counts: Any) -> float:
    return float(np.sum(counts * (counts - 1)) / 2)


def mutual_information(table: Table) -> float:
    """Normalised mutual information, 0 to 1: 2 I(first; second) / (H(first) + H(second)); 1 for two trivial ones.

    Not corrected for chance: many small groups have some with anything.

    Source: Strehl and Ghosh, Journal of Machine Learning Research 3, 2002; with the arithmetic mean, as scikit-learn.
    """
    total = table.sum()
    if not total > 0:
        return float("nan")
    entropies = _entropy(table.sum(axis=1) / total) + _entropy(table.sum(axis=0) / total)
    shared = entropies - _entropy(table.ravel() / total)
    return float(np.clip(2 * shared / entropies, 0, 1)) if entropies > 0 else 1.0


def _entropy(shares: Table) -> float:
    there = shares[shares > 0]
    return float(-(there * np.log(there)).sum())


def matching(table: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """(b,) which group of the first each group of the second is, one to one, so that most rows agree; -1 for none.

    Source: Kuhn, Naval Research Logistics Quarterly 2, 1955 (the Hungarian method).
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    found = np.full(table.shape[1], -1, np.int64)
    found[columns] = rows
    return found


def matched_accuracy(table: Table) -> float:
    """The share of rows that agree when groups are matched one to one ("clustering accuracy").

    The matching is chosen with the labels of these very rows: with many groups it is above chance for any groups.
    """
    total, found = table.sum(), matching(table)
    pairs = np.flatnonzero(found >= 0)
    return float(table[found[pairs], pairs].sum() / total) if total > 0 else float("nan")


def jaccard(table: Table) -> Table:
    """(a, b) of each pair of groups the rows in both among the rows in either: n_ij / (n_i. + n_.j - n_ij)."""
    either = table.sum(axis=1)[:, None] + table.sum(axis=0) - table
    found: Table = np.divide(table, either, out=np.zeros_like(table), where=either > 0)
    return found
