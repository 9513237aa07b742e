"""Ridges of all folds at once: one pass over the inputs for moments, one for predictions.

The moments of the folds serve every training set, each standardised by its own means and deviations (`ColumnMap`). The
penalty of fold i is that of least error on each other fold j of ridges fitted to neither i nor j; that of all rows, on
each fold j of ridges fitted to all but j.

Where there is much to multiply, moments are first summed of float32 products, block by block in float64. The weights
that they give are refined with residuals computed in float64; where that moves them by more than `MOVED`, or sums of
squares would lose too many digits, moments are taken again in float64. Measured, 100,000 x 512: float32 products leave
a residual of the normal equations of 3e-8 of their right side, one refinement 1e-15; with columns whose products have
a condition of 1e8 and hardly any penalty they leave 8e-7 and weights 7 % off, which the refinement shows.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from boda.cores import shares, side_by_side
from boda.errors import Refused
from boda.heads.column_map import ColumnMap, Matrix, Vector
from boda.heads.inputs import Inputs, Rows
from boda.heads.learner import CrossFit
from boda.heads.moments import Moments, Origin
from boda.heads.parts import Sums
from boda.heads.penalties import Choice, ridges, to_try, without
from boda.heads.preparation import Preparation
from boda.heads.ridge_model import Equations, RidgeModel, refine, solve

MOST_FOLDS = 10
"""Of which every pair may have an eigendecomposition of its own: 45."""
WORTH = 1e9
"""Products, above which those of float32 save time."""
MOVED = 1e-5
"""Share of their length by which weights may be refined: out-of-fold predictions are made before."""
EXACT = 1e-5
"""Share of the target's variance below which held-out errors are noise of float32."""
_CACHED = 256
"""Rows that are predicted at once: few, so that they are still in the cache when their slopes are taken."""
PLAIN = (1e-20, 1e20)
"""Mean squares of columns that float32 products are trusted with."""


def cross_fit(
    inputs: Inputs,
    target: Vector,
    folds: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    penalties: tuple[float, ...] | None,
) -> tuple[Preparation, CrossFit] | None:
    """Prepare and fit for each fold and for all rows.

    Args:
        inputs: n rows.
        target: (n,).
        folds: (n,).
        groups: (n,).
        penalties: to choose from; None: the default ones.

    Returns:
        None where this way does not hold: rows hardly more than columns, less than three folds or more than ten,
        groups in several folds, values of which sums of squares would lose too many digits.
    """
    began = time.perf_counter()
    held, places, counts = np.unique(folds, return_inverse=True, return_counts=True)
    if not 3 <= len(held) <= MOST_FOLDS or not _whole(groups, places):
        return None
    base = Preparation.reference(inputs)
    if len(target) - int(np.sort(counts)[-2:].sum()) <= base.width:
        return None
    large = len(target) * base.width**2 > WORTH
    for precision in (np.float32, np.float64) if large else (np.float64,):
        found = _cross_fit(base, inputs, target, places, penalties, precision)
        if found is not None:
            preparation, (model, *others), out_of_fold = found
            chosen = tuple(one.settings() for one in others)
            return preparation, CrossFit(model, out_of_fold, folds, chosen, time.perf_counter() - began)
    return None


def _cross_fit(
    base: Preparation,
    inputs: Inputs,
    target: Vector,
    folds: npt.NDArray[np.int64],
    penalties: tuple[float, ...] | None,
    precision: type[np.float32 | np.float64],
) -> tuple[Preparation, list[RidgeModel], Matrix] | None:
    """The preparation of all rows, the models of all rows and of each fold, and (n, 1) out of fold."""
    fill = partial(base.fill, inputs)
    origin = Origin(np.zeros(base.width), float(target.mean()))
    moments = Moments.gather(fill, target, folds, origin, precision)
    if not _in_range(Moments.total(moments), precision):
        return None
    sets = _training_sets(base, moments, alone=penalties is not None and len(penalties) == 1)
    if sets is None:
        return None
    choices = _choose(moments, sets, penalties)
    if precision is np.float32 and any(choice.held_out_errors and _exact(choice, moments) for choice in choices):
        return None
    chosen = list(zip(choices, sets[: len(choices)], strict=True))
    try:
        solved = side_by_side(lambda one: _solved(*one, moments), chosen)
    except Refused:
        if precision is np.float64:
            raise
        return None  # rounding has left products that no rows could have
    models = [model for model, _ in solved]
    out_of_fold, slopes = _predict(fill, target, folds, [one.weights(m) for one, m in zip(sets, models, strict=False)])
    fitted = list(zip(solved, sets[: len(models)], slopes.T, strict=True))
    refined = side_by_side(lambda one: _refined(*one, moments), fitted)
    if precision is np.float32 and max(moved for _, moved in refined) > MOVED:
        return None
    return sets[0].preparation, [model for model, _ in refined], out_of_fold


