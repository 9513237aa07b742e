"""Dividing: which rows are learned from, and which choose the best epoch."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.counted import counted
from boda.errors import Refused
from boda.evaluation.folds import split, strata_of
from boda.heads.inputs import Rows
from boda.heads.target import Target
from boda.keys import shown

Mask: TypeAlias = npt.NDArray[np.bool_]

_FOLDS = 20
"""The finest parts that a share of the rows is made of."""
_ROUNDING = 1e-6
"""Of a share: a tenth in float32 is a tenth."""


def divided(
    target: Target | None, rows: int, *, share: float, groups: Sequence[Any] | None, seed: int
) -> tuple[Rows, Rows]:
    """Training and validation rows; classes in equal shares, some row of each to be learned from; groups whole.

    Args:
        target: of these rows.
        rows: how many.
        share: of the validation rows, above 0, at most 0.5: so many at most, of few rows two at the least.
        groups: rows that agree here stay together.
        seed: of the division.

    Raises:
        Refused: the share makes no sense, there are too few rows or groups, or a class is in no other.
    """
    share = share_of(share)
    if rows < 4:
        raise Refused(f"{counted(rows, 'image is', 'images are')} too few: some must be learned from, others tested on")
    strata = None
    if target is not None:
        strata = strata_of(target.kind, target.values, levels=target.levels)
    numbered = None if groups is None else np.unique(np.array([str(one) for one in groups]), return_inverse=True)[1]
    units = rows if numbered is None else len(np.unique(numbered))
    held, folds = _parts(share, min(rows // 2, units))
    if units < 2 or (units < rows // 2 and held > (share + _ROUNDING) * folds):
        raise Refused(
            f"{rows} rows are too few: where groups and copies stay on one side there are {units} parts to divide; add "
            "images, or give other --groups"
        )
    found = split(rows, folds=folds, strata=strata, groups=numbered, rng=np.random.default_rng([seed, 12]))
    apart = found < held
    if target is not None and target.kind == "class":
        apart = _spared(apart, target, np.arange(rows) if numbered is None else numbered)
    return np.flatnonzero(~apart), np.flatnonzero(apart)


def _spared(apart: Mask, target: Target, groups: Rows) -> Mask:
    """(n,) the rows kept apart, less as much as is needed so that some row of each class is learned from.

    Of such a class the smallest group goes back; where then nothing is apart, the smallest that no class needs is.

    Raises:
        Refused: there is none.
    """
    sizes, present = np.bincount(groups), np.unique(target.values)
    for one in present:
        of_class = target.values == one
        if apart[of_class].all():
            theirs = np.unique(groups[of_class])
            apart = apart & (groups != theirs[sizes[theirs].argmin()])
    if apart.any():
        return apart
    for group in np.argsort(sizes, kind="stable"):
        apart = groups == group
        if np.array_equal(np.unique(target.values[~apart]), present):
            return apart
    raise Refused(
        f"target {shown(target.name)!r}: whatever is kept apart, of some class nothing is left to learn from: add "
        "images, or give another --groups"
    )


def share_of(share: Any) -> float:
    """Of the rows, those that choose the best epoch.

    Raises:
        Refused: it is none.
    """
    if isinstance(share, bool) or not isinstance(share, Real) or not 0 < float(share) <= 0.5:
        raise Refused(f"validation={share}: it must be a share above 0, at most 0.5")
    return float(share)


def _parts(share: float, most: int) -> tuple[int, int]:
    """How many of how many equal parts come nearest to a share from below; 1 of as many as there can be, else.

    >>> _parts(0.1, 500), _parts(0.3, 500), _parts(0.4, 500), _parts(0.01, 500), _parts(0.1, 4)
    ((1, 10), (3, 10), (2, 5), (1, 100), (1, 4))
    """
    finest = min(max(_FOLDS, math.ceil(1 / share - _ROUNDING)), max(2, most))
    held = {folds: int((share + _ROUNDING) * folds) for folds in range(2, finest + 1)}
    folds = max(held, key=lambda one: (round(held[one] / one, 9), -one))
    return (held[folds], folds) if held[folds] else (1, finest)
