"""Assigning: the nearest centre of each row, exactly.

A float32 product finds the centres that may be nearest, with a slack that covers its rounding error; where these are
several, float64 decides, and equally near centres go by their number. So the answer depends neither on the block size
nor on threads or the BLAS.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.clusters.partition import Labels
from boda.clusters.rows import Float32, Float64, Rows, refuse_not_finite
from boda.clusters.team import Team, team
from boda.errors import Refused

_PAIRS = 4096  # rows compared with one centre each in float64 at once


def nearest_centres(features: StoredFeatures, centres: npt.NDArray[np.floating[Any]]) -> tuple[Labels, Float64]:
    """The nearest centre of each row, not the farthest: the smallest distance, the lowest number among equals.

    Args:
        features: (n, d), finite, float16 or float32. A memory map is read block by block.
        centres: (k, d), finite; taken as float32.

    Returns:
        labels (n,) int32, and the squared Euclidean distances (n,) float64, in squared feature units.

    Raises:
        Refused: the widths differ, there is no centre, or a value is NaN or infinite.

    >>> nearest_centres(np.array([[0.0, 1.0], [4.0, 4.0]], np.float32), np.array([[0.0, 0.0], [4.0, 3.0]], np.float32))
    (array([0, 1], dtype=int32), array([1., 1.]))
    """
    check_centres(features, centres)
    with team(len(features)) as threads:
        return assign(Rows(features), centres.astype(np.float32), threads)


def check_centres(features: StoredFeatures, centres: npt.NDArray[np.floating[Any]]) -> None:
    """Refuse centres, (k, d), to which rows, (n, d), cannot go."""
    if features.ndim != 2 or centres.ndim != 2 or features.shape[1] != centres.shape[1]:
        raise Refused(f"features of shape {features.shape} cannot go to centres of shape {centres.shape}")
    if not len(centres):
        raise Refused("there is no centre to go to")
    if not np.isfinite(centres).all():
        raise Refused("a centre holds NaN or infinity")


def assign(rows: Rows, centres: Float32, team: Team) -> tuple[Labels, Float64]:
    """`nearest_centres` of rows whose shapes are known to fit."""
    labels, squared = np.empty(len(rows), np.int32), np.empty(len(rows))
    middle = centres.mean(axis=0, dtype=np.float64)
    shifted = centres - middle
    offset = (2 * shifted @ middle + (shifted * shifted).sum(axis=1)).astype(np.float32)
    toward = (-2 * shifted).astype(np.float32)
    reach = float(np.sqrt((shifted * shifted).sum(axis=1).max()))
    unit = 4 * float(np.finfo(np.float32).eps) * (rows.width + 16)

    def pass_over(share: slice) -> None:
        for place in rows.blocks(share):
            block = rows.take(place)
            with np.errstate(all="ignore"):
                lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
            if not np.isfinite(lengths).all():
                refuse_not_finite(rows, np.flatnonzero(~np.isfinite(lengths)) + place.start)
            scores = block @ toward.T
            scores += offset
            found = scores.argmin(axis=1)
            slack = unit * reach * (lengths + (np.sqrt(middle @ middle) + reach))
            near = scores <= (scores[np.arange(len(block)), found] + slack)[:, None]
            unsure = np.flatnonzero(np.count_nonzero(near, axis=1) > 1)
            if len(unsure):
                found[unsure] = _decide(block, centres, near, unsure)
            labels[place] = found
            squared[place] = _squared(block, centres[found])

    list(team.each(pass_over, team.shares))
    return labels, squared


def _squared(rows: Float32, centres: Float32) -> Float64:
    """(m,) squared distances: differences of float32 are as good as their result, and the sum is float64's."""
    away = rows - centres
    np.multiply(away, away, out=away)
    squared: Float64 = away.sum(axis=1, dtype=np.float64)
    return squared


def _decide(block: Float32, centres: Float32, near: npt.NDArray[np.bool_], unsure: npt.NDArray[np.int64]) -> Labels:
    """(u,) the nearest of the centres that may be, for rows that have several."""
    row, centre = np.nonzero(near[unsure])
    squared = np.empty(len(row))
    for start in range(0, len(row), _PAIRS):
        part = slice(start, start + _PAIRS)
        away = block[unsure[row[part]]].astype(np.float64) - centres[centre[part]]
        squared[part] = (away * away).sum(axis=1)
    order = np.lexsort((centre, squared, row))
    first = np.flatnonzero(np.diff(row[order], prepend=-1))
    return centre[order][first].astype(np.int32)
