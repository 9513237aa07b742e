"""t-SNE: a map on which rows that are neighbours among the features lie beside each other.

After van der Maaten and Hinton, JMLR 9, 2008, with what was learned since: the start is the first principal components
(Kobak and Berens, Nature Communications 10, 2019) and the rate is the number of rows over the exaggeration (Belkina et
al., Nature Communications 10, 2019). The attraction is openTSNE's, and so is the repulsion of few points or in three
dimensions (Barnes and Hut's tree); that of many points on a flat map is the mesh's.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.maps.graph import Near, Points
from boda.maps.mesh import Field, repulsion

Places: TypeAlias = npt.NDArray[np.float64]
"""(n, 2) or (n, 3)."""
_Gradient: TypeAlias = Callable[[Places], Places]
Stepped: TypeAlias = Callable[[], object]
"""Hears of each step."""

SMALL = 1e-4
"""The deviation of a start: small, so that a start says who lies where and not how far."""
MANY = 2000
"""Points from which on a mesh is faster than a tree, and more than one thread than one: 300 points take 0.5 ms a step,
and threads that wait for each other took 20 ms beside other programs."""
EXAGGERATION, EXAGGERATED, STEPS = 12.0, 250, 500
_MOMENTUM, _LEAST_GAIN, _LONGEST = 0.8, 0.01, 5.0
_PLACING, PLACING_STEPS = (5.0, 1.5, 0.1, 0.25), 250
"""Perplexity, exaggeration, rate and longest gradient of rows that are placed, and steps, as in openTSNE's
`transform`."""


def principal_start(points: Points, dims: int) -> Places:
    """The first principal components, made small."""
    start = np.zeros((len(points), dims))
    start[:, : min(dims, points.shape[1])] = points[:, :dims]
    small: Places = start * (SMALL / max(float(start[:, 0].std()), 1e-30))
    return small


def random_start(n: int, dims: int, rng: np.random.Generator) -> Places:
    """Normal and small, the same for no two."""
    return rng.normal(0, SMALL, (n, dims))


def lay_out(affinities: Any, start: Places, *, threads: int = 1, stepped: Stepped = lambda: None) -> Places:
    """Move points until who attracts whom lies together.

    Args:
        affinities: (n, n) symmetric CSR, float64, its entries adding up to 1.
        start: (n, 2) or (n, 3), small.
        threads: the map does not depend on them.
        stepped: is called after each step.

    Returns:
        (n, 2) or (n, 3), centred.
    """
    n, descent = len(start), _Descent(start)
    threads = threads if n >= MANY else 1
    for exaggeration, steps in ((EXAGGERATION, EXAGGERATED), (1.0, STEPS)):
        gradient = _gradient(affinities * exaggeration, threads, by_mesh=_meshed(start))
        for _ in range(steps):
            descent.step(gradient(descent.places), n / exaggeration)
            descent.places -= descent.places.mean(axis=0)
            stepped()
    return descent.places


def place(near: Near, places: Places, *, threads: int = 1, stepped: Stepped = lambda: None) -> Places:
    """Find the places of new rows on a map that stays as it is; each by itself, as if it alone were new.

    It begins at the median of its neighbours and moves as t-SNE moves points, by the attraction of its neighbours and
    the repulsion of all, after Poličar, Stražar and Zupan, Machine Learning 112, 2023.

    Args:
        near: the neighbours of each new row among those that have places, and their distances.
        places: (n, 2) or (n, 3): of the old.
        threads: the answer does not depend on them.
        stepped: is called after each step.
    """
    from openTSNE.affinity import joint_probabilities_nn

    perplexity, exaggeration, rate, longest = _PLACING
    threads = threads if len(near.rows) >= MANY else 1
    start = np.median(places[near.rows], axis=1)
    kept = min(near.rows.shape[1], int(3 * perplexity))
    affinities = joint_probabilities_nn(
        near.rows[:, :kept],
        near.distances[:, :kept],
        [min(perplexity, kept / 3)],
        symmetrize=False,
        normalization="point-wise",
        n_reference_samples=len(places),
        n_jobs=threads,
    )
    gradient = _gradient_onto(affinities * exaggeration, places, threads)
    descent = _Descent(start)
    for _ in range(PLACING_STEPS):
        descent.step(_shortened(gradient(descent.places), longest), rate)
        stepped()
    return descent.places


class _Descent:
    """Gradient descent with momentum and a gain for each number (Jacobs, Neural Networks 1, 1988), as in openTSNE."""

    def __init__(self, start: Places) -> None:
        self.places = np.array(start, np.float64, order="C")
        self._moves, self._gains = np.zeros_like(self.places), np.ones_like(self.places)

    def step(self, gradient: Places, rate: float) -> None:
        """One step; no point moves further than `_LONGEST`."""
        turned = np.sign(self._moves) != np.sign(gradient)
        self._gains = np.where(turned, self._gains + 0.2, self._gains * 0.8 + _LEAST_GAIN)
        self._moves = _shortened(_MOMENTUM * self._moves - rate * self._gains * gradient, _LONGEST)
        self.places += self._moves


def _shortened(vectors: Places, longest: float) -> Places:
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    shortened: Places = vectors * np.minimum(1, longest / np.maximum(lengths, 1e-30))
    return shortened


def _meshed(places: Places) -> bool:
    return places.shape[1] == 2 and len(places) >= MANY


def _gradient(affinities: Any, threads: int, *, by_mesh: bool) -> _Gradient:
    """Of a map, by its places."""
    from openTSNE import _tsne
    from openTSNE.quad_tree import QuadTree

    def meshed(places: Places) -> Places:
        pushes, pairs = repulsion(places, workers=threads)
        return _attracted(affinities, places, places, pushes / -pairs, threads)

    def by_tree(places: Places) -> Places:
        pushes = np.zeros_like(places)
        _tsne.estimate_negative_gradient_bh(QuadTree(places), places, pushes, num_threads=threads)
        return _attracted(affinities, places, places, pushes, threads)

    return meshed if by_mesh else by_tree


def _gradient_onto(affinities: Any, reference: Places, threads: int) -> _Gradient:
    """Of new points among others that stay where they are, by the places of the new."""
    from openTSNE import _tsne
    from openTSNE.quad_tree import QuadTree

    if _meshed(reference):
        field = Field(reference, workers=threads)

        def meshed(places: Places) -> Places:
            pushes, sums = field.at(places)
            return _attracted(affinities, places, reference, pushes / -sums[:, None], threads)

        return meshed
    tree = QuadTree(reference)

    def by_tree(places: Places) -> Places:
        pushes = np.zeros_like(places)
        _tsne.estimate_negative_gradient_bh(tree, places, pushes, num_threads=threads, pairwise_normalization=False)
        return _attracted(affinities, places, reference, pushes, threads)

    return by_tree


def _attracted(affinities: Any, places: Places, towards: Places, gradient: Places, threads: int) -> Places:
    """The gradient with the attraction added, in place."""
    from openTSNE import _tsne

    a = affinities
    gradient = np.ascontiguousarray(gradient)
    _tsne.estimate_positive_gradient_nn(
        a.indices, a.indptr, a.data, places, towards, gradient, 1.0, num_threads=threads
    )
    return gradient
