"""Space: what is done to rows before distances between them are measured; to new rows the same as to old ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import Features, StoredFeatures
from boda.clusters.rows import Rows, refuse_not_finite
from boda.errors import Refused

Floats: TypeAlias = npt.NDArray[np.float64]

BLOCK = 4096
"""Rows in float64 at once."""
WIDTH = 50
"""Principal directions kept for methods that compare all pairs of rows or fit covariances: they are slow in hundreds of
columns, and distances there are mostly noise."""
WIDEST = 4096
"""Columns of which principal directions are looked for; the covariance of so many has 128 MiB."""


@dataclass(frozen=True, eq=False)
class Space:
    """Rows as they are, or of length 1 (rows of zeros stay), or in principal directions."""

    unit: bool = False
    mean: Floats | None = None
    """(d,)"""
    basis: Floats | None = None
    """(d, q), orthonormal columns; the direction of the largest variance first."""

    @property
    def as_it_is(self) -> bool:
        """Whether rows are left alone."""
        return not self.unit and self.basis is None

    def of(self, features: StoredFeatures) -> StoredFeatures:
        """(n, q) rows in this space, float32; the features themselves where rows are left alone."""
        if self.as_it_is:
            return features
        width = features.shape[1] if self.basis is None else self.basis.shape[1]
        found: Features = np.empty((len(features), width), np.float32)
        for rows, block in self.blocks(features):
            found[rows] = block
        return found

    def blocks(self, features: StoredFeatures) -> Iterator[tuple[slice, Floats]]:
        """The rows in this space, some at a time: which they are, and (b, q) float64."""
        for start in range(0, len(features), BLOCK):
            rows = slice(start, min(start + BLOCK, len(features)))
            yield rows, self._moved(np.asarray(features[rows], np.float64))

    def _moved(self, block: Floats) -> Floats:
        if self.unit:
            lengths = np.sqrt(np.square(block).sum(axis=1, keepdims=True))
            unit: Floats = np.divide(block, lengths, out=np.zeros_like(block), where=lengths > 0)
            return unit
        if self.basis is None or self.mean is None:
            return block
        moved: Floats = (block - self.mean) @ self.basis
        return moved


def principal(features: StoredFeatures, width: int = WIDTH) -> Space:
    """The space of the leading principal directions of these rows, not whitened: distances stay distances.

    The covariance is summed in float64 in two passes over blocks of rows, so a memory map is never copied whole.

    Args:
        features: (n, d), finite.
        width: q; at most d and n - 1 are kept.

    Raises:
        Refused: d is above `WIDEST`, or a value is NaN or infinite.

    Source: Pearson, Philosophical Magazine 2(11), 1901.
    """
    n, d = features.shape
    if d > WIDEST:
        raise Refused(
            f"features have {d:,} columns, and principal directions are looked for in at most {WIDEST:,}: use --method "
            "kmeans, spherical or minibatch, which need none"
        )
    from scipy.linalg import eigh

    kept = max(1, min(width, d, n - 1))
    mean: Floats = sum((block.sum(axis=0) for _, block in Space().blocks(features)), np.zeros(d)) / n
    if not np.isfinite(mean).all():
        refuse_not_finite(Rows(features), np.arange(n))
    if n < d:
        return Space(mean=mean, basis=_by_products_of_rows(np.asarray(features, np.float64) - mean, kept))
    scatter = np.zeros((d, d))
    for _, block in Space().blocks(features):
        off = block - mean
        scatter += off.T @ off
    vectors: npt.NDArray[Any] = eigh(scatter, subset_by_index=(d - kept, d - 1))[1]
    return Space(mean=mean, basis=np.ascontiguousarray(vectors[:, ::-1]))


def _by_products_of_rows(off: Floats, kept: int) -> Floats:
    """(d, q) where there are fewer rows than columns: what the rows span is all there is to find."""
    from scipy.linalg import eigh, qr

    n = len(off)
    values, vectors = eigh(off @ off.T, subset_by_index=(n - kept, n - 1))
    there = values > max(float(values[-1]), 0.0) * 1e-10
    there[-1] = True
    directions: Floats = qr(off.T @ vectors[:, there][:, ::-1], mode="economic")[0]
    return np.ascontiguousarray(directions)
