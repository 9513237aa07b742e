"""Coverage: what makes intervals or sets of later predictions, and how often those of held-out rows held the truth.

Intervals of numbers and sets of classes and labels are conformal: fitted on the errors of rows that were held out, and
tested fold by fold with what the other folds ask for. Intervals of votes come from the model itself, so they are only
tested: with the concentrations that a model gave galaxies it had not seen.
"""

from typing import Any, TypeAlias

import numpy as np

from boda.evaluation import conformal
from boda.evaluation.proportion import share_of
from boda.evaluation.weighted import Floats
from boda.heads.learner import CrossFit
from boda.heads.target import Target
from boda.pipelines.heads.material import Material

Found: TypeAlias = tuple[conformal.Intervals | None, conformal.Sets | conformal.LabelSets | None, dict[str, Any]]
"""Intervals, sets, and what was measured, as plain JSON."""


def coverage_of(material: Material, fit: CrossFit, points: Floats, rng: np.random.Generator, *, level: float) -> Found:
    """Intervals of a number or a mean rating, sets of classes or labels, and their coverage; of votes coverage alone.

    Args:
        material: the rows.
        fit: with out-of-fold outputs.
        points: what is predicted of rows that were held out, calibrated on the other folds.
        rng: of votes, which are whole numbers and so held only in part by the end of an interval.
        level: of each interval or set.
    """
    target, folds, groups = material.target, fit.folds, material.groups
    match target.kind:
        case "number" | "ratings":
            truth, predicted = one_number(target, points)
            interval = conformal.fit_intervals(truth, predicted, level=level)
            coverage = conformal.interval_coverage(truth, predicted, folds, groups=groups, level=level)
            return interval, None, {"conformal": _told(coverage, "width")}
        case "class":
            sets = conformal.fit_sets(target.values, points, level=level)
            coverage = conformal.set_coverage(target.values, points, folds, groups=groups, level=level)
            return None, sets, {"conformal": _told(coverage, "set_size")}
        case "labels":
            return _of_labels(material, fit, points, level)
        case "votes":
            return None, None, _of_votes(material, fit, rng, level)


def one_number(target: Target, points: Floats) -> tuple[Floats, Floats]:
    """Truth and prediction of a number, or of the mean rating."""
    if target.kind == "number":
        return target.values, points
    levels = np.array(target.levels)
    return target.values @ levels / target.values.sum(axis=1), points @ levels


def _told(coverage: conformal.Coverage, size: str) -> dict[str, Any]:
    return {"level": coverage.level, "coverage": coverage.share.as_json(), size: coverage.size}


def _part(name: str, told: dict[str, Any]) -> dict[str, Any]:
    """Of one label or question; the level is that of all."""
    return {"name": name, **{key: value for key, value in told.items() if key != "level"}}


def _of_labels(material: Material, fit: CrossFit, points: Floats, level: float) -> Found:
    target = material.target
    label_sets = conformal.fit_label_sets(target.values, points, level=level)
    every, each = conformal.label_set_coverage(target.values, points, fit.folds, groups=material.groups, level=level)
    if not every.share.rows:
        return None, label_sets, {}
    labels = [_part(name, _told(one, "set_size")) for name, one in zip(target.names, each, strict=True)]
    return None, label_sets, {"conformal": _told(every, "set_size") | {"labels": labels}}


def _of_votes(material: Material, fit: CrossFit, rng: np.random.Generator, level: float) -> dict[str, Any]:
    """How often the votes that were given lie in their intervals: of all answers, and of those of each question."""
    from boda.heads.votes import covered, predictive_intervals

    tree, counts = material.target.tree, np.rint(material.target.values)
    assert tree is not None
    inside = covered(tree, fit.out_of_fold, counts, rng, level)
    asked = np.stack([counts[:, part].sum(axis=1) for part in tree.slices], axis=1)
    low, high = predictive_intervals(tree, fit.out_of_fold, asked, level)

    def measured(columns: slice) -> dict[str, Any]:
        known = ~np.isnan(inside[:, columns])
        belongs = np.broadcast_to(material.groups[:, None], known.shape)[known]
        width = (high - low)[:, columns][known]
        share = share_of(inside[:, columns][known] > 0, groups=belongs)
        found = conformal.Coverage(level, share, float(width.mean()) if len(width) else float("nan"))
        return _told(found, "width")

    if not asked.any():
        return {}
    questions = [_part(one.name, measured(part)) for one, part in zip(tree.questions, tree.slices, strict=True)]
    return {"conformal": measured(slice(None)) | {"questions": questions}}
