"""Spherical k-means: clusters of directions.

Dhillon and Modha, "Concept decompositions for large sparse text data using clustering", Machine Learning 42, 2001.
Rows and centres have unit length, so a squared distance is 2 - 2 cosine. It is k-means of the unit rows in which a
centre, after each mean, gets its length back.
"""

import numpy as np

from boda.arrays import StoredFeatures
from boda.clusters.assigning import assign, check_centres
from boda.clusters.kmeans import partition
from boda.clusters.lloyd import Counts
from boda.clusters.partition import Centres, Labels, Partition
from boda.clusters.rows import Float32, Float64, Rows, refuse_not_finite
from boda.clusters.team import team
from boda.errors import Refused


def spherical(features: StoredFeatures, k: int, *, restarts: int = 10, rng: np.random.Generator) -> Partition:
    """Find k clusters of rows that point the same way; how long a row is does not matter.

    Args:
        features: (n, d), finite, no row all zeros; float16 or float32. A memory map is read block by block.
        k: how many clusters.
        restarts: how many starts to choose from, >= 1.
        rng: decides the sample and the starts.

    Returns:
        Partition: `centres` have unit length; `inertia` is the sum of 2 - 2 cosine.

    Raises:
        Refused: as `kmeans`, or a row is all zeros and so has no direction.

    >>> rows = np.array([[1.0, 0.0], [5.0, 0.1], [0.0, 2.0], [0.1, 9.0]], np.float32)
    >>> found = spherical(rows, 2, rng=np.random.default_rng(0))
    >>> bool(found.labels[0] == found.labels[1]), bool(found.labels[1] == found.labels[2])
    (True, False)
    """
    return partition(_unit(features), k, restarts=restarts, rng=rng, placing=directions)


def nearest_directions(features: StoredFeatures, centres: Centres) -> tuple[Labels, Float64]:
    """The centre of unit length, (k, d), with the smallest angle to each row, and (n,) 2 - 2 cosine.

    Raises:
        Refused: the widths differ, there is no centre, a value is NaN or infinite, or a row is all zeros.
    """
    check_centres(features, centres)
    with team(len(features)) as threads:
        return assign(_unit(features), centres, threads)


def directions(sums: Float64, counts: Counts) -> Float64:
    """The centre of a cluster is the direction of the sum of its rows; counts do not matter.

    Rows that cancel out have no direction: their centre stays at zero, and they leave it in the next pass.
    """
    lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
    placed: Float64 = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
    return placed


def _unit(features: StoredFeatures) -> Rows:
    if features.ndim != 2:
        raise Refused(f"features have the shape {features.shape}: spherical k-means takes rows of numbers, (n, d)")
    rows = Rows(features)
    lengths: Float32 = np.empty(len(features), np.float32)
    for block in rows.blocks(slice(0, len(rows))):
        wide = rows.take(block).astype(np.float64)
        lengths[block] = np.sqrt((wide * wide).sum(axis=1))
    if not np.isfinite(lengths).all():
        refuse_not_finite(rows, np.flatnonzero(~np.isfinite(lengths)))
    zeros = np.flatnonzero(lengths == 0)
    if len(zeros):
        raise Refused(f"row {zeros[0]} is all zeros and has no direction: leave it out, or use kmeans")
    return Rows(features, lengths)