@dataclass(frozen=True, eq=False)
class _TrainingSet:
    """All folds but some, and how their rows are prepared."""

    left: tuple[int, ...]
    preparation: Preparation
    columns: ColumnMap

    def moments(self, folds: tuple[Moments, ...]) -> Moments:
        """Of its rows; summed anew each time, as there may be fifty of them."""
        return without(folds, *self.left)

    def weights(self, model: RidgeModel) -> Vector:
        """(1 + c,) offset and weights of the model for columns of the reference."""
        weights = self.columns.weights(model.weights)[:, 0]
        return np.append(model.offset + self.columns.constant @ model.weights, weights)


def _solved(choice: Choice, one: "_TrainingSet", moments: tuple[Moments, ...]) -> tuple[RidgeModel, Equations]:
    there = one.moments(moments)
    equations = Equations.of(there, choice.penalty, one.columns)
    return solve(there, choice, one.columns, equations), equations


def _refined(
    solved: tuple[RidgeModel, Equations], one: "_TrainingSet", slopes: Vector, moments: tuple[Moments, ...]
) -> tuple[RidgeModel, float]:
    model, equations = solved
    return refine(model, one.moments(moments), one.columns, slopes, equations)


def _training_sets(base: Preparation, folds: tuple[Moments, ...], *, alone: bool) -> list[_TrainingSet] | None:
    """All rows; all but each fold; all but each pair, unless the penalty stands alone."""
    every = range(len(folds))
    sets = []
    for left in itertools.chain([()], ((i,) for i in every), () if alone else itertools.combinations(every, 2)):
        moments = without(folds, *left)
        refitted = base.refit(Sums(moments.count, moments.sums, moments.squares))
        if refitted is None:
            return None
        sets.append(_TrainingSet(left, *refitted))
    return sets


def _choose(folds: tuple[Moments, ...], sets: list[_TrainingSet], penalties: tuple[float, ...] | None) -> list[Choice]:
    """For all rows, then for each fold, the penalty of least error on folds that neither saw."""
    if penalties is not None and len(penalties) == 1:
        return [Choice(penalties[0])] * len(sets)
    total, columns = sets[0].moments(folds), sets[0].columns
    tried = to_try(penalties, float(np.trace(columns.gram(total.centred[:-1, :-1]))), sets[0].preparation.width)

    def errors_on(one: _TrainingSet) -> list[Vector]:
        found = ridges(one.moments(folds), one.columns, tried)
        return [folds[i].squared_errors(*found) for i in one.left]

    errors = dict(zip((one.left for one in sets[1:]), side_by_side(errors_on, sets[1:]), strict=True))
    choices = []
    for one in sets[: len(folds) + 1]:
        pairs = [(tuple(sorted((*one.left, j))), j) for j in range(len(folds)) if j not in one.left]
        summed: Vector = np.sum([errors[left][left.index(j)] for left, j in pairs], axis=0)
        choices.append(Choice.best(tried, summed / one.moments(folds).count))
    return choices


def _predict(
    fill: Callable[[Rows | slice, Matrix], None], target: Vector, folds: npt.NDArray[np.int64], weights: list[Vector]
) -> tuple[Matrix, Matrix]:
    """Predictions out of fold, and what `refine` needs, of models as weights for columns of the reference.

    Returns:
        (n, 1); and for each model (1 + c, models) the sums over its training rows of its errors times (1, columns).
    """
    every = np.stack(weights, axis=1)
    found = np.empty((len(target), 1))

    def of_share(share: slice) -> Matrix:
        slopes = np.zeros_like(every)
        buffer = np.ones((_CACHED, len(every)))
        for start in range(share.start, share.stop, _CACHED):
            rows = slice(start, min(start + _CACHED, share.stop))
            z = buffer[: rows.stop - start]
            fill(rows, z[:, 1:])
            predicted = z @ every
            own = np.arange(len(z)), folds[rows] + 1
            found[rows, 0] = predicted[own]
            errors = target[rows, None] - predicted
            errors[own] = 0
            slopes += z.T @ errors
        return slopes

    return found, np.sum(side_by_side(of_share, shares(len(target), every.nbytes)), axis=0)


def _in_range(total: Moments, precision: type[np.float32 | np.float64]) -> bool:
    """Whether products neither overflow nor vanish."""
    squares = np.append(total.squares, total.matrix[-1, -1]) / total.count
    if precision is np.float64 or not np.isfinite(squares).all():
        return bool(np.isfinite(total.matrix).all())
    return bool(((squares == 0) | ((squares > PLAIN[0]) & (squares < PLAIN[1]))).all())


def _exact(choice: Choice, folds: tuple[Moments, ...]) -> bool:
    """Whether the target is predicted so well that held-out errors are noise of float32 products."""
    total = Moments.total(folds)
    return min(choice.held_out_errors) < EXACT * float(total.centred[-1, -1]) / total.count


def _whole(groups: npt.NDArray[np.int64], folds: npt.NDArray[np.int64]) -> bool:
    """Whether no group is in two folds."""
    places = np.unique(groups, return_inverse=True)[1]
    first = np.empty(int(places.max()) + 1, folds.dtype)
    first[places] = folds
    return bool((first[places] == folds).all())
