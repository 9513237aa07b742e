"""Trials: several ways to predict one target, on folds drawn several times.

For each seed of the folds two things are measured on the same rows: the plain way (the model's own features,
standardised), and the way that is chosen anew in every fold from its training rows. Nothing is picked by its own test
score.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import boda
from boda.evaluation import bootstrap
from boda.heads.asking import Asked
from boda.heads.assembling import Unit
from boda.heads.head import Head
from boda.heads.inputs import Scaling
from boda.pipelines.heads.choosing import NestedChoice, nested_choice
from boda.pipelines.heads.judging import measures, metrics_known, trivial_scores
from boda.pipelines.heads.material import Material, Plan, gather
from boda.workspace.workspace import Workspace

SEEDS = range(5)


@dataclass(frozen=True, slots=True)
class Way:
    """Inputs side by side, and how features are scaled."""

    inputs: tuple[str, ...]
    scaling: Scaling = "standardised"
    unit: Unit | None = None

    def plan(self, asked: Asked, seed: int, groups: str | None) -> Plan:
        """To predict this target so."""
        return Plan(asked, self.inputs, self.scaling, unit=self.unit, groups=groups, seed=seed)


@dataclass(frozen=True, eq=False)
class Trial:
    """What was measured; one number for each seed of the folds where there are several."""

    target: str
    metric: str
    rows: int
    trivial: float
    """The metric of saying the same of every row."""
    plain: tuple[float, ...]
    chosen: tuple[float, ...]
    interval: bootstrap.Interval
    """Of the chosen; first seed."""
    gain: bootstrap.Difference
    """Chosen less plain; first seed."""
    inner: Mapping[str, float]
    """Of each way, its metric inside training rows, mean over folds and seeds; empty where there was one way only."""
    picked: Mapping[str, int]
    """In how many folds each way was chosen."""
    best: str
    """Best inside training rows: what a head of all rows is made with."""
    seconds: float


def ways(
    ids: Mapping[str, str], joined: Iterable[str], *, columns: Sequence[str] = (), unit: Unit | None = None
) -> dict[str, Way]:
    """Ways by their names: each set of features standardised, and normalised to length 1.

    Args:
        ids: of feature sets by name.
        joined: names of feature sets, with ` + ` between those that stand side by side.
        columns: that are inputs too.
        unit: images that are one row.
    """
    scalings: tuple[Scaling, ...] = ("standardised", "normalised")
    return {
        f"{names}, {scaling}": Way((*(ids[name] for name in names.split(" + ")), *columns), scaling, unit)
        for names in joined
        for scaling in scalings
    }


def trial(
    workspace: Workspace,
    target: str,
    candidates: Mapping[str, Way],
    *,
    plain: Way | None = None,
    metric: str | None = None,
    groups: str | None = None,
    seeds: Sequence[int] = SEEDS,
) -> Trial:
    """Measure the plain way, and the way that is chosen inside training rows, on the same folds.

    Args:
        workspace: whose features and labels.
        target: as of `boda.train`.
        candidates: by name.
        plain: what choosing is compared with; None: the first candidate.
        metric: None: the one that is quoted first for such a target.
        groups: a column; rows that agree there stay on one side.
        seeds: of the folds.

    Raises:
        BodaError: as `boda.train`.
    """
    began = time.perf_counter()
    plain = plain or next(iter(candidates.values()))
    runs = [_run(workspace, Asked(target), candidates, plain, metric, groups, seed) for seed in seeds]
    first, alone, chosen = runs[0]
    metric = chosen.metric
    n, rng = len(first), np.random.default_rng([seeds[0], 7])
    scores = [measures(first, one.points)[metric] for one in (chosen, alone)]
    inner = {name: float(np.mean([one.inner[name] for _, _, one in runs])) for name in chosen.inner}
    sign = 1 if metrics_known(first)[metric].higher_is_better else -1
    return Trial(
        target,
        metric,
        n,
        trivial_scores(first, chosen.folds)[metric],
        tuple(one.value for _, one, _ in runs),
        tuple(one.value for _, _, one in runs),
        bootstrap.intervals({"chosen": scores[0]}, n, groups=first.groups, rng=rng)["chosen"],
        bootstrap.paired_difference(scores[0], scores[1], n, groups=first.groups, rng=rng),
        inner,
        Counter(name for _, _, one in runs for name in one.chosen),
        max(candidates, key=lambda name: sign * inner.get(name, 0.0)),
        time.perf_counter() - began,
    )


def keep(workspace: Workspace, found: Trial, candidates: Mapping[str, Way], *, groups: str | None = None) -> Head:
    """The head of all rows, made the best way, kept in the workspace."""
    way = candidates[found.best]
    return boda.train(
        workspace,
        found.target,
        inputs=way.inputs,
        scaling=way.scaling,
        groups=groups,
        unit=way.unit.column if way.unit else None,
        view=way.unit.view if way.unit else None,
    )


def _run(
    workspace: Workspace,
    asked: Asked,
    candidates: Mapping[str, Way],
    plain: Way,
    metric: str | None,
    groups: str | None,
    seed: int,
) -> tuple[Material, NestedChoice, NestedChoice]:
    """With the folds of one seed: the rows, the plain way, and the chosen."""
    first = gather(workspace, plain.plan(asked, seed, groups))
    folds = first.split(first.groups)
    materials = {name: first.with_inputs(workspace, way.plan(asked, seed, groups)) for name, way in candidates.items()}
    alone = nested_choice({"plain": first}, metric=metric, folds=folds)
    return first, alone, nested_choice(materials, metric=metric, folds=folds)
