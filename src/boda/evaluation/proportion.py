"""The interval of a share: how far a share of rows may lie from that of all rows there could be."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.evaluation.plain import as_plain


@dataclass(frozen=True, slots=True)
class Share:
    """A share of rows with its interval; NaN where there are no rows."""

    value: float
    low: float
    high: float
    rows: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; NaN is None."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def share_of(hits: npt.NDArray[np.bool_], *, groups: npt.NDArray[np.int64] | None = None, level: float = 0.9) -> Share:
    """The share of rows that are hits, with Wilson's interval.

    Rows of one group say nearly the same: with groups, the number of rows is divided by how much larger the variance
    of the share is between groups than it would be for independent rows (Korn and Graubard, Survey Methodology 24,
    1998).

    Args:
        hits: (n,).
        groups: (n,) of rows that belong together.
        level: share of intervals that should hold the true share.

    Source: Wilson, Journal of the American Statistical Association 22, 1927.

    >>> share = share_of(np.arange(100) < 90)
    >>> round(share.low, 3), share.value, round(share.high, 3)
    (0.84, 0.9, 0.939)
    """
    n = len(hits)
    if n == 0:
        return Share(float("nan"), float("nan"), float("nan"), 0)
    from scipy.special import ndtri

    share = float(np.mean(hits))
    rows = float(n) if groups is None else _independent_rows(hits.astype(np.float64), groups)
    z2 = float(ndtri((1 + level) / 2)) ** 2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = np.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2))) / (1 + z2 / rows)
    return Share(share, max(0.0, float(middle - half)), min(1.0, float(middle + half)), n)


def _independent_rows(hits: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> float:
    """As how many independent rows they count; as many as groups where all rows agree."""
    place = np.unique(groups, return_inverse=True)[1]
    count, n = int(place.max()) + 1, len(hits)
    alone = hits.mean() * (1 - hits.mean()) / n
    if count == 1 or alone == 0:
        return float(count)
    off = np.bincount(place, weights=hits - hits.mean())
    together = float(np.square(off).sum()) * count / (count - 1) / n**2
    return float(n * min(1.0, alone / together)) if together > 0 else float(n)
