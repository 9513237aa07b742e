"""Ridge model: weights and an offset, and how they follow from moments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.heads.column_map import ColumnMap, Matrix, Vector
from boda.heads.learner import Outputs
from boda.heads.moments import Moments
from boda.heads.penalties import Choice

BLOCK = 1024
"""Rows that are predicted at once: at a width of 512 their float64 copy stays in the cache. Products are `einsum`'s:
of 100,000 rows 0.03 s on one core, where threads of a BLAS take 0.6 s of two cores waiting for each other."""


@dataclass(frozen=True, eq=False)
class RidgeModel:
    """`x @ weights + offset`."""

    kind: ClassVar[str] = "ridge"
    weights: Matrix
    """(d, 1) float64."""
    offset: Vector
    """(1,) float64; not penalised."""
    rows: int
    """That it was fitted to."""
    choice: Choice
    degrees_of_freedom: float
    """Trace of the matrix from targets to predictions, without the offset: between 0 and d."""

    def outputs(self, x: npt.NDArray[Any]) -> Outputs:
        """(n, d) prepared, float32 or float64, to (n, 1), computed in float64.

        Raises:
            Refused: another width.
        """
        if x.ndim != 2 or x.shape[1] != len(self.weights):
            raise Refused(f"a ridge of {len(self.weights)} columns cannot take rows of the shape {x.shape}")
        found = np.empty((len(x), 1))
        weights = self.weights[:, 0]
        for start in range(0, len(x), BLOCK):
            place = slice(start, start + BLOCK)
            np.einsum("ij,j->i", x[place].astype(np.float64), weights, out=found[place, 0])  # see BLOCK
        found += self.offset
        return found

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Weights and offset."""
        return {"weights": self.weights, "offset": self.offset}

    def settings(self) -> Mapping[str, Any]:
        """Penalty, the held-out errors it was chosen by, degrees of freedom, rows."""
        return {
            "penalty": self.choice.penalty,
            "penalties": list(self.choice.penalties),
            "held_out_errors": list(self.choice.held_out_errors),
            "degrees_of_freedom": self.degrees_of_freedom,
            "rows": self.rows,
        }

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "RidgeModel":
        """What `tensors` and `settings` describe."""
        choice = Choice(settings["penalty"], tuple(settings["penalties"]), tuple(settings["held_out_errors"]))
        return cls(tensors["weights"], tensors["offset"], settings["rows"], choice, settings["degrees_of_freedom"])


def solve(
    moments: Moments, choice: Choice, columns: ColumnMap | None = None, equations: "Equations | None" = None
) -> RidgeModel:
    """The ridge of one penalty, from moments alone: how a model is refitted when some rows were added to them.

    Args:
        moments: of (c) columns less their origin.
        choice: the penalty.
        columns: to the prepared columns; None: the moments are of these, less their origin.
        equations: of these, where they were made already.

    Raises:
        Refused: the penalty is too small beside columns that repeat each other.
    """
    from scipy.linalg.lapack import dtrtri

    columns = columns or ColumnMap.moved(moments.origin.columns)
    equations = equations or Equations.of(moments, choice.penalty, columns)
    weights = equations.solve(equations.products)
    weights += equations.solve(equations.products - equations.gram @ weights)
    inverse, _ = dtrtri(equations.factor, lower=1)
    freedom = len(weights) - choice.penalty * float(((inverse * equations.scale) ** 2).sum())
    offset = moments.origin.target + moments.offsets(columns.weights(weights[:, None])) - columns.constant @ weights
    return RidgeModel(weights[:, None], offset, int(moments.count), choice, freedom)


def refine(
    model: RidgeModel, moments: Moments, columns: ColumnMap, slopes: Vector, equations: "Equations | None" = None
) -> tuple[RidgeModel, float]:
    """One step of iterative refinement, for moments that were summed in less precision than rows have.

    Args:
        model: of the moments.
        moments: of (c) columns less their origin.
        columns: to the prepared columns.
        slopes: (1 + c,) sums over the rows, in float64, of the model's errors, and of these times each column.
        equations: that the model solves, where they were made already.

    Returns:
        the better model; how far its weights moved, as a share of their length: about by that factor the residual of
        the normal equations has shrunk.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., chapter 12.
    """
    equations = equations or Equations.of(moments, model.choice.penalty, columns)
    weights = model.weights[:, 0]
    slope = columns.columns(slopes[1:] - moments.sums / moments.count * slopes[0])
    step = equations.solve(slope - model.choice.penalty * weights)
    moved = float(np.linalg.norm(step)) / max(float(np.linalg.norm(weights)), np.finfo(float).tiny)
    added = columns.weights(step[:, None])[:, 0]
    offset = model.offset + (slopes[0] - moments.sums @ added) / moments.count - columns.constant @ step
    return replace(model, weights=model.weights + step[:, None], offset=offset), moved


@dataclass(frozen=True, eq=False)
class Equations:
    """The normal equations of prepared columns: `gram @ weights = products`, the penalty added already."""

    gram: Matrix
    products: Vector
    factor: Matrix
    """Of Cholesky, of the equations scaled to a diagonal of ones: then it does not mind columns of 1e10 beside 0.1."""
    scale: Vector

    @classmethod
    def of(cls, moments: Moments, penalty: float, columns: ColumnMap) -> "Equations":
        """Of the moments of columns, prepared.

        Raises:
            Refused: the penalty is too small beside columns that repeat each other.
        """
        from scipy.linalg import LinAlgError, cholesky

        centred = moments.centred
        gram = columns.gram(centred[:-1, :-1])
        np.fill_diagonal(gram, np.diagonal(gram) + penalty)
        scale = 1 / np.sqrt(np.diagonal(gram))
        try:
            factor = cholesky(gram * scale * scale[:, None], lower=True, check_finite=False)
        except LinAlgError as error:
            raise Refused(f"penalty {penalty:g} is too small for columns that repeat each other: take more") from error
        return cls(gram, columns.columns(centred[-1, :-1]), factor, scale)

    def solve(self, right: Vector) -> Vector:
        """(p,) weights for another right side."""
        from scipy.linalg import cho_solve

        found: Vector = self.scale * cho_solve((self.factor, True), self.scale * right, check_finite=False)
        return found
