"""More like these, less like those: one direction from examples (Rocchio's relevance feedback).

    direction = mean of the unit rows of `like` - LESS * mean of the unit rows of `less`

Rows are made unit length first, so that a long one does not count for more. What one asks for weighs more than what one
does not: examples of the wanted kind lie together, those of the unwanted kind lie anywhere. The alternative, the
greatest likeness to any example, finds what is like one of them; the mean finds what they have in common, which is what
several examples are given for.

Source: Rocchio, Relevance feedback in information retrieval, in The SMART Retrieval System, 1971.
"""

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused

LESS = 0.5
"""How much the unwanted counts against the wanted."""

_NOTHING = 1e-6


def direction(like: StoredFeatures, less: StoredFeatures) -> npt.NDArray[np.float64]:
    """(d,) where to look for what is like some rows and unlike others.

    Args:
        like: (p, d) finite, p > 0.
        less: (m, d) finite; m may be 0.

    Raises:
        Refused: both cancel out.

    >>> direction(np.eye(2)[:1], np.eye(2)[1:])
    array([ 1. , -0.5])
    """
    wanted: npt.NDArray[np.float64] = _unit(like).mean(axis=0)
    if len(less):
        wanted = wanted - LESS * _unit(less).mean(axis=0)
    if len(like) + len(less) > 1 and np.linalg.norm(wanted) < _NOTHING:
        raise Refused("what hits are to be like and what they are not to be like cancel out: give other examples")
    return wanted


def _unit(rows: StoredFeatures) -> npt.NDArray[np.float64]:
    """(n, d) at length 1; zeros stay zeros."""
    exact = np.asarray(rows, np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0)
