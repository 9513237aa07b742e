"""Exact nearest neighbours by blocked matrix products. The one neighbour search of boda.

Every row is compared with every query. A float32 product finds the candidates, with a slack that covers its rounding
error; float64 then decides among these, and rows that are equally near keep their order. So the answer does not
depend on the block size, the number of threads or the BLAS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused

Metric: TypeAlias = Literal["cosine", "euclidean"]
Rows: TypeAlias = npt.NDArray[np.int64]
Distances: TypeAlias = npt.NDArray[np.float64]
_Float32: TypeAlias = npt.NDArray[np.float32]
_Float64: TypeAlias = npt.NDArray[np.float64]

BLOCK_ROWS = 65_536
_BLOCK_VALUES = 2**25  # 128 MiB of float32: wide features get shorter blocks
_PRODUCT_VALUES = 2**24  # queries x rows held at once, 64 MiB
_EXACT_ROWS = 4_096  # candidates in float64 at once
_DECIMALS = 12  # cosine distances that differ by less are the same distance


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest rows of each query, nearest first; equally near rows in row order."""

    rows: Rows
    """(q, k)"""
    distances: Distances
    """(q, k): cosine distance 0..2, or Euclidean distance in feature units."""


@dataclass(frozen=True, slots=True)
class _Queries:
    """Queries made ready: float32 for the products (unit length for cosine), float64 for the decision."""

    rough: _Float32
    exact: _Float64
    lengths: _Float64


