"""Choosing: which of several ways to predict a target is best, and how good what was chosen is.

The best of many looks better than it is, since the rows that chose it also praise it. So the choice is made again for
every fold, on its training rows only, and the rows that were held out are predicted by what was chosen without them:
the score is that of the choosing, whatever it chose (nested cross-validation).

Inside the training rows of one fold, the other folds are the inner ones. The model that has seen neither fold i nor
fold j tests on j for the choice of i and on i for the choice of j, so k folds need k (k - 1) / 2 fits of a candidate,
and one more of the chosen for each fold.

Source: Stone, Journal of the Royal Statistical Society B 36(2), 1974; Cawley and Talbot, Journal of Machine Learning
Research 11, 2010.
"""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.metrics import measure
from boda.evaluation.weighted import Floats
from boda.heads.answers import points_of
from boda.heads.crossfit import fit, outputs_of
from boda.heads.inputs import Rows
from boda.pipelines.heads.judging import metrics_known, primary_of, questions_of
from boda.pipelines.heads.material import Material, learner_of

Folds = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NestedChoice:
    """What was chosen in each fold, and what it said of rows that had no part in that."""

    metric: str
    """By which it was chosen."""
    value: float
    """The metric of `points`: the score of the chosen."""
    points: Floats
    """(n,) or (n, k) predictions of rows by models, and choices of models, that had not seen them; not calibrated."""
    folds: Folds
    """(n,)."""
    chosen: tuple[str, ...]
    """The candidate of each fold."""
    inner: Mapping[str, tuple[float, ...]]
    """Of each candidate, its metric inside the training rows of each fold."""
    best: str
    """The candidate that is best on average over `inner`: the one to train on all rows."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, without what is said of rows."""
        return {
            "metric": self.metric,
            "value": self.value,
            "chosen": list(self.chosen),
            "inner": {name: list(scores) for name, scores in self.inner.items()},
            "best": self.best,
            "seconds": round(self.seconds, 2),
        }


def nested_choice(
    candidates: Mapping[str, Material], *, metric: str | None = None, folds: Folds | None = None
) -> NestedChoice:
    """Choose inside the training rows of every fold, and predict the fold with what was chosen.

    One candidate is plain cross-validation.

    Args:
        candidates: the same rows with other inputs, scalings or methods (`Material.with_inputs`), by name.
        metric: to choose by; None: the one that is quoted first for such a target.
        folds: (n,) numbers from 0; None: those of the first candidate's plan.

    Raises:
        Refused: no candidate, candidates of different rows, an unknown metric, fewer than three folds, or a candidate
            that cannot be fitted.
    """
    first = _first(candidates)
    metric = metric or primary_of(first)
    known = metrics_known(first)
    if metric not in known:
        raise Refused(f"no metric {metric!r} of {first.target.kind}; one of {', '.join(known)}")
    folds = first.split(first.groups) if folds is None else folds
    count = int(folds.max()) + 1
    if count < 3 and len(candidates) > 1:
        raise Refused(f"{count} folds leave nothing to choose on: give at least three")
    began = time.perf_counter()
    sign = 1 if known[metric].higher_is_better else -1
    inner = {
        name: _inner_scores(material, folds, metric) if len(candidates) > 1 else (0.0,) * count
        for name, material in candidates.items()
    }
    chosen = tuple(_best({name: sign * scores[fold] for name, scores in inner.items()}) for fold in range(count))
    points: Floats | None = None
    for fold, name in enumerate(chosen):
        away = np.flatnonzero(folds == fold)
        found = _predicted(candidates[name], away, (fold,))
        points = np.empty((len(folds), *found.shape[1:])) if points is None else points
        points[away] = found
    assert points is not None
    best = _best({name: sign * float(np.mean(scores)) for name, scores in inner.items()})
    value = _measured(first, np.arange(len(folds)), points, metric)
    told = inner if len(candidates) > 1 else {}
    return NestedChoice(metric, value, points, folds, chosen, told, best, time.perf_counter() - began)


def _first(candidates: Mapping[str, Material]) -> Material:
    if not candidates:
        raise Refused("nothing to choose from: give at least one candidate")
    first = next(iter(candidates.values()))
    for name, one in candidates.items():
        if one.assembled.keys != first.assembled.keys or one.target is not first.target:
            raise Refused(f"candidate {name!r} has other rows than the first: make it with Material.with_inputs")
    return first


def _inner_scores(material: Material, folds: Folds, metric: str) -> tuple[float, ...]:
    """The metric inside the training rows of each fold, by models that had not seen the row nor the fold."""
    count = int(folds.max()) + 1
    said: dict[tuple[int, int], Floats] = {}  # (fold that chooses, fold that is tested on)
    for one, other in itertools.combinations(range(count), 2):
        away = np.flatnonzero((folds == one) | (folds == other))
        found = _predicted(material, away, (one, other))
        said[one, other], said[other, one] = found[folds[away] == other], found[folds[away] == one]
    scores = []
    for fold in range(count):
        others = [other for other in range(count) if other != fold]
        rows = np.concatenate([np.flatnonzero(folds == other) for other in others])
        scores.append(_measured(material, rows, np.concatenate([said[fold, other] for other in others]), metric))
    return tuple(scores)


def _predicted(material: Material, away: Rows, held_out: tuple[int, ...]) -> Floats:
    """What a model of all other rows says of these."""
    rows = np.setdiff1d(np.arange(len(material)), away)
    preparation, model = fit(
        material.inputs.take(rows),
        material.target.take(rows),
        learner_of(material.target, material.plan),
        groups=material.groups[rows],
        rng=np.random.default_rng([material.plan.seed, 6, *held_out]),
    )
    return points_of(material.target.blank, outputs_of(model, preparation.design(material.inputs.take(away))))


def _measured(material: Material, rows: Rows, points: Floats, metric: str) -> float:
    target = material.target
    return measure(target.kind, target.values[rows], points, levels=target.levels, questions=questions_of(target.tree))[
        metric
    ]


def _best(scores: Mapping[str, float]) -> str:
    """The name of the highest; the first of equals. What is not defined is worse than anything."""
    return max(scores, key=lambda name: -np.inf if np.isnan(scores[name]) else scores[name])
