"""What is measured of a map: its errors on rows, against principal components, and what chance did to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.evaluation.bootstrap import intervals
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import mean_of
from boda.maps.agreement import by_chance, disagreement
from boda.maps.faithful import Faithful, faithful, neighbours_asked, rows_looked_at
from boda.maps.graph import Rows
from boda.maps.mapping import Settings, map_rows, random_maps, settings_for
from boda.maps.tsne import Stepped

STARTED = 20_000
"""Rows at most that are mapped again from random starts; of more, so many drawn ones, as a map of their own."""
_Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What is known of a map."""

    points: Mapping[str, _Values]
    """(n,) each, NaN where it was not measured."""
    record: Mapping[str, Any]
    """Plain JSON."""


def measure(
    features: StoredFeatures,
    places: npt.NDArray[np.float32],
    settings: Settings,
    *,
    starts: int,
    threads: int,
    stepped: Stepped = lambda: None,
) -> Measured:
    """The errors of a map, with intervals over rows, beside those of principal components.

    Args:
        features: (n, d).
        places: (n, 2) or (n, 3).
        settings: of the map.
        starts: how many maps from other random starts; 0 for none. Of a PCA there are none.
        threads: of t-SNE.
        stepped: is called after each step of each of these maps.
    """
    n = len(features)
    rows = rows_looked_at(n, np.random.default_rng([settings.seed, 2]))
    maps = [places]
    if settings.method != "pca":
        plain = settings_for(n, "pca", dims=settings.dims, metric=settings.metric)
        maps.append(map_rows(features, plain).places)
    found, *baselines = faithful(features, maps, rows, k=neighbours_asked(n), metric=settings.metric)
    points, record = _told(found, n, settings.seed)
    for baseline in baselines:
        record["baseline"] = baseline.as_json(np.random.default_rng([settings.seed, 3]))
    if starts and settings.method != "pca":
        values, record["disagreement"] = _chance(features, settings, starts, threads, stepped)
        points["disagreement"] = values
    return Measured(points, record)


def measure_placed(
    features: StoredFeatures, places: npt.NDArray[np.float32], new: Rows, settings: Settings
) -> Measured:
    """The errors of the rows that were placed, among all points, old and new.

    Args:
        features: (n, d) of all points.
        places: (n, 2) or (n, 3).
        new: (m,): which were placed.
        settings: of the map.
    """
    n = len(features)
    rows = new[rows_looked_at(len(new), np.random.default_rng([settings.seed, 2]))]
    (found,) = faithful(features, [places], rows, k=neighbours_asked(n), metric=settings.metric)
    return Measured(*_told(found, n, settings.seed))


def _told(found: Faithful, n: int, seed: int) -> tuple[dict[str, _Values], dict[str, Any]]:
    named = {"trustworthiness": found.trustworthiness, "continuity": found.continuity, "kept": found.kept}
    points = {name: _spread(values, found.rows, n) for name, values in named.items()}
    record: dict[str, Any] = found.as_json(np.random.default_rng([seed, 3]))
    return points, record | {"baseline": None, "disagreement": None}


def _chance(
    features: StoredFeatures, settings: Settings, starts: int, threads: int, stepped: Stepped
) -> tuple[_Values, dict[str, Any]]:
    """(n,) disagreement of each row between maps from random starts, and what is said of it."""
    n = len(features)
    rows = rows_looked_at(n, np.random.default_rng([settings.seed, 4]), most=STARTED)
    some = features if len(rows) == n else features[rows]
    k = neighbours_asked(len(rows))
    values = disagreement(random_maps(some, settings, starts, threads=threads, stepped=stepped), k)
    mean = intervals({"mean": mean_of(values)}, len(rows), rng=np.random.default_rng([settings.seed, 5]))["mean"]
    record: dict[str, Any] = as_plain(mean)
    more = {"starts": starts, "rows": len(rows), "k": k, "by_chance": by_chance(len(rows), k)}
    return _spread(values, rows, n), record | more


def _spread(values: npt.NDArray[np.float64], rows: Rows, n: int) -> _Values:
    spread = np.full(n, np.nan, np.float32)
    spread[rows] = values
    return spread
