"""Moments: sums of products that say all that least squares needs to know of rows, and that add up."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.cores import BLOCK, shares, side_by_side
from boda.errors import Refused
from boda.heads.column_map import Matrix, Vector
from boda.heads.design import Design
from boda.heads.inputs import Rows

SAMPLE = 1025
"""Rows whose median is the origin that moments are measured from."""

Fill: TypeAlias = Callable[[Rows, npt.NDArray[Any]], None]
"""Writes the columns of some rows, (r, c) float32 or float64."""


@dataclass(frozen=True, eq=False)
class Origin:
    """What is taken from columns and target before they are multiplied, so that a mean far from 0 costs no digits."""

    columns: Vector
    """(c,)."""
    target: float

    @classmethod
    def of(cls, design: Design, target: Vector) -> "Origin":
        """The median of a sample of rows, which an outlier does not move; the mean of the target."""
        rows = np.unique(np.linspace(0, design.rows - 1, min(SAMPLE, design.rows)).astype(np.intp))
        sample, middle = design.make(rows), len(rows) // 2
        return cls(np.partition(sample, middle, axis=0)[middle].astype(np.float64), float(target.mean()))


@dataclass(frozen=True, eq=False)
class Moments:
    """Of rows z = (1, x - origin, y - origin): the sum of z z', float64 (c + 2, c + 2).

    Sums are taken of what is there, and never as a difference of larger ones: rows with huge values leave no trace
    in the moments of the others.
    """

    matrix: Matrix
    origin: Origin

    @classmethod
    def of(cls, design: Design, target: Vector, origin: Origin | None = None) -> "Moments":
        """Of all rows of a design; `origin` is that of the moments they shall be added to."""
        found = Moments.by_fold(design, target, np.zeros(len(target), np.int64), origin or Origin.of(design, target))
        return found[0]

    @classmethod
    def by_fold(
        cls, design: Design, target: Vector, folds: npt.NDArray[np.int64], origin: Origin
    ) -> "tuple[Moments, ...]":
        """Of folds 0 to k - 1, in one pass over the design.

        Raises:
            Refused: a column is not finite, or too large to be squared.
        """

        def fill(rows: Rows, out: Matrix) -> None:
            np.subtract(design.make(rows), origin.columns, out=out)

        found = cls.gather(fill, target, folds, origin)
        if not all(np.isfinite(one.matrix).all() for one in found):
            raise Refused("the design has values that are not finite, or too large: standardise its inputs")
        return found

    @classmethod
    def gather(
        cls,
        fill: Fill,
        target: Vector,
        folds: npt.NDArray[np.int64],
        origin: Origin,
        precision: type[np.float32 | np.float64] = np.float64,
    ) -> "tuple[Moments, ...]":
        """Of folds 0 to k - 1.

        Args:
            fill: writes the columns, less the origin, of some rows.
            target: (n,).
            folds: (n,).
            origin: what the moments are measured from.
            precision: of the products of one block, which are added up in float64.
        """
        width, count = len(origin.columns) + 2, int(folds.max()) + 1

        def of_share(share: slice) -> npt.NDArray[np.float64]:
            matrices = np.zeros((count, width, width))
            with np.errstate(over="ignore", invalid="ignore"):
                for rows, fold, z in rows_by_fold(fill, folds, width, share, precision):
                    z[:, -1] = target[rows] - origin.target
                    matrices[fold] += z.T @ z
            return matrices

        found = side_by_side(of_share, shares(len(target), 8 * count * width**2))
        return tuple(cls(matrix, origin) for matrix in sum(found[1:], found[0]))

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.matrix + other.matrix, self.origin)

    @classmethod
    def total(cls, several: "Iterable[Moments]") -> "Moments":
        """All of them together."""
        first, *rest = several
        matrix = first.matrix.copy()
        for one in rest:
            matrix += one.matrix
        return cls(matrix, first.origin)

    @property
    def count(self) -> float:
        """Rows."""
        return float(self.matrix[0, 0])

    @property
    def sums(self) -> Vector:
        """(c,) of the columns, less the origin."""
        return self.matrix[0, 1:-1]

    @property
    def squares(self) -> Vector:
        """(c,) sums of squares of the columns, less the origin."""
        return np.diagonal(self.matrix)[1:-1]

    @cached_property
    def centred(self) -> Matrix:
        """(c + 1, c + 1) sums of products of columns and target, each less its mean."""
        sums = self.matrix[0, 1:]
        found: Matrix = self.matrix[1:, 1:] - np.outer(sums, sums / self.count)
        return found

    def offsets(self, weights: Matrix) -> Vector:
        """(m,) offsets that make the mean error of (c, m) weights 0, for columns and target less the origin."""
        found: Vector = (self.matrix[0, -1] - self.sums @ weights) / self.count
        return found

    def squared_errors(self, weights: Matrix, offsets: Vector) -> Vector:
        """(m,) sums of squared errors on these rows of (c, m) weights with (m,) offsets."""
        errors = np.vstack([-offsets, -weights, np.ones(len(offsets))])
        found: Vector = np.einsum("ij,ij->j", errors, self.matrix @ errors)
        return np.maximum(found, 0)


def rows_by_fold(
    fill: Fill,
    folds: npt.NDArray[np.int64],
    width: int,
    share: slice,
    precision: type[np.float32 | np.float64] = np.float64,
) -> Iterator[tuple[npt.NDArray[np.intp], int, npt.NDArray[Any]]]:
    """Some rows of one fold after another, block by block, so that each row of the share is read once and in order.

    Yields:
        the rows; their fold, 0 to k - 1; (r, width) of 1, the columns, and one that is free. Gone with the next.
    """
    buffer = np.ones((min(BLOCK, share.stop - share.start), width), precision)
    for start in range(share.start, share.stop, BLOCK):
        there = folds[start : min(start + BLOCK, share.stop)]
        for fold in np.unique(there):
            rows = start + np.flatnonzero(there == fold)
            z = buffer[: len(rows)]
            fill(rows, z[:, 1:-1])
            yield rows, int(fold), z
