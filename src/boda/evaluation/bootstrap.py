"""Bootstrap: how much a metric would differ had other rows been drawn.

Rows are drawn again with replacement; where there are groups, whole groups are (the cluster bootstrap), since rows of
one group say nearly the same. Two predictions of the same rows are compared on the same draws.

Intervals are percentiles of the rounds, so they stay inside what the metric can be and mean the same for any monotone
change of it; corrected for the bias of the rounds (Efron, Canadian Journal of Statistics 9, 1981) and widened for few
rows or groups (Hesterberg, The American Statistician 69, 2015), which makes that of a mean as wide as Student's.
Measured on 40 to 200 rows of known truth, eleven such intervals of level 0.9 held it in 0.86 to 0.92 of 300 samples;
plain percentiles in 0.85 to 0.93, and with most misses on one side. BCa needs the metric without each row in turn
besides, and its acceleration is unstable with the few dozen groups that data has. The predictions are taken as given:
the interval says what other rows would do to the score, not what another training set would.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.cores import one_thread
from boda.errors import Refused
from boda.evaluation.plain import as_plain
from boda.evaluation.proportion import share_of
from boda.evaluation.weighted import Floats, Statistic, Weights

Groups = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A number of the rows, and where it would lie for other rows."""

    value: float
    """Of the rows as they are; NaN where it is not defined."""
    low: float
    high: float
    level: float
    """How often such intervals hold the true value, of 1."""
    rounds: int
    undefined: int
    """Rounds in which it was not defined, as when one class was not drawn; they are left out."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; what is not defined is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain


@dataclass(frozen=True, slots=True)
class Difference:
    """First less second on the same rows, and where it would lie for other rows."""

    value: float
    low: float
    high: float
    level: float
    rounds: int
    undefined: int
    share_above_zero: float
    """Of the rounds; rounds at 0 count half."""

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; what is not defined is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def intervals(
    metrics: Mapping[str, Statistic],
    n: int,
    *,
    groups: Groups | None = None,
    rng: np.random.Generator,
    rounds: int = 1000,
    level: float = 0.9,
) -> dict[str, Interval]:
    """An interval for each metric, all on the same draws.

    Args:
        metrics: functions of how often each row counts, as `metrics.statistics` gives them.
        n: how many rows.
        groups: (n,); whole groups are drawn.
        rng: of the draws.
        rounds: how many draws.
        level: share of intervals that should hold the true value.

    Raises:
        Refused: no rows, groups of another length, no rounds, or a level that is no share.
    """
    drawn = draws(metrics, n, groups=groups, rng=rng, rounds=rounds)
    units = n if groups is None else len(np.unique(groups))
    once = np.ones(n)
    return {
        name: interval_of(statistic(once), drawn[name], units=units, level=level) for name, statistic in metrics.items()
    }


def paired_difference(
    first: Statistic,
    second: Statistic,
    n: int,
    *,
    groups: Groups | None = None,
    rng: np.random.Generator,
    rounds: int = 1000,
    level: float = 0.9,
) -> Difference:
    """First less second, where both are metrics of the same rows; arguments and errors are those of `intervals`."""
    both = {"first": first, "second": second}
    drawn = draws(both, n, groups=groups, rng=rng, rounds=rounds)
    once = np.ones(n)
    return difference_of(
        first(once) - second(once),
        drawn["first"] - drawn["second"],
        units=n if groups is None else len(np.unique(groups)),
        level=level,
    )


def interval_of(value: float, rounds: Floats, *, units: int, level: float = 0.9) -> Interval:
    """An interval from rounds; arguments are those of `difference_of`.

    Where all is right (a metric of 1 in every round) draws say nothing of what is still to come, so the lower end is
    Wilson's for as many hits as there are units.
    """
    low, high, undefined = _ends(value, rounds, units, level)
    if value == 1.0 and low == high == 1.0:
        low = share_of(np.ones(units, bool), level=level).low
    return Interval(value, low, high, level, len(rounds), undefined)


def interval_around(value: float, rounds: Floats, *, units: int, level: float = 0.9) -> Interval:
    """Student's interval with the deviation of the rounds, around the value and not around them.

    For what draws with repeated rows distort, so that no share of the rounds is a place for the value. Arguments are
    those of `difference_of`.
    """
    from scipy.special import stdtrit

    _, _, undefined = _ends(value, rounds, units, level)
    defined = rounds[~np.isnan(rounds)]
    if units < 2 or len(defined) < 2 or np.isnan(value):
        return Interval(value, float("nan"), float("nan"), level, len(rounds), undefined)
    reach = float(stdtrit(units - 1, (1 + level) / 2) * np.sqrt(units / (units - 1)) * defined.std(ddof=1))
    return Interval(value, value - reach, value + reach, level, len(rounds), undefined)


def difference_of(value: float, rounds: Floats, *, units: int, level: float = 0.9) -> Difference:
    """A difference from its rounds: for more than two predictions on the draws of one `draws`.

    Args:
        value: on the rows as they are.
        rounds: (rounds,) the difference in each draw.
        units: how many rows, or groups, there are to draw from.
        level: share of intervals that should hold the true value.
    """
    low, high, undefined = _ends(value, rounds, units, level)
    defined = rounds[~np.isnan(rounds)]
    above = float(np.mean((defined > 0) + 0.5 * (defined == 0))) if len(defined) else float("nan")
    return Difference(value, low, high, level, len(rounds), undefined, above)


def draws(
    metrics: Mapping[str, Statistic], n: int, *, groups: Groups | None = None, rng: np.random.Generator, rounds: int
) -> dict[str, Floats]:
    """(rounds,) of each metric; NaN where it was not defined in a round. Errors are those of `intervals`."""
    if n < 1 or rounds < 1:
        raise Refused(f"a bootstrap needs at least 1 row and 1 round, not {n} and {rounds}")
    if groups is not None and groups.shape != (n,):
        raise Refused(f"{n} rows need as many groups, not an array of shape {groups.shape}")
    found = {name: np.empty(rounds) for name in metrics}
    with one_thread():
        for place, weights in enumerate(_weights(n, groups, rng, rounds)):
            for name, statistic in metrics.items():
                found[name][place] = statistic(weights)
    return found


def _weights(n: int, groups: Groups | None, rng: np.random.Generator, rounds: int) -> Iterator[Weights]:
    """How often each row counts, per round."""
    place = None if groups is None else np.unique(groups, return_inverse=True)[1]
    units = n if place is None else int(place.max()) + 1
    for _ in range(rounds):
        counts = np.bincount(rng.integers(units, size=units), minlength=units).astype(np.float64)
        yield counts if place is None else counts[place]


def _ends(value: float, rounds: Floats, units: int, level: float) -> tuple[float, float, int]:
    """The ends of the interval, and how many rounds were not defined."""
    if not 0 < level < 1:
        raise Refused(f"a level of {level} is no share: choose one between 0 and 1, such as 0.9")
    defined = rounds[~np.isnan(rounds)]
    undefined = len(rounds) - len(defined)
    if units < 2 or not len(defined) or np.isnan(value):
        return float("nan"), float("nan"), undefined
    low, high = np.quantile(
        defined, _places(float(np.mean((defined < value) + 0.5 * (defined == value))), units, level)
    )
    return float(low), float(high), undefined


def _places(below: float, units: int, level: float) -> Floats:
    """Which quantiles of the rounds are the ends, where the share `below` of them lies below the value itself."""
    from scipy.special import ndtr, ndtri, stdtrit

    normal = np.sqrt(units / (units - 1)) * stdtrit(units - 1, (1 + level) / 2)
    bias = ndtri(np.clip(below, 0.001, 0.999))
    places: Floats = ndtr(2 * bias + np.array([-normal, normal]))
    return places