def nearest(
    features: StoredFeatures,
    queries: StoredFeatures,
    k: int,
    *,
    metric: Metric = "cosine",
    exclude: Rows | None = None,
) -> Neighbours:
    """Find the k nearest rows of each query. A vector of zeros has cosine distance 1 to everything.

    Args:
        features: (n, d), finite; float16 or float32. A memory map is read block by block, never cast as a whole.
        queries: (q, d), finite.
        k: how many; fewer come back where there are not so many rows.
        metric: `cosine` or `euclidean`.
        exclude: (q,) the row that each query itself is, and which is no neighbour of itself.

    Returns:
        Neighbours of shape (q, min(k, n)), or (q, min(k, n - 1)) with `exclude`.

    Raises:
        Refused: k < 1, the widths differ, or a value is NaN or infinite.

    >>> found = nearest(np.eye(3, dtype=np.float32), np.array([[1.0, 0.5, 0.0]]), 2)
    >>> found.rows, found.distances.round(3)
    (array([[0, 1]]), array([[0.106, 0.553]]))
    """
    _check(features, queries, k)
    rows_there = len(features) - (exclude is not None)
    found = max(0, min(k, rows_there))
    rows = np.zeros((len(queries), found), np.int64)
    distances = np.zeros((len(queries), found))
    if found:
        step = max(1, _PRODUCT_VALUES // min(len(features), _block_rows(features)))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            hidden = None if exclude is None else exclude[part]
            rows[part], distances[part] = _search(features, queries[part], found, metric, hidden)
    return Neighbours(rows, distances)


def _check(features: StoredFeatures, queries: StoredFeatures, k: int) -> None:
    if k < 1:
        raise Refused(f"k is {k}: ask for at least 1 neighbour")
    if features.ndim != 2 or queries.ndim != 2 or features.shape[1] != queries.shape[1]:
        raise Refused(f"features of shape {features.shape} cannot be compared with queries of shape {queries.shape}")
    if not np.isfinite(queries).all():
        raise Refused("a query holds NaN or infinity")


def _block_rows(features: StoredFeatures) -> int:
    width: int = features.shape[1]
    return max(1, min(BLOCK_ROWS, _BLOCK_VALUES // max(1, width)))


def _blocks(features: StoredFeatures) -> Iterator[tuple[int, _Float32]]:
    step = _block_rows(features)
    for first in range(0, len(features), step):
        yield first, np.asarray(features[first : first + step], dtype=np.float32)


def _search(
    features: StoredFeatures, queries: StoredFeatures, k: int, metric: Metric, exclude: Rows | None
) -> tuple[Rows, Distances]:
    """All blocks against a few queries; keeps the k best of each."""
    ready = _ready(queries, metric)
    best_rows = [np.zeros(0, np.int64)] * len(queries)
    best = [np.zeros(0)] * len(queries)
    for first, block in _blocks(features):
        rough, slack = _rough_distances(ready, block, metric, first)
        for query in range(len(queries)):
            bar = best[query][-1] + slack[query] if len(best[query]) == k else np.inf
            hidden = -1 if exclude is None else int(exclude[query]) - first
            near = _candidates(rough[query], k, bar, slack[query], hidden)
            if len(near):
                exact = _exact_distances(ready, query, block, near, metric)
                rows, values = np.append(best_rows[query], near + first), np.append(best[query], exact)
                order = np.lexsort((rows, values))[:k]
                best_rows[query], best[query] = rows[order], values[order]
    distances = np.stack(best)
    return np.stack(best_rows), np.sqrt(distances) if metric == "euclidean" else distances


def _ready(queries: StoredFeatures, metric: Metric) -> _Queries:
    exact = queries.astype(np.float64)
    lengths = np.sqrt((exact * exact).sum(axis=1))
    rough = _divided(exact, lengths[:, None]) if metric == "cosine" else exact
    return _Queries(rough.astype(np.float32), exact, lengths)


def _divided(values: _Float64, by: _Float64) -> _Float64:
    """Zero where the divisor is zero."""
    return np.divide(values, by, out=np.zeros(np.broadcast_shapes(values.shape, by.shape)), where=by > 0)


def _lengths(block: _Float32, first: int) -> tuple[_Float64, Rows]:
    """(b,) length of each row, and the rows for which float32 is too narrow: zeros, tiny and huge ones."""
    with np.errstate(all="ignore"):
        squares = np.einsum("ij,ij->i", block, block).astype(np.float64)
    odd = np.flatnonzero(~((squares > 1e-20) & (squares < 1e30)))
    for start in range(0, len(odd), _EXACT_ROWS):
        rows = odd[start : start + _EXACT_ROWS]
        wide = block[rows].astype(np.float64)
        bad = rows[~np.isfinite(wide).all(axis=1)]
        if len(bad):
            raise Refused(f"row {first + bad[0]} of the features holds NaN or infinity")
        squares[rows] = (wide * wide).sum(axis=1)
    return np.sqrt(squares), odd


def _rough_distances(
    ready: _Queries, block: _Float32, metric: Metric, first: int
) -> tuple[npt.NDArray[np.floating[Any]], _Float64]:
    """(q, b) distances by one matrix product, and (q,) twice the largest error they can have.

    The error of a float32 dot product of length d is at most d units in the last place of |x| |y|. For Euclidean the
    distances are squared.
    """
    lengths, odd = _lengths(block, first)
    unit = 2 * float(np.finfo(np.float32).eps) * (block.shape[1] + 16)
    with np.errstate(all="ignore"):
        product = ready.rough @ block.T
    if metric == "cosine":
        with np.errstate(all="ignore"):
            product /= lengths.astype(np.float32)
        product[:, odd] = ready.rough @ _divided(block[odd].astype(np.float64), lengths[odd, None]).T
        return np.subtract(1, product, out=product), np.full(len(ready.rough), unit)
    if lengths.max(initial=0) * ready.lengths.max(initial=0) > 1e30:
        product = ready.exact @ block.astype(np.float64).T
    squared = lengths[None, :] ** 2 - 2.0 * product + ready.lengths[:, None] ** 2
    return squared, unit * (ready.lengths + lengths.max(initial=0)) ** 2


def _candidates(rough: npt.NDArray[np.floating[Any]], k: int, bar: float, slack: float, hidden: int) -> Rows:
    """Rows that may be among the k nearest, given that the k-th so far is at `bar`."""
    near: Rows = np.flatnonzero(rough <= bar)
    near = near[near != hidden]
    if len(near) > k:
        kth = np.partition(rough[near], k - 1)[k - 1]
        near = near[rough[near] <= kth + slack]
    return near


def _exact_distances(ready: _Queries, query: int, block: _Float32, near: Rows, metric: Metric) -> Distances:
    """(len(near),) in float64, squared for Euclidean.

    Summed row by row, so that equal rows get equal distances wherever they stand.
    """
    parts = []
    for start in range(0, len(near), _EXACT_ROWS):
        rows = block[near[start : start + _EXACT_ROWS]].astype(np.float64)
        if metric == "cosine":
            lengths = np.sqrt((rows * rows).sum(axis=1)) * ready.lengths[query]
            likeness = _divided((rows * ready.exact[query]).sum(axis=1), lengths)
            parts.append(np.round(1 - likeness, _DECIMALS).clip(0, 2))
        else:
            parts.append(np.square(rows - ready.exact[query]).sum(axis=1))
    return np.concatenate(parts)
