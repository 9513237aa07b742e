"""One call for all ways to make a map, and one to place new rows on it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.maps import tsne
from boda.maps.graph import Points, affinities, nearest_of, nearest_others
from boda.maps.space import Metric, Space
from boda.maps.tsne import Stepped
from boda.maps.umap import umap_placed, umap_places

Method: TypeAlias = Literal["tsne", "umap", "pca"]
METHODS: tuple[Method, ...] = ("tsne", "umap", "pca")
PERPLEXITY, NEIGHBOURS = 30.0, 15
WIDTH = 50
"""Principal components in which neighbours are looked for, as is usual for t-SNE."""
_LARGEST_SEED = 2**32 - 1
_ASKED = 90
"""Neighbours of a new row that are looked at."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that changes a map of given features."""

    method: Method
    dims: Literal[2, 3]
    metric: Metric
    perplexity: float | None
    """Of t-SNE: how many neighbours count."""
    neighbours: int | None
    """Of UMAP."""
    seed: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `Settings(**record)` undoes it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Points on a map."""

    places: npt.NDArray[np.float32]
    """(n, 2) or (n, 3)."""
    space: Space
    """In which neighbours were looked for; of a PCA the map itself."""


def settings_for(
    n: int,
    method: Method = "tsne",
    *,
    dims: int = 2,
    metric: Metric = "euclidean",
    perplexity: float | None = None,
    neighbours: int | None = None,
    seed: int = 0,
) -> Settings:
    """Settings that fit so many rows; what is not said is chosen.

    Args:
        n: rows.
        method: of the map.
        dims: 2 or 3.
        metric: between features.
        perplexity: of t-SNE; None: 30, or a third of the other rows where that is less.
        neighbours: of UMAP; None: 15, or the other rows where they are fewer.
        seed: of all that is random.

    Raises:
        Refused: a method, dims, metric or seed that are none; a perplexity or neighbours of another method, or more
            than the rows allow; fewer than 5 rows.
    """
    if method not in METHODS or metric not in {"euclidean", "cosine"}:
        raise Refused(f"no map by {method} of {metric} distances: choose tsne, umap or pca, and euclidean or cosine")
    if dims not in {2, 3}:
        raise Refused(f"a map has 2 or 3 dimensions, not {dims}")
    if not 0 <= seed <= _LARGEST_SEED:
        raise Refused(f"a seed is a whole number from 0 to {_LARGEST_SEED:,}, not {seed}")
    if n < 5:
        raise Refused(f"{n} rows are too few for a map: embed at least 5 images")
    for asked, name, owner in ((perplexity, "perplexity", "tsne"), (neighbours, "neighbours", "umap")):
        if asked is not None and method != owner:
            raise Refused(f"a map by {method} has no {name}: that is for --method {owner}")
    if method == "tsne":
        most = (n - 1) / 3
        perplexity = min(PERPLEXITY, most) if perplexity is None else perplexity
        if not 1 <= perplexity <= most:
            raise Refused(
                f"a perplexity of {perplexity:g} does not fit {n:,} rows: choose from 1 to {most:.4g}, a third of the "
                "other rows, or leave it to boda"
            )
    if method == "umap":
        neighbours = min(NEIGHBOURS, n - 1) if neighbours is None else neighbours
        if neighbours != int(neighbours) or not 2 <= neighbours < n:
            raise Refused(f"{neighbours} neighbours do not fit {n:,} rows: choose a whole number from 2 to {n - 1:,}")
    return Settings(method, 2 if dims == 2 else 3, metric, perplexity, neighbours, seed)


def steps_of(settings: Settings, *, placing: bool = False) -> int:
    """How often a map that is made is heard of, or one that rows are placed on."""
    if settings.method == "tsne":
        return tsne.PLACING_STEPS if placing else tsne.EXAGGERATED + tsne.STEPS
    return 1 if settings.method == "umap" else 0


def map_rows(
    features: StoredFeatures, settings: Settings, *, threads: int = 1, stepped: Stepped = lambda: None
) -> Layout:
    """Make a map. The same settings give the same places, bit for bit, on one machine with as many threads.

    Args:
        features: (n, d); a memory map is read block by block.
        settings: from `settings_for`.
        threads: of t-SNE.
        stepped: is called after each step; `steps_of` says how many there are.

    Raises:
        Refused: a value is NaN or infinite, or all rows are the same.
        MissingExtra: umap-learn is not installed.
    """
    space = Space.fit(features, settings.metric, settings.dims if settings.method == "pca" else WIDTH)
    points = space.of(features)
    return Layout(_places(points, settings, threads, stepped).astype(np.float32), space)


def random_maps(
    features: StoredFeatures, settings: Settings, count: int, *, threads: int = 1, stepped: Stepped = lambda: None
) -> list[npt.NDArray[np.float32]]:
    """Maps with the same settings, from independent random starts. Neighbours are looked for once.

    Args:
        features: (n, d).
        settings: of t-SNE or UMAP.
        count: how many maps.
        threads: of t-SNE.
        stepped: is called after each step of each map.

    Raises:
        Refused, MissingExtra: as `map_rows`; or the method has no start.
    """
    points = Space.fit(features, settings.metric, WIDTH).of(features)
    rngs = np.random.default_rng([settings.seed, 1]).spawn(count)
    if settings.method == "tsne":
        attraction = _attraction(points, settings, threads)
        starts = (tsne.random_start(len(points), settings.dims, rng) for rng in rngs)
        made = (tsne.lay_out(attraction, start, threads=threads, stepped=stepped) for start in starts)
        return [places.astype(np.float32) for places in made]
    if settings.method == "umap":
        assert settings.neighbours is not None
        seeds = (int(rng.integers(_LARGEST_SEED)) for rng in rngs)
        maps = []
        for seed in seeds:
            places = umap_places(points, settings.dims, settings.neighbours, seed, random=True)
            maps.append(places.astype(np.float32))
            stepped()
        return maps
    raise Refused("principal components have no start: they are the same every time")


def place_rows(
    layout: Layout,
    features: StoredFeatures,
    new: StoredFeatures,
    settings: Settings,
    *,
    threads: int = 1,
    stepped: Stepped = lambda: None,
) -> npt.NDArray[np.float32]:
    """Find places for new rows; those of the old are not touched.

    PCA is exact. t-SNE and UMAP place each row among its neighbours of the old and let it settle; new rows do not see
    each other, so a group of images of which the map knows none like it is laid where it fits least badly.

    Args:
        layout: the map.
        features: (n, d) of the rows that are on it, in its order.
        new: (m, d).
        settings: of the map.
        threads: of t-SNE.
        stepped: is called after each step.

    Returns:
        (m, 2) or (m, 3).
    """
    queries, old = layout.space.of(new), layout.places.astype(np.float64)
    if settings.method == "pca":
        return _padded(queries, settings.dims)
    points = layout.space.of(features)
    if settings.method == "umap":
        assert settings.neighbours is not None
        found = umap_placed(points, old, queries, settings.neighbours, settings.seed).astype(np.float32)
        stepped()
        return found
    near = nearest_of(points, queries, min(_ASKED, len(points)))
    return tsne.place(near, old, threads=threads, stepped=stepped).astype(np.float32)


def _places(points: Points, settings: Settings, threads: int, stepped: Stepped) -> npt.NDArray[np.floating[Any]]:
    match settings.method:
        case "pca":
            return _padded(points, settings.dims)
        case "umap":
            assert settings.neighbours is not None
            found = umap_places(points, settings.dims, settings.neighbours, settings.seed)
            stepped()
            return found
        case "tsne":
            start = tsne.principal_start(points, settings.dims)
            return tsne.lay_out(_attraction(points, settings, threads), start, threads=threads, stepped=stepped)


def _attraction(points: Points, settings: Settings, threads: int) -> Any:
    assert settings.perplexity is not None
    return affinities(nearest_others(points, max(2, round(settings.perplexity))), threads=threads)


def _padded(points: Points, dims: int) -> Points:
    """With zeros where rows differ in fewer directions than the map has."""
    return np.pad(points, ((0, 0), (0, dims - points.shape[1])))
