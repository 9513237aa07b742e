"""Our head: ridge in closed form, its penalty chosen inside the training rows, with intervals from rows held out there.

There is nothing to tune and nothing to stop: all penalties come from one eigendecomposition, and the test rows are
looked at once.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ava.scales import Scale
from boda.evaluation.conformal import Intervals, fit_intervals
from boda.evaluation.folds import split, strata_of
from boda.heads.crossfit import cross_fit, outputs_of
from boda.heads.inputs import FeatureInput, Inputs, Scaling
from boda.heads.ridge import Ridge
from boda.heads.target import Target

FOLDS = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """What the ridge says, in ratings."""

    out_of_fold: Floats
    """(n,) of the training rows, by models that had not seen them."""
    test: Floats
    """(m,)."""
    intervals: Intervals
    """From `out_of_fold`, for rows like those."""
    penalty: float
    seconds: float
    """Of choosing the penalty, all folds, the model of all rows and both predictions."""


def closed_form(
    training: npt.NDArray[np.float32],
    ratings: Floats,
    test: npt.NDArray[np.float32],
    *,
    scale: Scale,
    scaling: Scaling,
    rng: np.random.Generator,
) -> ClosedForm:
    """Fit and predict.

    Args:
        training: (n, d) features.
        ratings: (n,) mean ratings of the training rows.
        test: (m, d) features of the rows to predict.
        scale: of the target that is fitted; predictions come back as ratings.
        scaling: of the features: `raw`, or `normalised` to length 1.
        rng: of the folds.
    """
    began = time.perf_counter()
    inputs = Inputs((FeatureInput("features", "", training, scaling=scaling),))
    target = Target("number", "mean rating", scale.target(ratings))
    folds = split(len(target), folds=FOLDS, strata=strata_of("number", target.values), rng=rng)
    preparation, fitted = cross_fit(inputs, target, Ridge(), folds, groups=np.arange(len(target)), rng=rng)
    held_out = scale.ratings(fitted.out_of_fold[:, 0])
    design = preparation.design(Inputs((FeatureInput("features", "", test, scaling=scaling),)))
    predicted = scale.ratings(outputs_of(fitted.model, design)[:, 0])
    penalty = float(fitted.model.settings()["penalty"])
    seconds = time.perf_counter() - began
    return ClosedForm(held_out, predicted, fit_intervals(ratings, held_out), penalty, seconds)
