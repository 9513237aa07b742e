"""The space in which neighbours are looked for: the directions in which features differ most."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.maps.graph import Points

Metric: TypeAlias = Literal["euclidean", "cosine"]
_BLOCK = 4096
_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Space:
    """Principal components, kept so that new rows come to lie among the old."""

    metric: Metric
    """cosine: rows are brought to length 1 first."""
    mean: _Floats
    """(d,)"""
    directions: _Floats
    """(c, d), orthonormal, the widest first; the largest entry of each is positive."""
    shares: _Floats
    """(c,): of all variance."""

    @classmethod
    def fit(cls, features: StoredFeatures, metric: Metric, width: int) -> "Space":
        """Principal components by the eigenvectors of the covariance, or of the products of rows where rows are fewer.

        Args:
            features: (n, d); a memory map is read block by block.
            metric: of the map.
            width: how many components; fewer where rows or columns are fewer.

        Raises:
            Refused: a value is NaN or infinite, or all rows are the same.
        """
        n, d = features.shape
        mean = sum((block.sum(axis=0) for block in _blocks(features, metric)), np.zeros(d)) / n
        if not np.isfinite(mean).all():
            raise Refused("the features hold NaN or infinity: they cannot be mapped")
        values, directions = _by_columns(features, metric, mean) if d <= n else _by_rows(features, metric, mean)
        least = 1e-12 * max(float(values.max(initial=0)), float(np.square(mean).sum()) * 1e-3)
        kept = int((values[:width] > least).sum())
        if not kept:
            raise Refused("all rows of features are the same: there is nothing to map")
        found = directions[:kept]
        signs = np.sign(found[np.arange(kept), np.abs(found).argmax(axis=1)])
        return cls(metric, mean, found * signs[:, None], values[:kept] / values[values > 0].sum())

    def of(self, features: StoredFeatures) -> Points:
        """(n, c) float32: where rows lie.

        Raises:
            Refused: they have another width, or a value is NaN or infinite.
        """
        if features.shape[1] != len(self.mean):
            raise Refused(f"rows of {features.shape[1]} numbers do not fit into a space of {len(self.mean)}")
        points = np.empty((len(features), len(self.directions)), np.float32)
        for number, block in enumerate(_blocks(features, self.metric)):
            start = number * _BLOCK
            points[start : start + len(block)] = (block - self.mean) @ self.directions.T
        if not np.isfinite(points).all():
            raise Refused("the features hold NaN or infinity: they cannot be mapped")
        return points


def rows_as(features: StoredFeatures, metric: Metric) -> _Floats:
    """(n, d) float64; for cosine of length 1, rows of zeros as they are."""
    rows = np.asarray(features, np.float64)
    if metric == "euclidean":
        return rows
    lengths = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    unit: _Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit


def _blocks(features: StoredFeatures, metric: Metric) -> Iterator[_Floats]:
    for start in range(0, len(features), _BLOCK):
        yield rows_as(features[start : start + _BLOCK], metric)


def _by_columns(features: StoredFeatures, metric: Metric, mean: _Floats) -> tuple[_Floats, _Floats]:
    """Eigenvalues, the largest first, and eigenvectors (d, d) as rows, of the (d, d) scatter."""
    scatter = np.zeros((len(mean), len(mean)))
    for block in _blocks(features, metric):
        off = block - mean
        scatter += off.T @ off
    values, vectors = np.linalg.eigh(scatter)
    return values[::-1], vectors[:, ::-1].T


def _by_rows(features: StoredFeatures, metric: Metric, mean: _Floats) -> tuple[_Floats, _Floats]:
    """The same from the (n, n) products of rows, for fewer rows than columns."""
    off = rows_as(features, metric) - mean
    values, vectors = np.linalg.eigh(off @ off.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    known = values > max(0.0, 1e-12 * values[0])
    return values[known], (off.T @ vectors[:, known] / np.sqrt(values[known])).T
