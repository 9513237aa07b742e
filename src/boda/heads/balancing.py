"""Balancing: how much features count beside columns of a table.

One penalty for all columns drowns a few telling numbers among thousands of features: what keeps the features from being
learned by heart keeps the numbers from being used; and a table of many columns drowns a few features likewise. So the
features as a whole get a weight, chosen by the error on inner folds; a weight of 0.1 is a penalty a hundred times as
high as that of the numbers.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from boda.evaluation.folds import split
from boda.heads.design import Design
from boda.heads.inputs import Inputs
from boda.heads.learner import Learner, Outputs
from boda.heads.preparation import Preparation
from boda.heads.target import Target

WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_GAIN = 0.005
"""Share of the error that another weight must save; less is chance, and no reason to leave 1."""
_FOLDS = 3
_MANY = 20_000
"""Rows from which on one inner fold is enough."""


def balanced(
    preparation: Preparation,
    inputs: Inputs,
    target: Target,
    learner: Learner,
    *,
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Preparation:
    """The preparation with the weight of features whose error on inner folds is least.

    Args:
        preparation: fitted on these rows.
        inputs: n rows, features and columns among them.
        target: n rows, a number or a class.
        learner: what will learn from the result.
        groups: (n,); a group is on one side of every inner split.
        rng: of the inner folds.
    """
    design = preparation.design(inputs)
    folds = split(len(target), folds=min(_FOLDS, len(np.unique(groups))), groups=groups, rng=rng)
    tested = np.unique(folds)[:1] if len(target) > _MANY else np.unique(folds)
    columns = np.zeros(design.width, bool)
    for block in inputs.features:
        columns[preparation.parts[block.name]] = True
    seed = int(rng.integers(2**63))  # the same inner folds for every weight

    def error_with(weight: float) -> float:
        scaled = _scaled(design, np.where(columns, weight, 1.0).astype(np.float32))
        return sum(_error(scaled, target, learner, folds == fold, groups, seed) for fold in tested)

    return preparation.weighed(_best_weight(error_with))


def _best_weight(error_with: Callable[[float], float]) -> float:
    """The weight of least error, sought from 1 down or up as long as a step helps."""
    middle = WEIGHTS.index(1.0)
    errors = {place: error_with(WEIGHTS[place]) for place in (middle - 1, middle, middle + 1)}
    step = -1 if errors[middle - 1] <= errors[middle + 1] else 1
    here = middle
    while errors[here + step] < (1 - _GAIN) * errors[here]:
        here += step
        if not 0 <= here + step < len(WEIGHTS):
            break
        errors.setdefault(here + step, error_with(WEIGHTS[here + step]))
    return WEIGHTS[here]


def _error(
    design: Design,
    target: Target,
    learner: Learner,
    held_out: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    seed: int,
) -> float:
    rows, away = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    model = learner.fit(design.take(rows), target.take(rows), groups=groups[rows], rng=np.random.default_rng(seed))
    return loss(target.take(away), model.outputs(design.take(away).dense()))


def is_to_be_balanced(inputs: Inputs, target: Target, learner: Learner, groups: npt.NDArray[np.int64]) -> bool:
    """Whether there is anything to weigh, an error to weigh it by, and a learner that chooses its penalty.

    Of two groups an inner fold would leave one, on which no learner can choose its penalty.
    """
    both = bool(inputs.features and inputs.columns) and len(np.unique(groups)) > 2
    penalties = getattr(learner, "penalties", ())
    return both and target.kind in {"number", "class"} and (penalties is None or len(penalties) > 1)


def loss(target: Target, outputs: Outputs) -> float:
    """The sum of squared errors of a number, or of the negative log probabilities of classes."""
    if target.kind == "number":
        return float(((outputs[:, 0] - target.values) ** 2).sum())
    from scipy.special import log_softmax

    return float(-log_softmax(outputs, axis=1)[np.arange(len(outputs)), target.values].sum())


def _scaled(design: Design, factors: npt.NDArray[np.float32]) -> Design:
    return Design(design.rows, design.width, lambda rows: design.make(rows) * factors)
