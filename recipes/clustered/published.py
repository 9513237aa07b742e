"""The published experiment: k-means of autoencoder features, and classes by the mean of their cluster numbers.

Its code took `argmax(KMeans.fit_transform(X))` for the cluster of a row, which is the farthest centre.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.clusters.agreement import adjusted_rand, table_of
from boda.clusters.grouping import By, group_classes
from boda.clusters.kmeans import kmeans
from boda.clusters.partition import Partition

Labels = npt.NDArray[np.int32]
Features = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip
APART = frozenset({"Sandal", "Sneaker", "Bag", "Ankle boot"})
"""One of the two published groups of classes; the other six are the other."""
KS = (2, 3, 7, 10)
RENUMBERINGS = 100
"""Drawn at most; all there are where they are fewer."""


def farthest(features: Features, centres: Features) -> Labels:
    """(n,) the farthest centre of each row, as `argmax(KMeans.fit_transform(X))` has it."""
    wide = centres.astype(np.float64)
    squared = np.square(wide).sum(axis=1) - 2 * features.astype(np.float64) @ wide.T
    return squared.argmax(axis=1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Splits:
    """Two groups, found with many seeds."""

    labels: list[Labels]
    sides: Counts
    """(c, 2) rows of each class in the groups of the first seed, that of `APART` second."""
    published: int
    """Seeds by which most of each class are where the publication has them."""

    @property
    def agreement(self) -> npt.NDArray[np.float64]:
        """Adjusted Rand index of all pairs of seeds."""
        return pairs(self.labels)


def pairs(labels: Sequence[Labels]) -> npt.NDArray[np.float64]:
    """The adjusted Rand index of each two groupings."""
    return np.array([adjusted_rand(table_of(one, other)) for one, other in itertools.combinations(labels, 2)])


def splits(features: Features, truth: Labels, seeds: Sequence[int], *, restarts: int) -> Splits:
    """Cut rows in two once a seed."""
    found = [kmeans(features, 2, restarts=restarts, rng=np.random.default_rng(seed)).labels for seed in seeds]
    counts = [counts_of(labels, truth, 2) for labels in found]
    first = counts[0][:, np.argsort([counts[0][_apart(), side].sum() for side in (0, 1)])]
    return Splits(found, first, sum(as_published(one) for one in counts))


def as_published(counts: Counts) -> bool:
    """Whether most rows of the four classes are in one group, and most of each of the six in the other."""
    other = counts.argmax(axis=1)
    return len(set(other[_apart()])) == 1 == len(set(other[~_apart()])) and other[_apart()][0] != other[~_apart()][0]


def counts_of(labels: Labels, truth: Labels, k: int) -> Counts:
    """(c, k) rows of each class in each group."""
    counts = np.bincount(truth.astype(np.int64) * k + labels, minlength=len(CLASSES) * k)
    return counts.reshape(len(CLASSES), k)


def clustered(features: Features, k: int) -> tuple[Partition, Labels]:
    """k-means, and what the slip makes of it."""
    found = kmeans(features, k, rng=np.random.default_rng(0))
    assert found.centres is not None
    return found, farthest(features, found.centres)


@dataclass(frozen=True)
class Grouping:
    """Classes put into as many groups as there are clusters, in one way."""

    groups: tuple[int, ...]
    """(c,)"""
    same: int
    """Renumberings of the clusters that give these groups."""
    tried: int


def regrouped(counts: Counts) -> tuple[dict[By, Grouping], bool]:
    """The groups of classes by each way, how often they stay when clusters are renumbered, and whether they must."""
    k = counts.shape[1]
    first = group_classes(counts, k, rng=np.random.default_rng(0))
    orders = _orders(k)
    others = [group_classes(counts[:, order], k, rng=np.random.default_rng(0)) for order in orders]
    return {
        by: Grouping(groups, sum(one.groups[by] == groups for one in others), len(orders))
        for by, groups in first.groups.items()
    }, first.trivial


def _orders(k: int) -> list[list[int]]:
    """Numberings of k clusters other than their own."""
    own = list(range(k))
    if k <= 4:
        return [list(one) for one in itertools.permutations(own) if list(one) != own]
    rng = np.random.default_rng(0)
    return [rng.permutation(k).tolist() for _ in range(RENUMBERINGS)]


def _apart() -> npt.NDArray[np.bool_]:
    return np.array([name in APART for name in CLASSES])
