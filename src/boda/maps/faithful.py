"""How far a map can be trusted: which neighbours it shows that are none, which it tears apart, and which it keeps.

Trustworthiness falls with every row that lies near on the map and is far among the features; continuity with every row
that is near among the features and lies far off on the map; both weigh by ranks. Source: Venna and Kaski, ICANN 2001.
Of many rows some are looked at, each with its exact ranks among all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.evaluation.bootstrap import Interval, intervals
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import mean_of
from boda.maps.graph import Rows
from boda.maps.space import Metric, rows_as

LOOKED_AT = 2000
"""Rows at most whose ranks are counted."""
_BLOCK = 4096
_VALUES = 2**23  # distances held at once, 64 MiB
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Faithful:
    """Of each row that was looked at; 1 is best."""

    rows: Rows
    """(m,): which."""
    k: int
    """Neighbours of each."""
    trustworthiness: _Floats
    """(m,); its mean is the trustworthiness of the map. 0 is the worst a whole map can have, one row may have less."""
    continuity: _Floats
    """(m,)"""
    kept: _Floats
    """(m,): share of the k nearest among the features that are among the k nearest on the map."""

    def summary(self, rng: np.random.Generator) -> dict[str, Interval]:
        """The mean of each over rows, and where it would lie for other rows of the same map (level 0.9)."""
        named = {"trustworthiness": self.trustworthiness, "continuity": self.continuity, "kept": self.kept}
        return intervals({name: mean_of(values) for name, values in named.items()}, len(self.rows), rng=rng)

    def as_json(self, rng: np.random.Generator) -> dict[str, Any]:
        """Plain JSON of the summary."""
        plain: dict[str, Any] = as_plain(self.summary(rng))
        return {"k": self.k, "rows": len(self.rows), **plain}


def neighbours_asked(n: int) -> int:
    """How many neighbours are compared: 15, fewer where a third of the rows is less.

    >>> neighbours_asked(60_000), neighbours_asked(20)
    (15, 6)
    """
    return max(1, min(15, (n - 1) // 3))


def rows_looked_at(n: int, rng: np.random.Generator, *, most: int = LOOKED_AT) -> Rows:
    """All rows, or so many of them drawn without replacement, in order."""
    rows: Rows = np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
    return rows


def faithful(
    features: StoredFeatures,
    maps: Sequence[npt.NDArray[np.floating[Any]]],
    rows: Rows,
    *,
    k: int,
    metric: Metric = "euclidean",
) -> list[Faithful]:
    """Compare neighbours among features with neighbours on maps of them.

    Args:
        features: (n, d) finite; read block by block.
        maps: (n, 2) or (n, 3) each.
        rows: (m,): which rows are looked at; all others are their neighbours all the same.
        k: how many neighbours, below half of n.
        metric: of the features.

    Raises:
        Refused: k is not below half of the rows.
    """
    n = len(features)
    if not 1 <= k < n / 2:
        raise Refused(f"{k} neighbours of {n} rows cannot be compared: take at least 1 and fewer than half of the rows")
    found: list[list[_Floats]] = [[] for _ in maps]
    for part, here in _among_features(features, rows, metric):
        for places, told in zip(maps, found, strict=True):
            told.append(_compared(here, _on_map(places, part), k))
    return [Faithful(rows, k, *np.concatenate(told, axis=1)) for told in found]


def _compared(here: _Floats, there: _Floats, k: int) -> _Floats:
    """(3, b) trustworthiness, continuity and share kept, by (b, n) distances among features and on the map."""
    worst = k * (2 * here.shape[1] - 3 * k - 1) / 2
    ranks = _ranks(here, _nearest(there, k))
    trust = 1 - np.maximum(ranks - k, 0).sum(axis=1) / worst
    continuity = 1 - np.maximum(_ranks(there, _nearest(here, k)) - k, 0).sum(axis=1) / worst
    return np.stack([trust, continuity, (ranks <= k).mean(axis=1)])


def _among_features(features: StoredFeatures, rows: Rows, metric: Metric) -> Iterator[tuple[Rows, _Floats]]:
    """Rows, a few at once, and their squared distances (b, n) to all, less what is the same for all of a row."""
    n = len(features)
    middle = rows_as(features[:_BLOCK], metric).mean(axis=0)  # so that little is lost in differences of squares
    for start in range(0, len(rows), step := max(1, _VALUES // n)):
        part = rows[start : start + step]
        asked = rows_as(features[part], metric) - middle
        distances = np.empty((len(part), n))
        for first in range(0, n, _BLOCK):
            block = rows_as(features[first : first + _BLOCK], metric) - middle
            distances[:, first : first + len(block)] = np.square(block).sum(axis=1) - 2 * (asked @ block.T)
        distances[np.arange(len(part)), part] = np.inf
        yield part, distances


def _on_map(places: npt.NDArray[np.floating[Any]], part: Rows) -> _Floats:
    """Squared distances (b, n) of some points to all, infinite to themselves."""
    flat = np.asarray(places, np.float64)
    distances = sum((np.square(axis[part][:, None] - axis) for axis in flat.T), np.zeros((len(part), len(flat))))
    distances[np.arange(len(part)), part] = np.inf
    return distances


def _nearest(distances: _Floats, k: int) -> Rows:
    found: Rows = np.argpartition(distances, k - 1, axis=1)[:, :k]
    return found


def _ranks(distances: _Floats, columns: Rows) -> npt.NDArray[np.int64]:
    """(b, k): how many are nearer than each of these columns, and one; who is as near counts for nobody."""
    ranks = np.empty(columns.shape, np.int64)
    for row, asked in enumerate(columns):
        bars = distances[row, asked]
        ranks[row] = [np.count_nonzero(distances[row] < bar) for bar in bars]
    return ranks + 1
