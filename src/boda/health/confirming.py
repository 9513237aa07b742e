"""Which of the pairs that hashes tell or features propose show one picture: their pixels decide.

Two zeros that somebody wrote have features as alike as those of a picture and its cut, and they correlate as well. What
tells them is that there are more such zeros: so two files are one picture where their pixels correlate by `SAME` and
more, and clearly more than either correlates with its next look-alikes. Hashes have been compared with those of
strangers before: of their pairs the pixels must correlate by `HASHED`, or by `BACKED` where features are alike, and
where nobody can look, they stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from boda.health.cuts import BACKED, HASHED, SAME
from boda.health.likeness import Likeness
from boda.health.standing_out import MOST, OTHER
from boda.neighbours.exact import nearest

Rows: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Correlated: TypeAlias = Callable[[Rows], Floats]
"""Of pairs of rows (p, 2): the best correlation (p,) of their pixels, NaN where nobody could look."""

CLEARLY = 0.5
"""More, in Fisher's z (the inverse hyperbolic tangent of a correlation)."""
LOOK_ALIKES = 3
"""Of each row: from its `OTHER`th nearest on, so that up to three copies of a picture do not hide each other."""
PROPOSED = 1_000
"""Pairs that are looked at, at most."""
IN_VAIN = 50
"""Pairs that are looked at together; where none of them is one picture, those that stand out less are not either."""

_LARGEST = 0.9999  # correlation; more is rounding


@dataclass(frozen=True, eq=False)
class Confirmed:
    """What pixels say of proposed pairs."""

    pairs: Rows
    """(q, 2) that were looked at."""
    correlations: Floats
    """(q,); NaN where nobody could look."""
    same: npt.NDArray[np.bool_]
    """(q,) whether the two are one picture."""
    left: int = 0
    """Proposals that were not looked at."""

    @property
    def blind(self) -> int:
        """How many of the pairs could not be compared."""
        return int(np.isnan(self.correlations).sum())


NOTHING = Confirmed(np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0, bool))
"""Where nobody looks."""


def upheld(pairs: Rows, backed: npt.NDArray[np.bool_], correlated: Correlated | None) -> Confirmed:
    """Look at pairs that hashes tell: they are one picture unless they correlate by less than `HASHED`, or `BACKED`.

    Args:
        pairs: (p, 2)
        backed: (p,) whether features are alike, too.
        correlated: None: nobody can look.
    """
    values = np.full(len(pairs), np.nan) if correlated is None or not len(pairs) else correlated(pairs)
    return Confirmed(pairs, values, ~(values < np.where(backed, BACKED, HASHED)))


@dataclass(frozen=True, eq=False)
class Proposals:
    """Pairs of rows, those first that stand out most, and the look-alikes of each row in them."""

    pairs: Rows
    """(p, 2)"""
    rows: Rows
    """(r,) that are in some pair, ascending."""
    look_alikes: Rows
    """(r, c) of each of these, the most alike first."""

    @classmethod
    def among(cls, alike: Likeness, pairs: Rows, *, rng: np.random.Generator) -> "Proposals":
        """Put pairs in order: by how much more alike they are than either is to its `OTHER`th nearest.

        Args:
            alike: of u rows.
            pairs: (p, 2) of these.
            rng: draws the rows that look-alikes are looked for among, where there are more than `MOST`.
        """
        n, rows = len(alike.index), np.unique(pairs)
        among = np.arange(n) if n <= MOST else np.sort(rng.choice(n, MOST, replace=False))
        place = np.full(n, -1)
        place[among] = np.arange(len(among))
        most = min(OTHER + LOOK_ALIKES - 1, len(among) - 1)
        if not len(rows) or most < 1:
            return cls(pairs, rows, np.zeros((len(rows), 0), np.int64))
        found = nearest(alike.unit(among), alike.unit(rows), most, exclude=place[rows])
        usual = 1 - found.distances[:, min(OTHER, most) - 1]
        margin = alike.of(pairs) - usual[np.searchsorted(rows, pairs)].max(axis=1)
        return cls(pairs[np.argsort(-margin, kind="stable")], rows, among[found.rows[:, OTHER - 1 :]])

    def beside(self, pair: Rows) -> Rows:
        """(c, 2) either row of a pair with each of its look-alikes."""
        found = [
            (row, other)
            for row in pair.tolist()
            for other in self.look_alikes[np.searchsorted(self.rows, row)].tolist()
            if other not in pair
        ]
        return np.sort(np.array(found, np.int64).reshape(-1, 2), axis=1)


def confirmed(proposals: Proposals, correlated: Correlated) -> Confirmed:
    """Look at proposals, those first that stand out most, as long as some of them are one picture."""
    pairs, values, same = [np.zeros((0, 2), np.int64)], [np.zeros(0)], [np.zeros(0, bool)]
    seen = 0
    while seen < min(len(proposals.pairs), PROPOSED):
        block = proposals.pairs[seen : seen + IN_VAIN]
        found = correlated(block)
        one = found >= SAME
        one[one] = _clearly(found[one], block[one], proposals, correlated)
        seen += len(block)
        pairs, values, same = [*pairs, block], [*values, found], [*same, one]
        if not one.any():
            break
    return Confirmed(np.concatenate(pairs), np.concatenate(values), np.concatenate(same), len(proposals.pairs) - seen)


def _clearly(found: Floats, pairs: Rows, proposals: Proposals, correlated: Correlated) -> npt.NDArray[np.bool_]:
    """(p,) whether each pair correlates clearly more than either row with any of its look-alikes."""
    beside = [proposals.beside(pair) for pair in pairs]
    every = np.unique(np.concatenate([np.zeros((0, 2), np.int64), *beside]), axis=0)
    known = dict(zip(map(tuple, every.tolist()), np.nan_to_num(correlated(every)), strict=True)) if len(every) else {}
    usual = np.array([max((known[tuple(one)] for one in of_pair.tolist()), default=0.0) for of_pair in beside])
    more: npt.NDArray[np.bool_] = _z(found) - _z(usual) >= CLEARLY
    return more


def _z(correlations: Floats) -> Floats:
    z: Floats = np.arctanh(np.clip(correlations, 0, _LARGEST))
    return z
