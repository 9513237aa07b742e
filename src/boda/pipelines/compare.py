"""Compare: every feature set and every head on the same folds, so that differences mean something."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from boda.errors import Refused
from boda.evaluation import bootstrap
from boda.evaluation.plain import as_plain
from boda.heads.asking import Asked
from boda.heads.crossfit import cross_fit
from boda.heads.inputs import Scaling
from boda.heads.target import Kind
from boda.pipelines.heads.judging import (
    folds_record,
    held_out_points,
    measures,
    metrics_known,
    primary_of,
    trivial_scores,
)
from boda.pipelines.heads.material import Material, Method, Plan, gather, learner_of, names_in, unit_of
from boda.pipelines.places import Where, folder_beside, opened, place_for
from boda.workspace.atomic import write_whole
from boda.workspace.workspace import Workspace

SCALINGS: tuple[Scaling, ...] = ("standardised", "normalised")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way of predicting the target."""

    inputs: tuple[str, ...]
    method: Method
    scaling: Scaling

    @property
    def name(self) -> str:
        """For tables."""
        return f"{' + '.join(self.inputs)}, {self.method}, {self.scaling}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidates on the same folds, the best first."""

    workspace: str
    target: str
    record: dict[str, Any]
    """`metric`, `baseline`, `folds`, `warnings`, and `candidates`, each with value, interval, difference to the best,
    width and seconds."""
    picture: Path

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"workspace": self.workspace, "target": self.target, "picture": str(self.picture), **self.record}


def compare(  # noqa: PLR0913 - each is an option of the command
    workspace: Where,
    target: str,
    *,
    inputs: str | Sequence[str] = (),
    target_kind: Kind | None = None,
    tree: str | None = None,
    total: str | None = None,
    methods: Sequence[Method] = ("linear", "mlp"),
    scalings: Sequence[Scaling] = SCALINGS,
    together: bool = True,
    groups: str | None = None,
    unit: str | None = None,
    view: str | None = None,
    folds: int = 5,
    seed: int = 0,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Comparison:
    """A bake-off: all feature sets (each recipe: encoder, layer, pooling), alone and together, and all heads.

    The best of many looks better than it is; differences to the best come with paired intervals, and whoever picks
    the winner should test it on images that were no part of this.

    Args:
        workspace: whose features and labels.
        target: as of `boda.train`, and so are all whose names are the same there.
        target_kind: number, class, labels, ratings or votes; None: told by the values.
        tree: of votes.
        total: of votes that are fractions.
        inputs: columns that every candidate has besides features.
        methods: heads to try; `mlp` only where the target is a number or a class.
        scalings: of features.
        together: also try all feature sets side by side.
        groups: a column; rows that agree there stay on one side.
        unit: a column; images that agree there are one row.
        view: of a unit: the column that tells its images apart; None: their features are averaged.
        folds: how many.
        seed: of folds and all that is random.
        to: the picture; by default in NAME-compare/ beside the workspace.
        force: write over a file at `to`.

    Raises:
        NotFound, Refused: as `boda.train`; no method or no scaling is named.
    """
    for what, given, words in (("methods", methods, get_args(Method)), ("scalings", scalings, get_args(Scaling))):
        if not given:
            raise Refused(f"{what} is empty: give at least one of {', '.join(words)}")
    there = opened(workspace)
    recipes = there.recipes()
    if not recipes:
        there.recipe()  # says what to do
    names = [_name(one.name, one.id, [other.name for other in recipes]) for one in recipes]
    sets = [(name,) for name in names] + ([tuple(names)] if together and len(names) > 1 else [])
    asked, inputs = Asked(target, target_kind, tree, total), names_in(inputs)
    of_rows = unit_of(unit, view)
    first = gather(there, Plan(asked, (*names, *inputs), unit=of_rows, groups=groups, folds=folds, seed=seed))
    tried = [method for method in methods if method != "mlp" or first.target.kind in {"number", "class"}]
    if not tried:
        raise Refused(f"no head of {', '.join(methods)} learns {first.target.kind}")
    candidates = [
        Candidate((*one, *inputs), method, scaling) for one in sets for method in tried for scaling in scalings
    ]
    place = _place(there, target, to, force=force)
    record = _bake_off(there, first, candidates)
    from boda.pictures.comparison import comparison

    picture = comparison(
        record["candidates"],
        metric=record["metric"],
        higher_is_better=record["better"] == "higher",
        baseline=record["baseline"],
    )
    write_whole(place, lambda file: file.write(picture))
    return Comparison(str(there.path), target, record, place)


def _bake_off(workspace: Workspace, first: Material, candidates: Sequence[Candidate]) -> dict[str, Any]:
    folds = first.split(first.groups)
    primary = primary_of(first)
    scores, rows = {}, []
    for candidate in candidates:
        plan = replace(first.plan, inputs=candidate.inputs, scaling=candidate.scaling, method=candidate.method)
        material = first.with_inputs(workspace, plan)
        began = time.perf_counter()
        preparation, fit = cross_fit(
            material.inputs,
            material.target,
            learner_of(material.target, plan),
            folds,
            groups=material.groups,
            rng=np.random.default_rng([plan.seed, 3]),
        )
        seconds = time.perf_counter() - began
        points = held_out_points(material.target, fit.out_of_fold, folds)
        scores[candidate.name] = measures(material, points)[primary]
        rows.append(
            {
                "name": candidate.name,
                "inputs": list(candidate.inputs),
                "method": candidate.method,
                "scaling": candidate.scaling,
                "width": len(preparation.columns),
                "seconds": round(seconds, 2),
            }
        )
    return _ranked(first, folds, primary, scores, rows)


def _ranked(
    first: Material, folds: Any, primary: str, scores: dict[str, Any], rows: list[dict[str, Any]]
) -> dict[str, Any]:
    n, seed = len(first), first.plan.seed
    rng = np.random.default_rng([seed, 5])
    drawn = bootstrap.draws(scores, n, groups=first.groups, rng=rng, rounds=1000)
    once, units = np.ones(n), len(np.unique(first.groups))
    found = {name: bootstrap.interval_of(scores[name](once), drawn[name], units=units) for name in scores}
    better = metrics_known(first)[primary].better
    sign = -1 if better == "higher" else 1
    values = {name: sign * one.value for name, one in found.items()}
    rows.sort(key=lambda row: np.inf if np.isnan(values[row["name"]]) else values[row["name"]])
    best = rows[0]["name"]
    for row in rows:
        one = found[row["name"]]
        behind = bootstrap.difference_of(one.value - found[best].value, drawn[row["name"]] - drawn[best], units=units)
        row |= {"value": one.value, "low": one.low, "high": one.high, "to_best": behind.as_json()}
    record: dict[str, Any] = as_plain(
        {
            "metric": primary,
            "better": better,
            "baseline": trivial_scores(first, folds)[primary],
            "rows": n,
            "left_out": dict(first.left_out),
            "folds": folds_record(first, folds),
            "warnings": [first.not_compared] if first.not_compared else [],
            "candidates": rows,
        }
    )
    return record


def _name(name: str, identity: str, names: Sequence[str]) -> str:
    """How a feature set is asked for: by its name where only one has it."""
    return name if name and names.count(name) == 1 else identity


def _place(workspace: Workspace, target: str, to: str | os.PathLike[str] | None, *, force: bool) -> Path:
    from boda.pipelines.train import tame

    if to is not None:
        return place_for(to, force=force)
    return folder_beside(workspace.path, "compare") / f"{tame(target)}.svg"
