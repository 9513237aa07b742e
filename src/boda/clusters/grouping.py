"""Grouping: classes put into groups by the clusters that their rows are in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from boda.arrays import Features
from boda.clusters.agreement import Labels
from boda.clusters.classes import Counts
from boda.clusters.kmeans import kmeans
from boda.clusters.space import Floats
from boda.errors import Refused
from boda.evaluation.plain import as_plain

By: TypeAlias = Literal["mean", "mean_std", "distribution"]

WAYS: dict[By, str] = {
    "mean": "the mean of the cluster number",
    "mean_std": "the mean and the deviation of the cluster number",
    "distribution": "the shares of the clusters",
}

STARTS = 20
"""Of k-means; of ten classes or so the best of them is the best there is."""


@dataclass(frozen=True, eq=False)
class ClassGroups:
    """Groups of classes, by each way of comparing them."""

    groups: Mapping[By, tuple[int, ...]]
    """(c,) the group of each class, numbered in the order of the first class in each; -1 for a class without rows."""
    trivial: bool
    """Whether there are as many groups as classes: each class is then a group of its own, whatever the clusters."""
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def group_classes(counts: Counts, count: int, *, rng: np.random.Generator) -> ClassGroups:
    """Put classes into groups by k-means of what is known of each.

    Three ways to say what a class is: by the mean of the numbers of its clusters, by that mean and the deviation, and
    by its row of the table, normalised. The first two depend on how clusters are numbered, and numbers say nothing: a
    class in clusters 0 and 2 has the mean of one that is all in cluster 1. With two clusters the mean is a share, and
    renumbering swaps it; with more, only the last way gives the same groups whatever the numbers.

    Args:
        counts: (c, k) rows of each class in each cluster.
        count: how many groups, at least 1.
        rng: of the starts of k-means, of which there are `STARTS`.

    Raises:
        Refused: no group, or no class with rows.
    """
    if count < 1:
        raise Refused(f"{count} groups of classes: ask for at least 1")
    there = np.flatnonzero(counts.sum(axis=1) > 0)
    if not len(there):
        raise Refused("no class has rows in clusters: nothing to group")
    groups: dict[By, tuple[int, ...]] = {}
    fewer = set()
    for by, points in _points(counts[there]).items():
        different = len(np.unique(points, axis=0))
        if different < min(count, len(there)):
            fewer.add(WAYS[by])
        labels = _grouped(points, min(count, different), rng)
        numbers = np.full(len(counts), -1)
        numbers[there] = _in_order(labels)
        groups[by] = tuple(numbers.tolist())
    return ClassGroups(groups, count >= len(there), tuple(_notes(groups, count, len(there), sorted(fewer))))


def _points(counts: Counts) -> dict[By, Features]:
    """(c, p) float32 of each class what it is compared by."""
    totals, numbers = counts.sum(axis=1), np.arange(counts.shape[1])
    shares = counts / totals[:, None]
    mean = shares @ numbers
    squares = (counts * np.square(numbers - mean[:, None])).sum(axis=1)
    deviation = np.sqrt(squares / np.maximum(totals - 1, 1))
    points: dict[By, Floats] = {
        "mean": mean[:, None],
        "mean_std": np.stack([mean, deviation], axis=1),
        "distribution": shares,
    }
    return {by: one.astype(np.float32) for by, one in points.items()}


def _grouped(points: Features, count: int, rng: np.random.Generator) -> Labels:
    if count == len(points):
        return np.arange(len(points))
    return kmeans(points, count, restarts=STARTS, rng=rng).labels


def _in_order(labels: Labels) -> Labels:
    """Numbered in the order of the first row of each."""
    first = np.unique(labels, return_index=True)[1]
    return np.searchsorted(np.sort(first), first)[np.unique(labels, return_inverse=True)[1]]


def _notes(groups: Mapping[By, tuple[int, ...]], count: int, classes: int, fewer: Sequence[str]) -> list[str]:
    notes = []
    if count >= classes:
        each = "one in each" if count == classes else "at most one in each"
        notes.append(f"trivial: {classes} classes in {count} groups are {each} by construction, whatever the clusters")
    if fewer:
        notes.append(f"some classes are the same by {' and by '.join(fewer)}, so there are fewer than {count} groups")
    other = [WAYS[by] for by in groups if groups[by] != groups["distribution"]]
    if other:
        notes.append(
            f"groups by {' and by '.join(other)} differ from those by {WAYS['distribution']}, the only ones that stay "
            "when clusters are renumbered: trust those"
        )
    return notes
