"""Methods: the ways to find groups, behind one call."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from boda.arrays import StoredFeatures
from boda.clusters.agreement import Labels
from boda.clusters.kmeans import kmeans
from boda.clusters.partition import Partition
from boda.clusters.rows import Rows, refuse_few_different, refuse_not_finite
from boda.clusters.rules import Mixture, NearestCentre, NearestRow, Rule, renumbered
from boda.clusters.space import WIDTH, Floats, Space, principal
from boda.clusters.spherical import spherical
from boda.errors import Refused

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Method:
    """What is known of a method before it runs."""

    name: str
    meaning: str
    takes_k: bool = True
    """False: it finds the number of clusters itself."""
    by_chance: bool = True
    """False: another seed gives the same clusters."""
    most_rows: int | None = None
    looked_at: int = 3_000
    """Rows that stability clusters again and again: fewer where that is slow."""
    round_in: Space | None = None
    """Where its groups are round, so that their rows are near to one another; None: they may have other shapes."""


METHODS = {
    one.name: one
    for one in (
        Method("kmeans", "round groups of like spread: the nearest of k means", round_in=Space()),
        Method("spherical", "k-means of directions: rows of length 1", round_in=Space(unit=True)),
        Method("minibatch", "k-means from small batches of rows (scikit-learn): rougher", round_in=Space()),
        Method("gmm", "a mixture of k normal distributions: groups of any size and tilt", looked_at=2_000),
        Method(
            "hdbscan", "dense regions, as many as there are; the rest in none", takes_k=False, by_chance=False,
            most_rows=60_000, looked_at=2_000,
        ),
        Method(
            "agglomerative", "groups joined two by two, least added spread first (Ward)", by_chance=False,
            most_rows=20_000, looked_at=2_000, round_in=Space(),
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Fit:
    """Groups of rows, the largest first, and the rule that puts rows into them."""

    partition: Partition
    """Its centres are in the space of the rule."""
    rule: Rule


def partition(
    features: StoredFeatures, method: str, k: int | None, *, rng: np.random.Generator, restarts: int = 10
) -> Partition:
    """The groups of `fit` without their rule; arguments and errors are those of `fit`."""
    return fit(features, method, k, rng=rng, restarts=restarts).partition


def fit(features: StoredFeatures, method: str, k: int | None, *, rng: np.random.Generator, restarts: int = 10) -> Fit:
    """Find groups of rows.

    Clusters are numbered from the largest to the smallest; one that no row is in is left out, so there may be fewer
    than were asked for.

    Args:
        features: (n, d), finite.
        method: one of `METHODS`.
        k: how many, at least 2; None for a method that finds that itself.
        rng: of starts and batches.
        restarts: independent starts, of which the best is kept.

    Raises:
        Refused: what is asked for makes no sense for these rows or this method; says what would.
    """
    facts = method_named(method)
    _refuse_unreasonable(features, facts, k)
    found = _FITTERS[facts.name](features, k or 0, restarts, rng)
    sizes = np.bincount(found.labels[found.labels >= 0], minlength=len(found.rule.centres))
    order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
    rule = found.rule.reordered(order)
    return Fit(Partition(renumbered(found.labels, order), rule.centres, found.inertia, found.iterations), rule)


def method_named(name: str) -> Method:
    """A method by its name.

    Raises:
        Refused: there is none of this name.
    """
    if name not in METHODS:
        raise Refused(f"no method is called {name!r}: choose one of {', '.join(METHODS)}")
    return METHODS[name]


def _refuse_unreasonable(features: StoredFeatures, facts: Method, k: int | None) -> None:
    if features.ndim != 2 or 0 in features.shape:
        raise Refused(f"features of shape {features.shape} have nothing to group: rows and columns are needed")
    n = len(features)
    if facts.most_rows is not None and n > facts.most_rows:
        raise Refused(
            f"{facts.name} compares all pairs of rows, and {n:,} are more than the {facts.most_rows:,} it is used for: "
            "use --method kmeans, spherical, minibatch or gmm"
        )
    if not facts.takes_k:
        if k is not None:
            raise Refused(f"{facts.name} finds the number of clusters itself: leave out -k, or choose another --method")
        if n < 2 * SMALLEST:
            raise Refused(f"{facts.name} needs at least {2 * SMALLEST} rows, and here are {n}")
        return
    if k is None:
        raise Refused(f"{facts.name} does not find the number of clusters itself: give one with -k")
    if k < 2:
        raise Refused(f"k is {k}: groups begin at 2")
    if k > n:
        raise Refused(f"{k} clusters of {n} rows: choose a k of at most {n}")
    refuse_few_different(Rows(features), k)
    if facts.name == "gmm" and n < ROWS_A_DIRECTION * k:
        raise Refused(
            f"a mixture of {k} needs at least {ROWS_A_DIRECTION * k} rows, and here are {n}: use --method kmeans"
        )


@dataclass(frozen=True, eq=False)
class _Found:
    rule: Rule
    labels: Labels
    iterations: int
    inertia: float | None = None


_Fitter: TypeAlias = Callable[[StoredFeatures, int, int, np.random.Generator], _Found]


def _kmeans(features: StoredFeatures, k: int, restarts: int, rng: np.random.Generator) -> _Found:
    found = kmeans(features, k, restarts=restarts, rng=rng)
    assert found.centres is not None
    return _Found(NearestCentre(Space(), found.centres), found.labels, found.iterations, found.inertia)


def _spherical(features: StoredFeatures, k: int, restarts: int, rng: np.random.Generator) -> _Found:
    found = spherical(features, k, restarts=restarts, rng=rng)
    assert found.centres is not None
    return _Found(NearestCentre(Space(unit=True), found.centres), found.labels, found.iterations, found.inertia)


def _minibatch(features: StoredFeatures, k: int, restarts: int, rng: np.random.Generator) -> _Found:
    """Sculley, WWW 2010."""
    from sklearn.cluster import MiniBatchKMeans

    rows = np.asarray(features, np.float32)
    suspects = np.flatnonzero(~np.isfinite(rows.sum(axis=1, dtype=np.float64)))
    if len(suspects):
        refuse_not_finite(Rows(features), suspects)
    model = MiniBatchKMeans(k, n_init=restarts, random_state=_seed(rng)).fit(rows)
    rule = NearestCentre(Space(), model.cluster_centers_.astype(np.float32))
    labels, distances = rule.assign(features)
    return _Found(rule, labels, int(model.n_iter_), float(np.square(distances).sum()))


ROWS_A_DIRECTION = 10
"""Rows a cluster has on average for each principal direction of a mixture."""


def _gmm(features: StoredFeatures, k: int, restarts: int, rng: np.random.Generator) -> _Found:
    """A mixture in principal directions, as many as rows suffice for: covariances are full.

    Directions are uncorrelated over all rows, not within a group, so diagonal covariances would fit groups that are
    not there; what full ones need is rows. EM starts twice, from k-means of the rows and of rows with all directions
    made equally wide, which finds groups that lie along long clouds; the likelier mixture is kept.
    """
    space = principal(features, min(WIDTH, len(features) // (ROWS_A_DIRECTION * k)))
    rows = space.of(features).astype(np.float64)
    wide = rows.std(axis=0)
    models = []
    for scale in (np.ones_like(wide), np.where(wide > 0, wide, 1.0)):
        start = kmeans((rows / scale).astype(np.float32), k, restarts=restarts, rng=rng)
        models.append(_mixture(rows, start.labels, k, _seed(rng)))
    best = max(models, key=lambda model: float(model.lower_bound_))
    if not best.converged_:
        _LOG.warning("a mixture of %d was still changing after %d steps", k, best.n_iter_)
    rule = Mixture(space, best.means_, best.covariances_, best.weights_)
    return _Found(rule, rule.assign(features)[0], int(best.n_iter_))


def _mixture(rows: Floats, labels: Labels, k: int, seed: int) -> Any:
    """EM (Dempster, Laird and Rubin, JRSS B 39, 1977) from groups, with one covariance for all of them at first."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    means = np.stack([rows[labels == cluster].mean(axis=0) for cluster in range(k)])
    off = rows - means[labels]
    floor = 1e-6 * float(rows.var(axis=0).mean())
    within = off.T @ off / len(rows) + floor * np.eye(rows.shape[1])
    model = GaussianMixture(
        k,
        reg_covar=floor,
        tol=1e-4,
        max_iter=300,
        weights_init=np.bincount(labels, minlength=k) / len(rows),
        means_init=means,
        precisions_init=np.tile(np.linalg.inv(within), (k, 1, 1)),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said by the caller, of the mixture that is kept
        return model.fit(rows)


SMALLEST = 5
"""Rows of the smallest group that HDBSCAN calls one; 1 % of all rows where that is more."""


def _hdbscan(features: StoredFeatures, _k: int, _restarts: int, _rng: np.random.Generator) -> _Found:
    """Campello, Moulavi and Sander, PAKDD 2013, in the leading 50 principal directions."""
    from sklearn.cluster import HDBSCAN

    space = principal(features)
    rows = space.of(features)
    smallest = max(SMALLEST, len(rows) // 100)
    labels = HDBSCAN(min_cluster_size=smallest, min_samples=SMALLEST, copy=True).fit_predict(rows).astype(np.int32)
    labels[labels < 0] = -1
    return _Found(NearestRow(space, np.asarray(rows, np.float32), labels), labels, 1)


def _agglomerative(features: StoredFeatures, k: int, _restarts: int, _rng: np.random.Generator) -> _Found:
    """Ward, Journal of the American Statistical Association 58, 1963, in the leading 50 principal directions."""
    from sklearn.cluster import AgglomerativeClustering

    space = principal(features)
    rows = space.of(features)
    labels = AgglomerativeClustering(k, linkage="ward").fit_predict(rows).astype(np.int32)
    return _Found(NearestRow(space, np.asarray(rows, np.float32), labels), labels, 1)


_FITTERS: dict[str, _Fitter] = {
    "kmeans": _kmeans,
    "spherical": _spherical,
    "minibatch": _minibatch,
    "gmm": _gmm,
    "hdbscan": _hdbscan,
    "agglomerative": _agglomerative,
}


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31 - 1))
