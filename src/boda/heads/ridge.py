"""Ridge: a number as a weighted sum of columns, in closed form."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.cores import side_by_side
from boda.errors import Refused
from boda.evaluation.folds import split
from boda.heads import dual, ridge_folds
from boda.heads.column_map import ColumnMap, Vector
from boda.heads.design import Design
from boda.heads.inputs import Inputs
from boda.heads.learner import CrossFit
from boda.heads.moments import Moments, Origin
from boda.heads.penalties import Choice, ridges, to_try, without
from boda.heads.preparation import Preparation
from boda.heads.ridge_model import RidgeModel, solve
from boda.heads.target import Target

__all__ = ["Ridge", "RidgeModel", "solve"]

INNER_FOLDS = 5


@dataclass(frozen=True)
class Ridge:
    """Least squares with `penalty * |weights|^2` added, as scikit-learn's `Ridge(alpha=penalty)`.

    The penalty is that of least squared error on inner folds, which keep groups whole. All penalties come from one
    eigendecomposition a fold: of the products of columns, or of rows where rows are fewer than columns.

    Source: Hoerl and Kennard, Technometrics 12(1), 1970; the dual form: Saunders, Gammerman and Vovk, ICML 1998.
    """

    penalties: tuple[float, ...] | None = None
    """To choose from, > 0, in squared units of prepared columns; one alone is taken as it is; None: fifteen decades,
    three a decade."""

    def __post_init__(self) -> None:
        """Refuse penalties that are none."""
        if self.penalties is not None and not (self.penalties and all(0 < one < np.inf for one in self.penalties)):
            raise Refused(f"penalties must be numbers > 0, not {self.penalties}")

    def fit(
        self, design: Design, target: Target, *, groups: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> RidgeModel:
        """Learn from all rows of the design.

        Args:
            design: (n, d).
            target: a number, n rows.
            groups: (n,); a group is on one side of every inner split.
            rng: of the inner folds.

        Raises:
            Refused: another kind of target, other rows than the design's, or one group only and several penalties.
        """
        values = _numbers(target, design.rows)
        several = self.penalties is None or len(self.penalties) > 1
        folds = _inner_folds(groups, rng) if several else np.zeros(design.rows, np.int64)
        if design.rows < design.width:
            return self._fit_dual(design, values, folds)
        origin = Origin.of(design, values)
        moments = Moments.by_fold(design, values, folds, origin)
        total, columns = Moments.total(moments), ColumnMap.moved(origin.columns)
        if self.penalties is not None and len(self.penalties) == 1:
            return solve(total, Choice(self.penalties[0]), columns)
        penalties = to_try(self.penalties, float(np.trace(total.centred[:-1, :-1])), design.width)
        errors = side_by_side(
            lambda fold: moments[fold].squared_errors(*ridges(without(moments, fold), columns, penalties)),
            range(len(moments)),
        )
        return solve(total, Choice.best(penalties, np.sum(errors, axis=0) / total.count), columns)

    def cross_fit(
        self,
        inputs: Inputs,
        target: Target,
        folds: npt.NDArray[np.int64],
        groups: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[Preparation, CrossFit] | None:
        """What `crossfit.cross_fit` answers, from two passes over the inputs; None where that does not hold.

        See `boda.heads.ridge_folds`. It draws nothing from `rng`: inner folds are the other folds.
        """
        return ridge_folds.cross_fit(inputs, _numbers(target, len(inputs)), folds, groups, self.penalties)

    def _fit_dual(self, design: Design, values: Vector, folds: npt.NDArray[np.int64]) -> RidgeModel:
        origin = Origin.of(design, values).columns
        products = dual.products_of_rows(design.dense(), origin)
        penalties = to_try(self.penalties, float(np.trace(dual.centred(products))), design.width)
        choice = Choice(float(penalties[0]))
        if len(penalties) > 1:
            errors = side_by_side(
                lambda fold: dual.held_out_errors(products, values, folds == fold, penalties), np.unique(folds).tolist()
            )
            choice = Choice.best(penalties, np.sum(errors, axis=0) / design.rows)
        found = dual.weights_and_freedom(design, origin, products, values, choice.penalty)
        return RidgeModel(found[0], found[1], design.rows, choice, found[2])


def _numbers(target: Target, rows: int) -> Vector:
    """(n,) values of a number; a column (n, 1) is no target, so that nothing broadcasts."""
    if target.kind != "number":
        raise Refused(f"target {target.name!r} is of {target.kind}, but ridge learns a number")
    if target.values.shape != (rows,):
        raise Refused(f"target {target.name!r} has the shape {target.values.shape}, but the design {rows} rows")
    return np.asarray(target.values, np.float64)


def _inner_folds(groups: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    different = len(np.unique(groups))
    if different < 2:
        raise Refused("rows of one group cannot choose a penalty: give one penalty")
    whole = None if different == len(groups) else groups
    return split(len(groups), folds=min(INNER_FOLDS, different), groups=whole, rng=rng)
