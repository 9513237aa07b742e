"""All pairs of hashes that differ in few bits, exactly and without comparing each with each.

The 64 bits are four bands of 16. Hashes that differ in at most r bits differ in at most r // 4 bits of some band, so
each band is looked up as it is and with every choice of so few bits turned (multi-index hashing: Norouzi, Punjani and
Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012). 60,000 hashes take about a second.
"""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from boda.health.perceptual_hash import Hashes, Perceived, distance

MOST_BITS = 8
"""That a changed copy of a picture differs in, see `radius_among`."""

_BANDS, _BITS = 4, 16
_GATHERED = 2**22  # candidates in memory at once
_SAMPLE = 2**20
Rows = npt.NDArray[np.int64]


def pairs_within(left: Hashes, right: Hashes, radius: int) -> tuple[Rows, Rows]:
    """Every (row of left, row of right) whose hashes differ in at most `radius` bits, in order.

    Args:
        left: (n,)
        right: (m,)
        radius: in bits; below 0 there is no pair.

    >>> pairs_within(np.array([0, 7], np.uint64), np.array([1, 15], np.uint64), 1)
    (array([0, 1]), array([0, 1]))
    """
    found = [np.zeros(0, np.int64)]
    if radius >= 0:
        for band in range(_BANDS):
            shift = np.uint64(band * _BITS)
            ours, theirs = ((hashes >> shift).astype(np.uint16) for hashes in (left, right))
            order = np.argsort(theirs, kind="stable")
            starts = np.searchsorted(theirs[order], np.arange(2**_BITS + 1))
            for turned in _turned(radius // _BANDS):
                for rows, others in _lookup(ours ^ turned, order, starts):
                    near = distance(left[rows], right[others]) <= radius
                    found.append(rows[near] * len(right) + others[near])
    places = np.unique(np.concatenate(found))
    return places // max(1, len(right)), places % max(1, len(right))


def _turned(most: int) -> Iterator[np.uint16]:
    """Every band of 16 bits with at most so many ones."""
    for ones in range(most + 1):
        for bits in combinations(range(_BITS), ones):
            yield np.uint16(sum(1 << bit for bit in bits))


def _lookup(ours: npt.NDArray[np.uint16], order: Rows, starts: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Rows of the left and of the right with equal bands, some millions at a time."""
    first = starts[ours]
    counts = starts[ours.astype(np.int64) + 1] - first
    ends = np.cumsum(counts)
    row = 0
    while row < len(ours):
        before = int(ends[row - 1]) if row else 0
        stop = max(row + 1, int(np.searchsorted(ends, before + _GATHERED, side="right")))
        here = counts[row:stop]
        rows = np.repeat(np.arange(row, stop), here)
        inside = np.arange(len(rows)) - np.repeat(np.cumsum(here) - here, here)
        yield rows, order[np.repeat(first[row:stop], here) + inside]
        row = stop


def radius_among(perceived: Perceived, *, rng: np.random.Generator) -> tuple[int, float, float]:
    """How many bits the hashes of one picture may differ in, here, and mean and deviation of those of strangers.

    Strangers differ in about 32 bits, pictures of one kind (galaxies, clothes) in fewer. The radius is where a normal
    distribution of their distances would leave less than one pair of all by chance, and at most `MOST_BITS`; below 0
    where hashes tell nothing apart.

    Args:
        perceived: of n pictures.
        rng: draws pairs.
    """
    from scipy.special import ndtri

    rows = np.flatnonzero(~perceived.flat)
    if len(rows) < 2:
        return -1, math.nan, math.nan
    one = rng.integers(len(rows), size=_SAMPLE)
    two = (one + rng.integers(1, len(rows), size=_SAMPLE)) % len(rows)
    apart = distance(perceived.straight[rows[one]], perceived.straight[rows[two]]).astype(np.float64)
    mean, spread = float(apart.mean()), float(apart.std())
    pairs = len(rows) * (len(rows) - 1) / 2
    lowest = mean + float(ndtri(min(0.5, 1 / pairs))) * spread
    return min(MOST_BITS, max(-1, math.floor(lowest))), mean, spread
