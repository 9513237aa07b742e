"""Importance: what a head loses when one of its inputs is shuffled in rows it had not seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.evaluation.importance import permutation_importance
from boda.evaluation.metrics import Metric
from boda.evaluation.weighted import Floats, Statistic
from boda.heads.crossfit import fit
from boda.heads.learner import CrossFit, Learner, Outputs, Predictor
from boda.heads.preparation import Preparation
from boda.pipelines.heads.material import Material

IMAGE = "image"
"""What all features together are called."""

Measures: TypeAlias = Callable[[Material, Floats], Mapping[str, Statistic]]


def importance(
    material: Material,
    crossed: CrossFit,
    learner: Learner,
    as_points: Callable[[Outputs], Floats],
    measures: Measures,
    metric: Metric,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """For the image as a whole and for each column, the loss of a metric with an interval, the largest first.

    Args:
        material: all rows.
        crossed: the head's cross-fitting.
        learner: by which models of folds are made where `crossed` kept none.
        as_points: predictions of what the models of folds say of their held-out rows.
        measures: of predictions of all rows.
        metric: one of `measures`.
        rng: of the shuffling.
    """
    folds = crossed.folds
    models = _Models.of(material, crossed, learner, as_points)
    blocks = [IMAGE, *(one.name for one in material.inputs.columns)]
    found = permutation_importance(
        models.predict,
        blocks,
        metric,
        lambda points: measures(material, points)[metric.name],
        models.predict(None, np.arange(len(material))),
        folds,
        rng=rng,
        groups=material.groups,
        rounds=300,
    )
    return [{"name": one.block, **one.loss.as_json()} for one in found]


@dataclass(frozen=True, eq=False)
class _Models:
    """The model of each fold, and the rows that it had not seen, prepared."""

    material: Material
    parts: list[tuple[npt.NDArray[np.intp], Preparation, Predictor, npt.NDArray[np.float32]]]
    as_points: Callable[[Outputs], Floats]

    @classmethod
    def of(
        cls, material: Material, crossed: CrossFit, learner: Learner, as_points: Callable[[Outputs], Floats]
    ) -> "_Models":
        held = np.unique(crossed.folds)
        fitted = crossed.fold_models or [_fitted(material, crossed.folds != fold, learner, int(fold)) for fold in held]
        parts = []
        for fold, (preparation, model) in zip(held, fitted, strict=True):
            rows = np.flatnonzero(crossed.folds == fold)
            parts.append((rows, preparation, model, preparation.design(material.inputs.take(rows)).dense()))
        return cls(material, parts, as_points)

    def predict(self, block: str | None, donors: npt.NDArray[np.int64]) -> Floats:
        """Predictions of held-out rows where one block of each row is that of its donor."""
        features = [one.name for one in self.material.inputs.features]
        moved = [] if block is None else features if block == IMAGE else [block]
        outputs = np.empty((len(self.material), self.material.target.outputs))
        for rows, preparation, model, x in self.parts:
            place = np.empty(len(self.material), np.intp)
            place[rows] = np.arange(len(rows))
            mixed = x.copy()
            for name in moved:
                part = preparation.parts[name]
                mixed[:, part] = x[place[donors[rows]], part]
            outputs[rows] = model.outputs(mixed)
        return self.as_points(outputs)


def _fitted(
    material: Material, training: npt.NDArray[np.bool_], learner: Learner, fold: int
) -> tuple[Preparation, Predictor]:
    """The model of one fold, where cross-fitting never made it apart."""
    rows = np.flatnonzero(training)
    rng = np.random.default_rng([material.plan.seed, 4, fold])
    return fit(material.inputs.take(rows), material.target.take(rows), learner, groups=material.groups[rows], rng=rng)
