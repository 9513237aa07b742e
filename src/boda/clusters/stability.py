"""Stability: whether the same groups are found again, by another seed and in other rows, and how often in no groups."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from boda.arrays import Features, StoredFeatures
from boda.clusters.agreement import Labels, adjusted_rand, jaccard, table_of
from boda.clusters.methods import fit, method_named
from boda.clusters.nulls import KINDS, Kind, Nulls
from boda.clusters.repeated import Repeated, Spread, Stability
from boda.clusters.silhouette import silhouette
from boda.clusters.space import Floats, Space
from boda.clusters.supported import Verdict, supported
from boda.errors import Refused
from boda.evaluation.plain import as_plain


@dataclass(frozen=True)
class Sweep:
    """The stability of clusterings with several k, and which of them the rows support."""

    stabilities: tuple[Stability, ...]
    verdict: Verdict
    left_out: Mapping[int | None, str]
    """By the k that was asked for: clusterings whose stability could not be had, and why."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is repeated. The defaults cost about 60 clusterings of 1,500 rows for each k."""

    rows: int | None = None
    """Looked at, at most; None: what the method says, or `ROWS_A_CLUSTER` for each cluster where that is more."""
    halves: int = 10
    """Pairs of halves; one half of each pair is clustered by two seeds."""
    nulls: int = 5
    """Draws of each kind, each clustered like one pair of halves."""
    restarts: int = 3


ROWS_A_CLUSTER = 40
"""Of the rows looked at: 20 of each half."""


def sweep(
    features: StoredFeatures,
    method: str,
    clusterings: Mapping[int | None, Labels],
    *,
    rng: np.random.Generator,
    effort: Effort | None = None,
) -> Sweep:
    """Find each clustering again in a sample of the rows, and in features without groups.

    The sample is cut into two halves that share no row, each is clustered, one of them by another seed too, and every
    row of the sample is then put into the groups of each: how alike these are is the agreement of halves and of seeds.
    Halves rather than draws with replacement, whose repeated rows make groups of their own (Lange, Roth, Braun and
    Buhmann, Neural Computation 16, 2004). For the same reason equal rows count once: of two copies of an image one in
    each half would vouch for its group. The same is done in draws of each kind of `nulls`.

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
    largest = max(int(labels.max(initial=-1)) + 1 for labels in clusterings.values())
    most = max(facts.looked_at, ROWS_A_CLUSTER * largest) if effort.rows is None else effort.rows
    rows = np.sort(rng.choice(len(features), min(len(features), most), replace=False))
    rows = rows[_different(np.asarray(features[rows], np.float32))]
    runner = _Runner(method, facts.by_chance, effort, np.asarray(features[rows], np.float32), rng)
    found: dict[int | None, Repeated] = {}
    left_out: dict[int | None, str] = {}
    for k, labels in clusterings.items():
        there = int(labels.max(initial=-1)) + 1
        try:
            found[k] = runner.found(k, labels[rows], there)
        except Refused as refusal:
            left_out[k] = f"half of the rows looked at ({len(rows) // 2}) are too few: {refusal}"
    nulls, without = runner.nulls(list(found))
    for k, reason in without.items():
        del found[k]
        left_out[k] = f"features without groups cannot be clustered to compare with: {reason}"
    stabilities = tuple(
        Stability(
            k,
            len(again.clusters),
            len(rows),
            again,
            {kind: nulls[kind, k] for kind in KINDS},
            _silhouettes(runner.sample, clusterings[k][rows], len(again.clusters), facts.round_in, rng),
        )
        for k, again in found.items()
    )
    return Sweep(stabilities, supported(stabilities), left_out)


def _different(rows: Features) -> list[int]:
    """The rows that equal none before them, in order."""
    first: dict[bytes, int] = {}
    for place, row in enumerate(rows + np.float32(0)):  # -0.0 is 0.0
        first.setdefault(row.tobytes(), place)
    return list(first.values())


def _silhouettes(
    sample: Features, labels: Labels, k: int, space: Space | None, rng: np.random.Generator
) -> tuple[float | None, ...]:
    if space is None:
        return ()
    found = silhouette(sample, labels, k=k, rng=rng, space=space, rounds=1)
    return tuple(None if one is None else one.value for one in found.clusters)


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
        times = [self._again(self.sample, k) for _ in range(self.effort.halves)]
        alike = np.array([_found_again(labels, half, clusters) for _, *halves in times for half in halves])
        return self._repeated(times, alike)

    def nulls(self, ks: Sequence[int | None]) -> tuple[dict[tuple[Kind, int | None], Repeated], dict[int | None, str]]:
        """The same of features without groups, each draw for all k; and why some k have none.

        A shuffled row may be all zeros, and have no direction; or too few rows differ.
        """
        source = Nulls.of(self.sample)
        times: dict[tuple[Kind, int | None], list[_Again]] = {}
        without: dict[int | None, str] = {}
        for kind, _ in itertools.product(KINDS, range(self.effort.nulls)):
            drawn = source.draw(kind, self.rng)
            for k in ks:
                if k in without:
                    continue
                try:
                    times.setdefault((kind, k), []).append(self._again(drawn, k))
                except Refused as refusal:
                    without[k] = str(refusal)
        there = {key: drawn for key, drawn in times.items() if key[1] not in without}
        return {key: self._repeated(drawn, _one_half_in_the_other(drawn)) for key, drawn in there.items()}, without

    def _again(self, rows: Features, k: int | None) -> "_Again":
        """All rows as a half puts them, as it does with another seed, and as the other half does."""
        order = self.rng.permutation(len(rows))
        first, second = rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]
        half = self._put(rows, first, k)
        return self._put(rows, first, k) if self.by_chance else half, half, self._put(rows, second, k)

    def _put(self, rows: Features, half: Features, k: int | None) -> Labels:
        found = fit(half, self.method, k, rng=self.rng, restarts=self.effort.restarts)
        return found.rule.assign(rows)[0]

    def _repeated(self, times: Sequence["_Again"], alike: Floats) -> Repeated:
        return Repeated(
            Spread.of([_likeness(other_seed, half) for other_seed, half, _ in times]) if self.by_chance else None,
            Spread.of([_likeness(half, other_half) for _, half, other_half in times]),
            tuple(Spread.of(values) for values in alike.T),
        )


_Again: TypeAlias = tuple[Labels, Labels, Labels]


def _one_half_in_the_other(times: Sequence[_Again]) -> Floats:
    """(draws, 1) how well the groups of one half are found again by the other, on average over groups."""
    alike = [_found_again(half, other_half, int(half.max()) + 1) for _, half, other_half in times]
    return np.array([[values.mean() if len(values) else 0.0] for values in alike])


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
