"""Cross-fitting: a model of all rows, and for every row the word of a model that had not seen it."""

import time
from collections.abc import Sequence
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
    held = _folds_in(folds)
    if isinstance(learner, FastLearner) and not is_to_be_balanced(inputs, target, learner, groups):
        fast = learner.cross_fit(inputs, target, folds, groups, rng)
        if fast is not None:
            return fast
    began = time.perf_counter()
    *streams, last = rng.spawn(held + 1)
    outputs, models = _of_folds(inputs, target, learner, folds, groups, streams)
    preparation, model = fit(inputs, target, learner, groups=groups, rng=last)
    chosen = tuple(one.settings() for _, one in models)
    return preparation, CrossFit(model, outputs, folds, chosen, time.perf_counter() - began, tuple(models))


def out_of_fold(
    inputs: Inputs,
    target: Target,
    learner: Learner,
    folds: npt.NDArray[np.int64],
    *,
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Outputs:
    """What `cross_fit` says of every row by a model that had not seen it, without a model of all rows.

    Args and errors: as of `cross_fit`.
    """
    _check(inputs, target, groups, folds)
    *streams, _ = rng.spawn(_folds_in(folds) + 1)
    return _of_folds(inputs, target, learner, folds, groups, streams)[0]


def _of_folds(
    inputs: Inputs,
    target: Target,
    learner: Learner,
    folds: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    streams: Sequence[np.random.Generator],
) -> tuple[Outputs, list[tuple[Preparation, Predictor]]]:
    """(n, o) outputs of the models of the folds, and these."""
    outputs: Outputs | None = None
    models = []
    for fold, stream in zip(np.unique(folds), streams, strict=True):
        rows, away = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        preparation, model = fit(inputs.take(rows), target.take(rows), learner, groups=groups[rows], rng=stream)
        found = outputs_of(model, preparation.design(inputs.take(away)))
        if outputs is None:
            outputs = np.empty((len(inputs), found.shape[1]))
        outputs[away] = found
        models.append((preparation, model))
    assert outputs is not None
    return outputs, models


def _folds_in(folds: npt.NDArray[np.int64]) -> int:
    held = len(np.unique(folds))
    if held < 2:
        raise Refused(f"cross-fitting needs at least two folds, not {held}")
    return held


def _check(inputs: Inputs, target: Target, *others: npt.NDArray[np.int64]) -> None:
    lengths = [len(inputs), len(target), *(len(other) for other in others)]
    if len(set(lengths)) != 1 or any(other.ndim != 1 for other in others):
        raise Refused(f"inputs, target, groups and folds must have equally many rows, but have {lengths}")
    for block in inputs.columns:
        if isinstance(block, NumberInput):
            refuse_infinite(block)
