"""UMAP, by umap-learn: McInnes, Healy and Melville, arXiv:1802.03426."""

from typing import Any

import numpy as np

from boda.errors import MissingExtra
from boda.maps.graph import Points
from boda.maps.tsne import Places


def umap_places(points: Points, dims: int, neighbours: int, seed: int, *, random: bool = False) -> Places:
    """A map by UMAP, on one thread, as many seeds as maps.

    Args:
        points: (n, c).
        dims: 2 or 3.
        neighbours: of each row, at least 2.
        seed: of all that is random.
        random: begin at random places and not with the spectrum of the graph.

    Raises:
        MissingExtra: umap-learn is not installed.
    """
    return np.asarray(
        _umap(dims, neighbours, seed, "random" if random else "spectral").fit_transform(points), np.float64
    )


def umap_placed(points: Points, places: Places, queries: Points, neighbours: int, seed: int) -> Places:
    """The places of new rows on a map that stays as it is, by umap-learn's own `transform`.

    The fitted model is not kept, since it would be a pickle: it is made again from the same rows, which gives the
    graph, and told where they lie. Each new row then begins at the mean of its neighbours, weighted by how strongly
    they belong together, and moves while the old stay.

    Args:
        points: (n, c) rows that have places.
        places: (n, 2) or (n, 3).
        queries: (q, c) new rows.
        neighbours: of each row.
        seed: of all that is random.

    Raises:
        MissingExtra: umap-learn is not installed.
    """
    model = _umap(places.shape[1], neighbours, seed, np.asarray(places, np.float32), n_epochs=0)
    model.fit(points)
    model.embedding_, model.n_epochs = np.asarray(places, np.float32), None
    return np.asarray(model.transform(queries), np.float64)


def _umap(dims: int, neighbours: int, seed: int, start: Any, **more: Any) -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingExtra("a map by UMAP", "umap") from error
    return UMAP(
        n_components=dims, n_neighbors=neighbours, random_state=seed, transform_seed=seed, init=start, n_jobs=1, **more
    )
