"""Cross-fitting: a model of all rows, and for every row the word of a model that had not seen it."""

import time
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.heads.balancing import balanced, is_to_be_balanced
from boda.heads.design import Design
from boda.heads.inputs import Inputs, NumberInput
from boda.heads.learner import CrossFit, Learner, Outputs, Predictor
from boda.heads.parts import refuse_infinite
from boda.heads.preparation import Preparation
from boda.heads.target import Target

BLOCK = 2048
"""Rows that outputs are computed of at once; few, so that they stay in the cache."""


@runtime_checkable
class FastLearner(Protocol):
    """A learner with a faster way to the same answer as `cross_fit`."""

    def cross_fit(
        self,
        inputs: Inputs,
        target: Target,
        folds: npt.NDArray[np.int64],
        groups: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[Preparation, CrossFit] | None:
        """As the function `cross_fit`; None where the fast way does not fit these inputs."""
        ...


def outputs_of(model: Predictor, design: Design) -> Outputs:
    """(n, o) outputs of all rows of a design, made and used a block at a time."""
    return np.concatenate([model.outputs(x) for _, x in design.blocks(BLOCK)])


def fit(
    inputs: Inputs,
    target: Target,
    learner: Learner,
    *,
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[Preparation, Predictor]:
    """Prepare and learn from all rows; features are weighed against columns first where there are both.

    Raises:
        Refused: lengths differ; what `Preparation.fit` and the learner refuse.
    """
    _check(inputs, target, groups)
    preparation = Preparation.fit(inputs, np.arange(len(inputs)))
    if is_to_be_balanced(inputs, target, learner, groups):
        preparation = balanced(preparation, inputs, target, learner, groups=groups, rng=rng)
    return preparation, learner.fit(preparation.design(inputs), target, groups=groups, rng=rng)


def cross_fit(
    inputs: Inputs,
    target: Target,
    learner: Learner,
    folds: npt.NDArray[np.int64],
    *,
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[Preparation, CrossFit]:
    """For each fold prepare and learn from the other rows only, and ask the model of the fold; then of all rows.

    A learner that meets `FastLearner` is asked first.

    Args:
        inputs: n rows.
        target: n rows.
        learner: what is fitted.
        folds: (n,); the fold that holds a row out. At least two folds.
        groups: (n,); rows of one group are never on both sides of an inner split.
        rng: every fold draws from a stream of its own.

    Returns:
        the preparation of the model of all rows, and the rest.

    Raises:
        Refused: lengths differ, fewer than two folds; what `Preparation.fit` and the learner refuse.
    """
    _check(inputs, target, groups, folds)
    held = np.unique(folds)
    if len(held) < 2:
        raise Refused(f"cross-fitting needs at least two folds, not {len(held)}")
    if isinstance(learner, FastLearner) and not is_to_be_balanced(inputs, target, learner, groups):
        fast = learner.cross_fit(inputs, target, folds, groups, rng)
        if fast is not None:
            return fast
    began = time.perf_counter()
    out_of_fold: Outputs | None = None
    models = []
    *streams, last = rng.spawn(len(held) + 1)
    for fold, stream in zip(held, streams, strict=True):
        rows, away = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        preparation, model = fit(inputs.take(rows), target.take(rows), learner, groups=groups[rows], rng=stream)
        found = outputs_of(model, preparation.design(inputs.take(away)))
        if out_of_fold is None:
            out_of_fold = np.empty((len(inputs), found.shape[1]))
        out_of_fold[away] = found
        models.append((preparation, model))
    assert out_of_fold is not None
    preparation, model = fit(inputs, target, learner, groups=groups, rng=last)
    chosen = tuple(one.settings() for _, one in models)
    return preparation, CrossFit(model, out_of_fold, folds, chosen, time.perf_counter() - began, tuple(models))


def _check(inputs: Inputs, target: Target, *others: npt.NDArray[np.int64]) -> None:
    lengths = [len(inputs), len(target), *(len(other) for other in others)]
    if len(set(lengths)) != 1 or any(other.ndim != 1 for other in others):
        raise Refused(f"inputs, target, groups and folds must have equally many rows, but have {lengths}")
    for block in inputs.columns:
        if isinstance(block, NumberInput):
            refuse_infinite(block)
