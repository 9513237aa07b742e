"""Penalty path: from the strongest penalty to the weakest on inner folds, each fit starting where the last two lead.

All folds are fitted at once, and all columns of them. What is compared is the log loss of the rows held out. A fit of
the path ends with a step that is expected to lower its objective by less than a ten-thousandth: of 15,000 images with
512 columns in ten classes that moves no held-out loss by more than 4e-5 of itself, where neighbouring penalties differ
by 3 % and more. The penalty that is chosen is then solved to the end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.folds import split
from boda.heads.curvature import Curvature
from boda.heads.design import Design
from boda.heads.links import Doubles, Link
from boda.heads.newton import solve
from boda.heads.problems import Problems

FOLDS = 5
ONE_HELD_OUT = 20_000
"""Rows from which on one fifth is held out once: its log loss is then known well enough."""
_LOOSE = 1e-4
_WEAKEST, _STRONGEST = 10, 6
"""Decades that default penalties go down and up at most from the mean sum of squares of a column."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Which penalties, and why."""

    penalties: Doubles
    """(c,) chosen."""
    tried: tuple[float, ...] = ()
    """From the strongest on; empty where there was nothing to choose."""
    held_out: tuple[tuple[float, ...], ...] = ()
    """Mean log loss of the rows held out, of each penalty tried: one for each unit."""
    start: Doubles | None = None
    """(1, k, d + 1): the mean of the folds at what was chosen."""

    @property
    def at_border(self) -> npt.NDArray[np.bool_]:
        """(c,): whether the strongest or the weakest of all tried was the best."""
        if not self.tried:
            return np.zeros(len(self.penalties), bool)
        return np.isin(self.penalties, (self.tried[0], self.tried[-1]))


def refuse_penalties(penalties: Sequence[float] | None) -> None:
    """Refuse what is no list of penalties.

    Raises:
        Refused: none, or one that is not positive and finite.
    """
    if penalties is not None and (not len(penalties) or not all(0 < one < np.inf for one in penalties)):
        raise Refused(f"penalties must be positive numbers, at least one, not {penalties!r}")


def held_out_rows(
    groups: npt.NDArray[np.int64], strata: npt.NDArray[np.int64] | None, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """(g, n): 1 where a row trains, 0 where it is held out; whole groups.

    Raises:
        Refused: all rows are of one group.
    """
    different = len(np.unique(groups))
    if different < 2:
        raise Refused("rows of one group cannot choose a penalty: give one penalty")
    whole = None if different == len(groups) else groups
    numbers = split(len(groups), folds=min(FOLDS, different), strata=strata, groups=whole, rng=rng)
    count = 1 if len(groups) > ONE_HELD_OUT else numbers.max() + 1
    return np.asarray(numbers != np.arange(count)[:, None], np.float32)


def choose(
    design: Design,
    link: Link,
    shares: Doubles,
    weights: Doubles,
    folds: npt.NDArray[np.float32],
    penalties: Sequence[float] | None,
) -> Choice:
    """The penalty with the least held-out loss; of each column where columns are units.

    Args:
        design: (n, d).
        link: of scores to shares.
        shares: (k, n), see `Problems`.
        weights: (c, n).
        folds: (g, n), see `held_out_rows`.
        penalties: to choose from, all tried; None: half a decade apart, until the loss of every unit has risen twice
            on both sides.
    """
    path = _Path(Problems(design, link, shares, folds, weights))
    if penalties is not None:
        for penalty in sorted(set(penalties), reverse=True):
            path.fit(penalty)
        return path.choice()
    unit = _unit(design)
    for penalty in _downwards(unit):
        path.fit(penalty)
        if path.risen_twice():
            break
    path.turn()
    for penalty in _upwards(unit):
        if path.risen_twice():
            break
        path.fit(penalty)
    return path.choice()


class _Path:
    """What was tried, and what came of it."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._losses: dict[float, Doubles] = {}
        self._coefficients: dict[float, Doubles] = {}
        self._order: list[float] = []
        self._curvature: Curvature | None = None

    def fit(self, penalty: float) -> None:
        found = solve(
            self._problems,
            penalty,
            start=self._ahead(penalty),
            tolerance=_LOOSE,
            sought="expected",
            curvature=self._curvature,
        )
        self._curvature = found.curvature
        self._losses[penalty] = found.held_out.sum(axis=0) / np.maximum(self._problems.held_out_weight, 1e-300)
        self._coefficients[penalty] = found.coefficients
        self._order.append(penalty)

    def _ahead(self, penalty: float) -> Doubles | None:
        """Coefficients on a straight line in the logarithm of the penalty through the last two."""
        if len(self._order) < 2:
            return self._coefficients[self._order[0]] if self._order else None
        before, last = self._order[-2:]
        share = min(np.log(penalty / last) / np.log(last / before), 1.0)
        change = self._coefficients[last] - self._coefficients[before]
        return np.asarray(self._coefficients[last] + share * change)

    def turn(self) -> None:
        """Go on from the other end."""
        self._order.reverse()

    def risen_twice(self) -> bool:
        """Whether the last two steps made the held-out loss of every unit no better than its best before."""
        if len(self._order) < 3:
            return False
        losses = np.stack([self._losses[penalty] for penalty in self._order])
        return bool((losses[-2:].min(axis=0) >= losses[:-2].min(axis=0)).all())

    def choice(self) -> Choice:
        tried = sorted(self._losses, reverse=True)
        losses = np.stack([self._losses[penalty] for penalty in tried])
        best = losses.argmin(axis=0)
        columns = self._problems.shape[1]
        starts = np.stack([self._coefficients[penalty].mean(axis=0) for penalty in tried])
        start = starts[np.broadcast_to(best, columns), np.arange(columns)][None]
        return Choice(np.array(tried)[best], tuple(tried), tuple(tuple(row) for row in losses.tolist()), start)


def _downwards(unit: float) -> Iterator[float]:
    return (unit * 10 ** (-step / 2) for step in range(2 * _WEAKEST + 1))


def _upwards(unit: float) -> Iterator[float]:
    return (unit * 10 ** (step / 2) for step in range(1, 2 * _STRONGEST + 1))


def _unit(design: Design) -> float:
    """Sum of squares of a column about its mean, the mean of all columns, to the nearest power of ten."""
    sums, squares = np.zeros(design.width), 0.0
    for _, x in design.blocks():
        sums += x.sum(axis=0, dtype=np.float64)
        squares += float(np.einsum("nd,nd->", x, x, dtype=np.float64))
    spread = (squares - float(sums @ sums) / design.rows) / design.width
    return float(10.0 ** round(np.log10(spread))) if spread > 1e-12 * squares / design.width else 1.0


def described(choice: Choice) -> dict[str, Any]:
    """As plain JSON."""
    return {
        "penalties": list(choice.tried),
        "held_out_losses": [list(row) for row in choice.held_out],
        "penalty_at_border": choice.at_border.tolist(),
    }
