"""Rules: how rows are put into clusters, the rows they were found in and new ones alike."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import Features, StoredFeatures
from boda.clusters.agreement import Labels
from boda.clusters.kmeans import nearest_centres
from boda.clusters.space import Floats, Space
from boda.clusters.spherical import nearest_directions
from boda.neighbours.exact import nearest

Order: TypeAlias = npt.NDArray[np.intp]
"""The clusters to keep, as they are to be numbered: the new cluster c is the old `order[c]`."""

_ROWS = 65_536


class Rule(Protocol):
    """Features to clusters."""

    kind: ClassVar[str]

    @property
    def space(self) -> Space:
        """Where distances are measured."""
        ...

    @property
    def centres(self) -> Features:
        """(k, q) the middle of each cluster, in that space."""
        ...

    def assign(self, features: StoredFeatures) -> tuple[Labels, Floats]:
        """The cluster of each row.

        Args:
            features: (n, d), finite, of the recipe that the clusters were found in.

        Returns:
            (n,) int32, -1 for none; (n,) float64 distances in the space: to the centre, or to the row that decided.
        """
        ...

    def reordered(self, order: Order) -> "Rule":
        """The same with other numbers, and without clusters that are not in `order`."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[np.floating]]:
        """What it is made of besides its space; `rule_of` undoes it."""
        ...


@dataclass(frozen=True, eq=False)
class NearestCentre:
    """The nearest centre takes a row; of centres equally near the first."""

    space: Space
    """As they are, or of length 1: then rows of zeros are refused."""
    centres: Features
    kind: ClassVar[str] = "nearest-centre"

    def assign(self, features: StoredFeatures) -> tuple[Labels, Floats]:
        """See `Rule`; distances to the centre."""
        to = nearest_directions if self.space.unit else nearest_centres
        labels, squared = to(features, self.centres)
        return labels, np.sqrt(squared)

    def reordered(self, order: Order) -> "NearestCentre":
        """See `Rule`."""
        return replace(self, centres=self.centres[order])

    def arrays(self) -> dict[str, npt.NDArray[np.floating]]:
        """See `Rule`."""
        return {"centres": self.centres}


@dataclass(frozen=True, eq=False)
class Mixture:
    """The normal distribution of the largest weighted density takes a row."""

    space: Space
    means: Floats
    """(k, q)"""
    covariances: Floats
    """(k, q, q), positive definite."""
    weights: Floats
    """(k,) > 0."""
    kind: ClassVar[str] = "mixture"

    @property
    def centres(self) -> Features:
        """(k, q) the means."""
        return self.means.astype(np.float32)

    def assign(self, features: StoredFeatures) -> tuple[Labels, Floats]:
        """See `Rule`; Euclidean distances to the mean."""
        labels, distances = np.empty(len(features), np.int32), np.empty(len(features))
        for rows, block in self.space.blocks(features):
            labels[rows] = self.log_densities(block).argmax(axis=1)
            distances[rows] = np.sqrt(np.square(block - self.means[labels[rows]]).sum(axis=1))
        return labels, distances

    def log_densities(self, block: Floats) -> Floats:
        """(b, k) logarithm of weight times density, less a constant, of (b, q) rows in the space."""
        from scipy.linalg import solve_triangular

        found = np.empty((len(block), len(self.means)))
        for cluster, factor in enumerate(self._factors):
            off = solve_triangular(factor, (block - self.means[cluster]).T, lower=True)
            size = 2 * np.log(np.diag(factor)).sum()
            found[:, cluster] = np.log(self.weights[cluster]) - (np.square(off).sum(axis=0) + size) / 2
        return found

    @cached_property
    def _factors(self) -> Floats:
        factors: Floats = np.asarray(np.linalg.cholesky(self.covariances), np.float64)
        return factors

    def reordered(self, order: Order) -> "Mixture":
        """See `Rule`."""
        return Mixture(self.space, self.means[order], self.covariances[order], self.weights[order])

    def arrays(self) -> dict[str, npt.NDArray[np.floating]]:
        """See `Rule`."""
        return {"means": self.means, "covariances": self.covariances, "weights": self.weights}


@dataclass(frozen=True, eq=False)
class NearestRow:
    """A row goes where the nearest of the rows went that the clusters were found in; nowhere, if that one did not.

    For methods whose clusters may have any shape, so that no centre decides. The rows are kept for it.
    """

    space: Space
    rows: Features
    """(m, q), in the space."""
    labels: Labels
    """(m,); -1 in no cluster."""
    kind: ClassVar[str] = "nearest-row"

    @cached_property
    def centres(self) -> Features:
        """(k, q) the mean of each cluster's rows."""
        k = int(self.labels.max(initial=-1)) + 1
        means = [self.rows[self.labels == cluster].mean(axis=0, dtype=np.float64) for cluster in range(k)]
        return np.array(means, np.float32).reshape(k, self.rows.shape[1])

    def assign(self, features: StoredFeatures) -> tuple[Labels, Floats]:
        """See `Rule`; distances to the nearest kept row."""
        labels, distances = np.empty(len(features), np.int32), np.empty(len(features))
        for start in range(0, len(features), _ROWS):
            part = slice(start, start + _ROWS)
            found = nearest(self.rows, self.space.of(features[part]), 1, metric="euclidean")
            labels[part], distances[part] = self.labels[found.rows[:, 0]], found.distances[:, 0]
        return labels, distances

    def reordered(self, order: Order) -> "NearestRow":
        """See `Rule`."""
        return replace(self, labels=renumbered(self.labels, order))

    def arrays(self) -> dict[str, npt.NDArray[np.floating]]:
        """See `Rule`; the labels of its rows are those of the clustering."""
        return {"rows": self.rows}


def renumbered(labels: Labels, order: Order) -> npt.NDArray[np.int32]:
    """(n,) the labels in new numbers; -1 for those that are not in `order`."""
    numbers = np.full(int(labels.max(initial=-1)) + 2, -1, np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    return numbers[labels]  # the last one is for -1


def rule_of(kind: str, space: Space, arrays: Mapping[str, npt.NDArray[np.floating]], labels: Labels) -> Rule:
    """The rule that `arrays` told of.

    Raises:
        KeyError: an array is missing.
        ValueError: there is no such kind.
    """
    if kind == NearestCentre.kind:
        return NearestCentre(space, arrays["centres"].astype(np.float32))
    if kind == Mixture.kind:
        means, covariances = arrays["means"].astype(np.float64), arrays["covariances"].astype(np.float64)
        return Mixture(space, means, covariances, arrays["weights"].astype(np.float64))
    if kind == NearestRow.kind:
        return NearestRow(space, arrays["rows"].astype(np.float32), labels)
    raise ValueError(f"no rule is called {kind!r}")
