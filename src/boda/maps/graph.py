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


def affinities(near: Near, *, threads: int = 1) -> Any:
    """How strongly each two rows attract each other, by normal weights over the k nearest of each.

    Usually weights of perplexity k are spread over 3 k neighbours. Here each row's own width is chosen so that its
    weights over k have a perplexity of 2/3 k: nearly the same map, of a third of the attractions. On 5,000 images of
    Fashion-MNIST its trustworthiness was a little higher. Weights that are all alike, of k / 2 neighbours, are
    cheaper still (Böhm, Berens and Kobak, JMLR 23, 2022), but the nearest five are then kept a fifth less often.

    Args:
        near: of all rows, k at least 2.
        threads: the answer does not depend on them.

    Returns:
        (n, n) symmetric CSR matrix, float64, whose entries add up to 1.
    """
    from openTSNE.affinity import joint_probabilities_nn

    wanted = 2 / 3 * near.rows.shape[1]
    return joint_probabilities_nn(near.rows, near.distances, [wanted], n_jobs=threads).tocsr()
