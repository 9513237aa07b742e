"""Who is near whom: exact neighbours of all rows, of which t-SNE makes its forces."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Points = npt.NDArray[np.float32]
"""(n, c): rows as `space.Space.of` gives them."""


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """The nearest rows of each query, nearest first."""

    rows: Rows
    """(q, k)"""
    distances: npt.NDArray[np.float64]
    """(q, k) Euclidean."""


def nearest_others(points: Points, k: int) -> Near:
    """The k nearest other rows of every row, exactly.

    scikit-learn's blocked search, and not `neighbours.exact`: that one decides between equals in float64 and costs a
    Python step a query, which 60,000 queries of a map need not wait for.

    Args:
        points: (n, c) finite.
        k: < n.
    """
    return _asked(points, None, k)


def nearest_of(points: Points, queries: Points, k: int) -> Near:
    """The k nearest rows of each query, exactly.

    Args:
        points: (n, c) finite.
        queries: (q, c) finite.
        k: at most n.
    """
    return _asked(points, queries, k)


def _asked(points: Points, queries: Points | None, k: int) -> Near:
    from sklearn.neighbors import NearestNeighbors

    distances, rows = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points).kneighbors(queries)
    return Near(rows.astype(np.int64), distances.astype(np.float64))


def uniform_affinities(near: Near) -> Any:
    """How strongly each two rows attract each other: all of a row's neighbours alike.

    A perplexity is the number of neighbours that count; where k neighbours count alike it is k. Normal weights over 3 k
    neighbours give nearly the same map in three times the time (Böhm, Berens and Kobak, JMLR 23, 2022).

    Returns:
        (n, n) symmetric CSR matrix, float64, whose entries add up to 1.
    """
    from scipy.sparse import csr_matrix

    n, k = near.rows.shape
    one_way = csr_matrix((np.full(n * k, 0.5 / (n * k)), near.rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    both = (one_way + one_way.T).tocsr()
    both.sort_indices()
    return both
