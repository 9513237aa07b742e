"""Judging a head: what it says of rows it had not seen, with intervals, beside a trivial predictor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.counted import counted
from boda.evaluation import baseline, bootstrap, calibration, ceiling, conformal, disagreement, imbalance, reliability
from boda.evaluation.metrics import Metric, metrics_of, statistics
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import Floats, Statistic
from boda.heads import columns
from boda.heads.answers import Calibration, points_of
from boda.heads.crossfit import cross_fit
from boda.heads.learner import CrossFit, Learner, Outputs
from boda.heads.target import Target
from boda.heads.vote_tree import VoteTree
from boda.keys import shown
from boda.pipelines.heads.coverage import coverage_of
from boda.pipelines.heads.importance import importance
from boda.pipelines.heads.material import Material, classes_of_one_group

PRIMARY = {"number": "spearman", "labels": "mean_average_precision", "ratings": "spearman", "votes": "mae"}
LEVEL = 0.9


@dataclass(frozen=True, eq=False)
class Judged:
    """What was measured, and what makes later predictions trustworthy."""

    record: dict[str, Any]
    calibration: Calibration | None = None
    interval: conformal.Intervals | None = None
    class_sets: conformal.Sets | conformal.LabelSets | None = None


def primary_of(material: Material) -> str:
    """The metric that is quoted first: for two classes the area under the ROC curve, for more the accuracy."""
    if material.target.kind == "class":
        return "auc" if len(material.target.names) == 2 else "accuracy"
    return PRIMARY[material.target.kind]


def measures(material: Material, points: Floats) -> dict[str, Statistic]:
    """Each metric of predictions of all rows, as a function of how often each row counts."""
    target = material.target
    return statistics(target.kind, target.values, points, levels=target.levels, questions=questions_of(target.tree))


def questions_of(tree: VoteTree | None) -> dict[str, slice] | None:
    """The questions of a tree by name, and which columns are their answers."""
    return None if tree is None else {one.name: part for one, part in zip(tree.questions, tree.slices, strict=True)}


def judge(material: Material, fit: CrossFit, learner: Learner | None) -> Judged:
    """Everything that can be said of a head from rows that its folds' models had not seen.

    Args:
        material: the rows.
        fit: with out-of-fold outputs.
        learner: fits other inputs and other folds, to compare with; None: nothing is fitted again.
    """
    rng = np.random.default_rng([material.plan.seed, 2])
    target = material.target
    calibrated, points, record = _calibrated(material, fit)
    record |= _metrics(material, points, fit, rng)
    interval, class_sets, said = coverage_of(material, fit, points, rng, level=LEVEL)
    record |= said
    if learner is not None:
        record |= _several_inputs(material, fit, learner, rng)
        record |= _random_folds(material, fit, learner, rng)
    record |= _ceiling(material, rng)
    if target.kind == "class":
        record["imbalance"] = imbalance.imbalance_of(target.values, target.names).as_json()
    record["warnings"] = _warnings(material, record)
    return Judged(as_plain(record), calibrated, interval, class_sets)


def _metrics(material: Material, points: Floats, fit: CrossFit, rng: np.random.Generator) -> dict[str, Any]:
    n = len(material)
    found = bootstrap.intervals(measures(material, points), n, groups=material.groups, rng=rng, level=LEVEL)
    trivial = trivial_scores(material, fit.folds)
    known = metrics_known(material)
    metrics = {
        name: {
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "baseline": trivial[name],
            "better": known[name].better,
        }
        for name, one in found.items()
    }
    return {
        "rows": n,
        "left_out": dict(material.left_out),
        "folds": folds_record(material, fit.folds),
        "primary": primary_of(material),
        "metrics": metrics,
        "seconds": round(fit.seconds, 3),
    }


def metrics_known(material: Material) -> dict[str, Metric]:
    """What the metrics of this target mean."""
    target = material.target
    questions = tuple(questions_of(target.tree) or ())
    return metrics_of(target.kind, classes=len(target.names), questions=questions)


def trivial_scores(material: Material, folds: npt.NDArray[np.int64]) -> dict[str, float]:
    """What a predictor that says the same of every row is worth, by metric."""
    target = material.target
    found = baseline.statistics(
        target.kind,
        target.values,
        folds,
        classes=len(target.names),
        levels=target.levels,
        questions=questions_of(target.tree),
    )
    return {name: statistic(np.ones(len(target))) for name, statistic in found.items()}


def folds_record(material: Material, folds: npt.NDArray[np.int64]) -> dict[str, Any]:
    """How the rows were divided, in numbers and in words."""
    count = int(folds.max()) + 1
    copies = len(folds) - len(np.unique(material.copies))
    groups = len(np.unique(material.groups))
    said = f"{count} folds"
    if material.group_column is not None:
        said += f" by {material.group_column} ({groups:,} groups)"
    if copies:
        near = counted(copies, "copy or near-duplicate", "copies and near-duplicates")
        said += f", {near} kept beside {'its original' if copies == 1 else 'their originals'}"
    return {
        "count": count,
        "by": material.group_column or "rows",
        "groups": groups,
        "copies": copies,
        "said": said,
        "seed": material.plan.seed,
    }


def _calibrated(material: Material, fit: CrossFit) -> tuple[Calibration | None, Floats, dict[str, Any]]:
    """The calibration, the predictions of held-out rows each calibrated on the other folds, and how well both hold."""
    target, outputs = material.target, fit.out_of_fold
    before = points_of(target.blank, outputs)
    if target.kind not in {"class", "labels"}:
        return None, before, {}
    of_class = target.kind == "class"
    found = (calibration.fit_temperature if of_class else calibration.fit_platt)(outputs, target.values)
    points = held_out_points(target, outputs, fit.folds)
    events = reliability.of_classes if of_class else reliability.of_labels
    groups = material.groups if of_class else None
    curve, curve_before = (
        reliability.reliability_of(*events(target.values, one), groups=groups) for one in (points, before)
    )
    settings = {"temperature": found.value} if isinstance(found, calibration.Temperature) else found.as_json()
    record = settings | {
        "error": curve.error,
        "error_before": curve_before.error,
        "curve": curve.as_json()["bins"],
        "curve_before": curve_before.as_json()["bins"],
    }
    return found, points, {"calibration": record}


def held_out_points(target: Target, outputs: Outputs, folds: npt.NDArray[np.int64]) -> Floats:
    """What is predicted of rows that were held out; probabilities of each fold are calibrated on the others."""
    return as_held_out(target, outputs, folds)(outputs)


def as_held_out(target: Target, outputs: Outputs, folds: npt.NDArray[np.int64]) -> Callable[[Outputs], Floats]:
    """What makes predictions of other outputs of these rows, with the calibration that their own outputs ask for."""
    if target.kind not in {"class", "labels"}:
        return lambda others: points_of(target.blank, others)
    fits = calibration.fold_fits(outputs, target.values, folds)
    return lambda others: calibration.calibrated(others, folds, fits)


def _several_inputs(material: Material, fit: CrossFit, learner: Learner, rng: np.random.Generator) -> dict[str, Any]:
    """Image, numbers and both on the same folds, where there are both; and what shuffling each of them costs."""
    inputs = material.inputs
    if not inputs.features or not inputs.columns:
        return {}
    primary, target = primary_of(material), material.target
    parts = {
        "image": [one.name for one in inputs.features],
        "numbers": [one.name for one in inputs.columns],
    }
    points = as_held_out(target, fit.out_of_fold, fit.folds)
    scores = {"both": measures(material, points(fit.out_of_fold))[primary]}
    for name, blocks in parts.items():
        _, alone = cross_fit(
            inputs.only(blocks), target, learner, fit.folds, groups=material.groups, rng=_again(material)
        )
        scores[name] = measures(material, held_out_points(target, alone.out_of_fold, fit.folds))[primary]
    n = len(material)
    found = bootstrap.intervals(scores, n, groups=material.groups, rng=rng, level=LEVEL)
    pairs = [("both", "numbers"), ("both", "image"), ("image", "numbers")]
    differences = [
        {
            "of": f"{one} - {other}",
            **bootstrap.paired_difference(
                scores[one], scores[other], n, groups=material.groups, rng=rng, level=LEVEL
            ).as_json(),
        }
        for one, other in pairs
    ]
    return {
        "inputs": [{"inputs": name, **found[name].as_json()} for name in ("image", "numbers", "both")],
        "differences": differences,
        "importance": importance(material, fit, learner, points, measures, metrics_known(material)[primary], rng),
    }


def _random_folds(material: Material, fit: CrossFit, learner: Learner, rng: np.random.Generator) -> dict[str, Any]:
    """The same with folds that do not keep groups together: how much of the score was only knowing the group."""
    if material.group_column is None:
        return {}
    folds = material.split(material.copies)
    _, random = cross_fit(
        material.inputs, material.target, learner, folds, groups=material.copies, rng=_again(material)
    )
    primary = primary_of(material)
    scores = [
        measures(material, held_out_points(material.target, one.out_of_fold, one.folds))[primary]
        for one in (random, fit)
    ]
    metric = metrics_known(material)[primary]
    found = disagreement.compare_folds(
        metric, scores[0], scores[1], material.groups, name=material.group_column, rng=rng, level=LEVEL
    )
    return {"random_folds": found.as_json()}


def _ceiling(material: Material, rng: np.random.Generator) -> dict[str, Any]:
    """How well the mean of so many raters can be predicted at all, where counts or SD and N are known."""
    target, table = material.target, material.assembled.table
    if target.kind == "ratings":
        if not (target.values.sum(axis=1) > 1).any():
            return {}  # one rater an image: nothing is known of how raters differ
        found = ceiling.ceiling_of_counts(target.values, np.array(target.levels), rng=rng, level=LEVEL)
        return {"ceiling": found.as_json()}
    stem = target.name.removesuffix("_mean")
    spread, raters = f"{stem}_SD", f"{stem}_N"
    if target.kind != "number" or stem == target.name or not {spread, raters} <= set(table.column_names):
        return {}
    spreads, counts = columns.numbers(table, spread), columns.numbers(table, raters)
    known = np.isfinite(spreads) & np.isfinite(counts) & (counts > 0)
    if known.sum() < 3:
        return {}
    found = ceiling.ceiling_of_means(target.values[known], spreads[known], counts[known], rng=rng, level=LEVEL)
    return {"ceiling": found.as_json()}


def _warnings(material: Material, record: Mapping[str, Any]) -> list[str]:
    """What somebody who reads only the headline must know."""
    found = [material.not_compared] if material.not_compared else []
    primary = record["metrics"][record["primary"]]
    worse = (
        primary["low"] <= primary["baseline"]
        if primary["better"] == "higher"
        else primary["high"] >= primary["baseline"]
    )
    if worse:
        found.append(f"{record['primary']} is not clearly better than the trivial baseline")
    if material.group_column and (alone := classes_of_one_group(material.target, material.groups)):
        some = ", ".join(shown(name) for name in alone[:3]) + (f" and {len(alone) - 3:,} more" if alone[3:] else "")
        found.append(
            f"{some}: in one group of {shown(material.group_column)} alone, so that no fold that tests on it has "
            "learned it"
        )
    if gap := record.get("random_folds"):
        found += [gap["sentence"]] if gap["flattered"] else []
    return found


def _again(material: Material) -> np.random.Generator:
    """The same randomness for every fit, so that fits differ only in what they are given."""
    return np.random.default_rng([material.plan.seed, 3])
