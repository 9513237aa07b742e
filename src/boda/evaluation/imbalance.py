"""Imbalance: how unevenly classes are represented."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.evaluation.plain import as_plain


@dataclass(frozen=True, slots=True)
class Imbalance:
    """Rows of each class."""

    names: tuple[str, ...]
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    """The largest one is the accuracy of always naming the commonest class."""
    effective: float
    """How many equally common classes would be as varied: the exponential of the entropy (Hill, Ecology 54, 1973)."""
    missing: tuple[str, ...]
    """Classes without a row."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def imbalance_of(classes: npt.NDArray[np.int64], names: Sequence[str]) -> Imbalance:
    """Count the rows of each class.

    Args:
        classes: (n,) places in `names`.
        names: of the k classes.

    >>> imbalance_of(np.array([0, 0, 0, 1]), ["spiral", "merger", "star"]).missing
    ('star',)
    """
    counts = np.bincount(classes, minlength=len(names))
    shares = counts / max(1, counts.sum())
    there = shares[shares > 0]
    return Imbalance(
        names=tuple(names),
        counts=tuple(int(count) for count in counts),
        shares=tuple(float(share) for share in shares),
        effective=float(np.exp(-(there * np.log(there)).sum())) if len(there) else 0.0,
        missing=tuple(name for name, count in zip(names, counts, strict=True) if count == 0),
    )
