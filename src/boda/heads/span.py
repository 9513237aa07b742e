"""Span: where rows are fewer than columns, coordinates in which weights have no more numbers than there are rows.

The best weights under an L2 penalty are a sum of rows (the representer theorem: Kimeldorf and Wahba, J. Math. Anal.
Appl. 33, 1971). With X' = Q R, weights Q a have the length of a, and X Q a = R'a: the problem in a is the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.heads.design import Design
from boda.heads.links import Doubles


@dataclass(frozen=True, eq=False)
class Span:
    """A design, narrowed where that is shorter."""

    design: Design
    """(n, min(n, d)); of float64 where it was narrowed, so that nothing is rounded."""
    basis: Doubles | None
    """(d, n); None where nothing was to be narrowed."""

    def weights(self, narrow: Doubles) -> Doubles:
        """(k, min(n, d)) weights to (k, d)."""
        return narrow if self.basis is None else np.asarray(narrow @ self.basis.T)


def span_of(design: Design) -> Span:
    """Of the rows of a design."""
    if design.rows >= design.width:
        return Span(design, None)
    basis, triangle = np.linalg.qr(design.dense().astype(np.float64).T)
    rows: npt.NDArray[Any] = np.ascontiguousarray(triangle.T)
    return Span(Design.of(rows), basis)
