"""Ways to ten groups without a label: features, perhaps an embedding of them, and a method.

Embeddings are made as N2D makes them (McConville, Santos-Rodriguez, Piechocki and Craddock, arXiv:1908.05968): UMAP
with 20 neighbours and a least distance of 0, of which a mixture of normal distributions makes groups. Neighbours are
looked for in 50 principal components, as `boda map` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.clusters.agreement import adjusted_rand, matched_accuracy, mutual_information, table_of
from boda.clusters.methods import METHODS, partition
from boda.clusters.silhouette import silhouette
from boda.errors import MissingExtra, NotFound
from boda.maps.graph import nearest_of
from boda.maps.mapping import WIDTH, map_rows, random_maps, settings_for
from boda.maps.space import Space
from clustered.kept import Kept, Rows

Labels = npt.NDArray[np.int32]
Points = npt.NDArray[np.float32]

NEIGHBOURS = 20
"""Of UMAP, of the spectral method, and of a row that is put into the groups of others."""


@dataclass(frozen=True, slots=True)
class Way:
    """From features to groups."""

    features: str
    """A name that the caller gave."""
    embedding: str
    """`none`, `tsne`, `tsne-random` from a random start, or `umap-10` for UMAP in 10 dimensions."""
    method: str
    """Of `boda cluster`, or `spectral`."""

    @property
    def name(self) -> str:
        """As tables show it."""
        return ", ".join(part for part in (self.features, self.embedding, self.method) if part != "none")


WAYS = (
    Way("pixels", "none", "kmeans"),
    Way("50 principal components", "none", "kmeans"),
    Way("autoencoder", "none", "kmeans"),
    Way("auto", "none", "kmeans"),
    Way("autoencoder", "none", "gmm"),
    Way("pixels", "umap-10", "gmm"),
    Way("autoencoder", "umap-10", "gmm"),
    Way("auto", "umap-10", "gmm"),
    Way("autoencoder", "umap-10", "kmeans"),
    Way("autoencoder", "umap-2", "gmm"),
    Way("pixels", "tsne", "gmm"),
    Way("autoencoder", "tsne", "gmm"),
    Way("auto", "tsne", "gmm"),
    Way("autoencoder", "tsne-random", "gmm"),
    Way("auto", "tsne-random", "gmm"),
    Way("autoencoder", "none", "spectral"),
)


def embedding(rows: Points, how: str, seed: int) -> Points:
    """(n, e) where rows lie after an embedding.

    Raises:
        NotFound: no such embedding.
        MissingExtra: umap-learn is not installed.
    """
    if how == "none":
        return rows
    if how == "tsne":
        return map_rows(rows, settings_for(len(rows), "tsne", seed=seed)).places
    if how == "tsne-random":
        return random_maps(rows, settings_for(len(rows), "tsne", seed=seed), 1)[0]
    name, _, dims = how.partition("-")
    if name != "umap" or not dims.isdecimal():
        raise NotFound(f"no embedding {how!r}: give none, tsne, tsne-random, or umap-10 for UMAP in 10 dimensions")
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingExtra("an embedding by UMAP", "umap") from error
    points = Space.fit(rows, "euclidean", WIDTH).of(rows)
    few = min(NEIGHBOURS, len(rows) - 1)
    made = UMAP(n_components=int(dims), n_neighbors=few, min_dist=0.0, random_state=seed, n_jobs=1)
    return np.asarray(made.fit_transform(points), np.float32)


def grouped(points: Points, method: str, k: int, seed: int) -> Labels:
    """(n,) the group of each row.

    Raises:
        NotFound: no such method.
        Refused: as `boda.clusters.methods.fit`.
    """
    if method in METHODS:
        return partition(points, method, k, rng=np.random.default_rng(seed)).labels
    if method != "spectral":
        raise NotFound(f"no method {method!r}: give spectral, or one of {', '.join(METHODS)}")
    from sklearn.cluster import SpectralClustering
    from sklearn.neighbors import kneighbors_graph

    near = kneighbors_graph(points, min(NEIGHBOURS, len(points) - 1), include_self=True)
    model = SpectralClustering(k, affinity="precomputed", random_state=seed, assign_labels="cluster_qr")
    return np.asarray(model.fit_predict((near + near.T) / 2), np.int32)


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one run of a way."""

    accuracy: float
    nmi: float
    ari: float
    silhouette: float
    """In the space where groups were looked for; no label is needed for it."""


@dataclass(frozen=True, eq=False)
class Study:
    """Runs ways, and remembers."""

    kept: Kept
    truth: Labels
    """(n,) classes: for scores, never for a choice."""
    k: int

    def scores(self, way: Way, features: Sequence[Rows], seeds: Sequence[int]) -> list[Scores]:
        """A run for each seed, which is that of embedding and clustering, and takes one of the features in turn."""
        return [self._score(way, features[seed % len(features)], seed) for seed in seeds]

    def labels(self, way: Way, rows: Rows, seed: int) -> Labels:
        """(n,) the groups of one run."""
        how = f"{way.embedding}, {way.method}, {self.k}, {seed}"
        return self.kept.array(rows, how, lambda: grouped(self.points(way, rows, seed), way.method, self.k, seed))

    def points(self, way: Way, rows: Rows, seed: int) -> Points:
        """(n, e) where groups are looked for."""
        if way.embedding == "none":
            return rows.array
        how = f"{way.embedding}, {seed}"
        return self.kept.array(rows, how, lambda: embedding(rows.array, way.embedding, seed))

    def halves(self, way: Way, rows: Rows, seeds: Sequence[int]) -> list[float]:
        """How alike groups are that two halves of the rows give, each embedded by itself; two numbers a seed.

        The rows of one half are put into the groups of the other by their nearest there (Lange, Roth, Braun and
        Buhmann, Neural Computation 16, 2004), among the features, which both halves share: the adjusted Rand index
        with the groups of their own.
        """
        found = []
        for seed in seeds:
            how = f"halves, {way.embedding}, {way.method}, {self.k}, {seed}"
            found += self.kept.array(
                rows, how, lambda seed=seed: np.array(_halves(rows.array, way, self.k, seed))
            ).tolist()
        return found

    def _score(self, way: Way, rows: Rows, seed: int) -> Scores:
        labels, points = self.labels(way, rows, seed), self.points(way, rows, seed)
        table = table_of(self.truth, labels)
        inside = silhouette(points, labels, k=self.k, rng=np.random.default_rng(seed), rounds=1).mean
        return Scores(
            matched_accuracy(table),
            mutual_information(table),
            adjusted_rand(table),
            float("nan") if inside is None else inside.value,
        )


def _halves(rows: Points, way: Way, k: int, seed: int) -> tuple[float, float]:
    order = np.random.default_rng([seed, 1]).permutation(len(rows))
    parts = [rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]]
    own = [grouped(embedding(part, way.embedding, seed), way.method, k, seed) for part in parts]
    there = Space.fit(rows, "euclidean", WIDTH)
    first, second = (there.of(part) for part in parts)
    return (
        adjusted_rand(table_of(own[1], _put(first, own[0], second))),
        adjusted_rand(table_of(own[0], _put(second, own[1], first))),
    )


def _put(known: Points, labels: Labels, others: Points) -> Labels:
    """(m,) the group of most of the nearest known rows."""
    near = labels[nearest_of(known, others, min(NEIGHBOURS, len(known))).rows]
    votes = np.stack([(near == group).sum(axis=1) for group in range(int(labels.max()) + 1)], axis=1)
    return votes.argmax(axis=1).astype(np.int32)
