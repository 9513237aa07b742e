"""Stability: whether the same groups are found again, by another seed and in other rows, and how often in no groups."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from boda.arrays import Features, StoredFeatures
from boda.clusters.agreement import Labels, adjusted_rand, jaccard, table_of
from boda.clusters.methods import fit, method_named
from boda.clusters.nulls import KINDS, Kind, Nulls
from boda.clusters.repeated import Repeated, Spread, Stability
from boda.clusters.space import Floats
from boda.clusters.supported import Verdict, supported
from boda.errors import Refused
from boda.evaluation.plain import as_plain


@dataclass(frozen=True)
class Sweep:
    """The stability of clusterings with several k, and which of them the rows support."""

    stabilities: tuple[Stability, ...]
    verdict: Verdict
    left_out: Mapping[int, str]
    """Clusterings (by how many clusters they have) whose stability could not be had, and why."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is repeated. The defaults cost about 70 clusterings of at most 10,000 rows for each k."""

    rows: int | None = None
    """Looked at, at most; None: what the method says."""
    seeds: int = 5
    halves: int = 10
    """Pairs of halves."""
    nulls: int = 6
    """Draws of each kind; each is clustered by two seeds and in two halves."""
    restarts: int = 3


def sweep(
    features: StoredFeatures,
    method: str,
    clusterings: Mapping[int | None, Labels],
    *,
    rng: np.random.Generator,
    effort: Effort | None = None,
) -> Sweep:
    """Find each clustering again in a sample of the rows, and in features without groups.

    In turn: with other seeds on the sample; in two halves of it that share no row, each of which then puts all rows of
    the sample into its groups (halves rather than draws with replacement, whose repeated rows make groups of their own;
    Lange, Roth, Braun and Buhmann, Neural Computation 16, 2004); and both in draws of each kind of `nulls`.

    Args:
        features: (n, d), finite.
        method: one of `methods.METHODS`.
        clusterings: by the k that was asked for (None for a method that finds it) the (n,) labels that were found.
        rng: of samples, halves, seeds and nulls.
        effort: how much is repeated.

    Raises:
        Refused: there is no such method, no clustering, or labels of other rows.
    """
    facts, effort = method_named(method), effort or Effort()
    if not clusterings:
        raise Refused("no clustering to look at: give at least one")
    if any(len(labels) != len(features) for labels in clusterings.values()):
        raise Refused(f"each of {len(features)} rows needs a label")
    count = min(len(features), facts.looked_at if effort.rows is None else effort.rows)
    rows = np.sort(rng.choice(len(features), count, replace=False))
    runner = _Runner(method, facts.by_chance, effort, np.asarray(features[rows], np.float32), rng)
    found, left_out = {}, {}
    for k, labels in clusterings.items():
        there = int(labels.max(initial=-1)) + 1
        try:
            found[k] = runner.found(k, labels[rows], there)
        except Refused as refusal:
            left_out[there] = f"{len(rows) // 2} rows, half of those looked at, are too few: {refusal}"
    nulls = runner.nulls(list(found))
    stabilities = tuple(
        Stability(len(again.clusters), len(rows), again, {kind: nulls[kind, k] for kind in KINDS})
        for k, again in found.items()
    )
    return Sweep(stabilities, supported(stabilities), left_out)


@dataclass(frozen=True, eq=False)
class _Runner:
    """Clusters rows again and again."""

    method: str
    by_chance: bool
    effort: Effort
    sample: Features
    rng: np.random.Generator

    def found(self, k: int | None, labels: Labels, clusters: int) -> Repeated:
        """How alike the groups of the sample are that are found again."""
        halves = [self._halves(self.sample, k) for _ in range(self.effort.halves)]
        alike = np.array([_found_again(labels, half, clusters) for pair in halves for half in pair])
        return Repeated(
            Spread.of(_pairs(self._seeds(self.sample, k, self.effort.seeds))) if self.by_chance else None,
            Spread.of([_likeness(*pair) for pair in halves]),
            tuple(Spread.of(values) for values in alike.T),
        )

    def nulls(self, ks: Sequence[int | None]) -> dict[tuple[Kind, int | None], Repeated]:
        """The same of features without groups: each draw serves all k."""
        source = Nulls.of(self.sample)
        values: dict[tuple[Kind, int | None], list[tuple[float, float, float]]] = {}
        for kind, _ in itertools.product(KINDS, range(self.effort.nulls)):
            drawn = source.draw(kind, self.rng)
            for k in ks:
                values.setdefault((kind, k), []).append(self._of_null(drawn, k))
        found = {}
        for key, measured in values.items():
            seeds, halves, clusters = (Spread.of(column) for column in zip(*measured, strict=True))
            found[key] = Repeated(seeds if self.by_chance else None, halves, (clusters,))
        return found

    def _of_null(self, drawn: Features, k: int | None) -> tuple[float, float, float]:
        whole = self._seeds(drawn, k, 2 if self.by_chance else 1)
        halves, clusters = self._halves(drawn, k), int(whole[0].max()) + 1
        again = np.mean([_found_again(whole[0], half, clusters).mean() for half in halves]) if clusters else 0.0
        return _likeness(whole[0], whole[-1]), _likeness(*halves), float(again)

    def _seeds(self, rows: Features, k: int | None, count: int) -> list[Labels]:
        return [self._fit(rows, k).partition.labels for _ in range(count)]

    def _halves(self, rows: Features, k: int | None) -> tuple[Labels, Labels]:
        """All rows as two halves put them."""
        order = self.rng.permutation(len(rows))
        first, second = order[: len(rows) // 2], order[len(rows) // 2 :]
        return self._fit(rows[first], k).rule.assign(rows)[0], self._fit(rows[second], k).rule.assign(rows)[0]

    def _fit(self, rows: Features, k: int | None) -> Any:
        return fit(rows, self.method, k, rng=self.rng, restarts=self.effort.restarts)


def _pairs(labels: Sequence[Labels]) -> list[float]:
    return [_likeness(*pair) for pair in itertools.combinations(labels, 2)]


def _likeness(first: Labels, second: Labels) -> float:
    """The adjusted Rand index; 0 where one of them has no two groups, since agreeing on nothing is no group found."""
    table = table_of(first, second)
    return (
        0.0
        if (np.count_nonzero(table.any(axis=1)) < 2 or np.count_nonzero(table.any(axis=0)) < 2)
        else (adjusted_rand(table))
    )


def _found_again(labels: Labels, others: Labels, clusters: int) -> Floats:
    """(clusters,) the Jaccard index of each cluster with the most alike of the others; rows in none are no cluster."""
    table = table_of(labels + 1, others + 1)
    alike = np.zeros((clusters, 1 + table.shape[1]))
    alike[: len(table) - 1, : table.shape[1] - 1] = jaccard(table)[1:, 1:]
    best: Floats = alike.max(axis=1)
    return best
