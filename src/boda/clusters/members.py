"""Members: of each cluster how large it is, which row is typical of it, and which are at its border or far out."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.clusters.agreement import Labels
from boda.clusters.rules import Rule
from boda.clusters.space import Floats
from boda.errors import Refused

Rows: TypeAlias = npt.NDArray[np.int64]

_SAME = 1e-13  # of squared lengths: the square of the precision of float32, about


@dataclass(frozen=True, eq=False)
class Members:
    """Where each row lies in its cluster. Rows in no cluster have NaN."""

    labels: Labels
    """(n,)"""
    sizes: Rows
    """(k,) rows."""
    distances: Floats
    """(n,) Euclidean, to the centre of its own cluster, in the space where distances are measured."""
    margins: Floats
    """(n,) (b - a) / max(a, b), where a is the distance to the own centre and b to the nearest other one: 1 at the
    centre, 0 between two, below 0 nearer to another, as may be where no centre decides. NaN with one cluster.

    The simplified silhouette of Hruschka, de Castro and Campello, ICDM 2004.
    """
    farness: Floats
    """(n,) distance to the own centre over the median of the cluster; infinite where that median is 0."""

    @property
    def k(self) -> int:
        """How many clusters."""
        return len(self.sizes)

    @property
    def unclustered(self) -> int:
        """Rows in no cluster."""
        return len(self.labels) - int(self.sizes.sum())

    @property
    def medoids(self) -> Rows:
        """(k,) the row nearest to the centre of each cluster, among its own; the first of equally near ones."""
        return np.array([self.typical(cluster, 1)[0] for cluster in range(self.k)], np.int64)

    def typical(self, cluster: int, count: int) -> Rows:
        """At most so many rows of a cluster, those nearest to its centre first."""
        return self._first(cluster, count, self.distances)

    def border(self, cluster: int, count: int) -> Rows:
        """At most so many rows of a cluster, those of the smallest margin first; none where there is one cluster."""
        return self._first(cluster, count, self.margins)

    def outliers(self, cluster: int, count: int) -> Rows:
        """At most so many rows of a cluster, those farthest from its centre first."""
        return self._first(cluster, count, -self.distances)

    def _first(self, cluster: int, count: int, by: Floats) -> Rows:
        rows = np.flatnonzero((self.labels == cluster) & ~np.isnan(by))
        return rows[np.argsort(by[rows], kind="stable")[:count]]


def members(features: StoredFeatures, rule: Rule, labels: Labels) -> Members:
    """Measure each row against the centres of a rule, block by block in float64.

    Args:
        features: (n, d), finite.
        rule: whose centres they are.
        labels: (n,) the cluster of each row.

    Raises:
        Refused: features and labels are not of the same rows.
    """
    if len(features) != len(labels):
        raise Refused(f"{len(features)} rows of features cannot have {len(labels)} labels")
    centres = rule.centres.astype(np.float64)
    own, other = np.full(len(labels), np.nan), np.full(len(labels), np.nan)
    for rows, block in rule.space.blocks(features) if len(centres) else ():
        distances = distances_to(block, centres)
        inside = np.flatnonzero(labels[rows] >= 0)
        cells = inside, labels[rows][inside]
        own[rows][inside] = distances[cells]
        if len(centres) > 1:
            distances[cells] = np.inf
            other[rows][inside] = distances[inside].min(axis=1)
    sizes = np.bincount(labels[labels >= 0], minlength=len(centres))
    return Members(labels, sizes, own, _margins(own, other), _farness(own, labels, len(centres)))


def distances_to(rows: Floats, centres: Floats) -> Floats:
    """(b, k) Euclidean distances of (b, q) rows to (k, q) centres; 0 where float32 could not tell them apart."""
    lengths = np.square(rows).sum(axis=1)[:, None] + np.square(centres).sum(axis=1)
    squared = lengths - 2 * rows @ centres.T
    return np.sqrt(np.where(squared > _SAME * lengths, squared, 0.0))


def _margins(own: Floats, other: Floats) -> Floats:
    """NaN where either is; 0 where a row lies on both centres."""
    larger = np.maximum(own, other)
    return np.divide(other - own, larger, out=np.where(np.isnan(larger), np.nan, 0.0), where=larger > 0)


def _farness(own: Floats, labels: Labels, k: int) -> Floats:
    found = np.full(len(own), np.nan)
    for cluster in range(k):
        rows = np.flatnonzero(labels == cluster)
        middle = np.median(own[rows]) if len(rows) else 0.0
        on_it = np.where(own[rows] > 0, np.inf, 1.0)
        found[rows] = own[rows] / middle if middle > 0 else on_it
    return found
