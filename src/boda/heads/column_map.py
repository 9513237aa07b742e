"""Column map: standardised columns as a linear map of columns that no training set shaped."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ColumnMap:
    """From (n, c) columns x to (n, p): column i is `scale[i] x[source[i]] + share[i] x[other[i]] + constant[i]`.

    Standardising is one such map, imputing a mean where an indicator is 1 another: so one product matrix of x serves
    the prepared columns of every training set.
    """

    width: int
    """c."""
    source: npt.NDArray[np.intp]
    """(p,), each at most once."""
    scale: Vector
    other: npt.NDArray[np.intp]
    share: Vector
    constant: Vector

    @classmethod
    def moved(cls, by: Vector) -> "ColumnMap":
        """Columns as they are, but for a constant added to each, (c,)."""
        width = len(by)
        return cls(width, np.arange(width), np.ones(width), np.zeros(width, np.intp), np.zeros(width), by)

    @classmethod
    def beside(cls, maps: Sequence["ColumnMap"]) -> "ColumnMap":
        """Maps of blocks that stand side by side, as one."""
        starts = np.cumsum([0, *(one.width for one in maps)])
        places = list(zip(maps, starts[:-1], strict=True))
        return cls(
            int(starts[-1]),
            np.concatenate([one.source + start for one, start in places]),
            np.concatenate([one.scale for one in maps]),
            np.concatenate([one.other + start for one, start in places]),
            np.concatenate([one.share for one in maps]),
            np.concatenate([one.constant for one in maps]),
        )

    def gram(self, gram: Matrix) -> Matrix:
        """(c, c) centred products of x to those of the prepared columns, (p, p)."""
        return self.columns(np.ascontiguousarray(self.columns(gram).T))

    def columns(self, values: Matrix) -> Matrix:
        """(..., c) to (..., p), without the constant."""
        found: Matrix = values[..., self.source]
        found *= self.scale
        if self.share.any():
            found += values[..., self.other] * self.share
        return found

    def weights(self, weights: Matrix) -> Matrix:
        """(p, m) weights of prepared columns to (c, m) of x; their offset moves by `constant @ weights`."""
        found = np.zeros((self.width, weights.shape[1]))
        found[self.source] = weights * self.scale[:, None]
        if self.share.any():
            np.add.at(found, self.other, weights * self.share[:, None])
        return found
