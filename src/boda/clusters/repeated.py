"""Repeated: how alike clusterings are that were made again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boda.clusters.nulls import Kind
from boda.clusters.space import Floats
from boda.evaluation.plain import as_plain


@dataclass(frozen=True, slots=True)
class Spread:
    """Repetitions of a number: their mean, and between what nine in ten of them lie."""

    mean: float
    low: float
    high: float
    repetitions: int

    @classmethod
    def of(cls, values: Sequence[float] | Floats) -> "Spread":
        """Of at least one number."""
        low, high = np.quantile(values, [0.05, 0.95])
        return cls(float(np.mean(values)), float(low), float(high), len(values))


@dataclass(frozen=True, slots=True)
class Repeated:
    """How alike groups are that were found again."""

    seeds: Spread | None
    """Adjusted Rand index of two seeds on one half of the rows; None for a method without chance."""
    halves: Spread
    """Adjusted Rand index of two halves of the rows, both of which put all rows."""
    clusters: tuple[Spread, ...]
    """(k,) of each cluster the Jaccard index with the most alike one that a half gives. Hennig (Computational
    Statistics and Data Analysis 52, 2007) calls a cluster stable from a mean of 0.75, and dissolved below 0.6."""


@dataclass(frozen=True)
class Stability:
    """Of one clustering, with what the same method makes of features without groups."""

    asked: int | None
    """The k that was asked for; None where the method finds it."""
    k: int
    """Clusters there are: fewer, if some would have been empty."""
    rows: int
    """Looked at."""
    found: Repeated
    nulls: Mapping[Kind, Repeated]
    """Its one "cluster" is the mean over all of one half, as the other finds them."""
    silhouettes: tuple[float | None, ...] = ()
    """(k,) the mean silhouette of each cluster, of a sample of these rows; None where fewer than two rows of it are
    there. Empty for a method whose groups need not be round."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain
