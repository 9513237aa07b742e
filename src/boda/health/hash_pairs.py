"""All pairs of hashes that differ in few bits, exactly and without comparing each with each.

The 64 bits are four bands of 16. Hashes that differ in at most r bits differ in at most r // 4 bits of some band, so
each band is looked up as it is and with every choice of so few bits turned (multi-index hashing: Norouzi, Punjani and
Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012). Few hashes are compared directly.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from boda.health.perceptual_hash import Hashes, Perceived, distance

MOST_BITS = 8
"""That the hashes of one picture may differ in; at 12, of 400 photographs two pairs of strangers did not."""
FEW_BITS = 15
"""That they may differ in where features agree, too; 16 would be four a band, and take four times as long."""

_BANDS, _BITS = 4, 16
_GATHERED = 2**22  # candidates in memory at once
_DIRECTLY = 2**24  # comparisons that cost less than looking up
_SAMPLE = 2**20
_RARE = 1e-4  # share of strangers that may be as near as `FEW_BITS`
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
    candidates = _all(len(left), len(right)) if len(left) * len(right) <= _DIRECTLY else _alike(left, right, radius)
    found = [np.zeros(0, np.int64)]
    for rows, others in candidates if radius >= 0 else ():
        near = distance(left[rows], right[others]) <= radius
        found.append(rows[near] * len(right) + others[near])
    places = np.unique(np.concatenate(found))
    return places // max(1, len(right)), places % max(1, len(right))


def _all(n: int, m: int) -> Iterator[tuple[Rows, Rows]]:
    """Every row of the left with every row of the right."""
    step = max(1, _GATHERED // max(1, m))
    for start in range(0, n, step):
        rows = np.arange(start, min(start + step, n))
        yield np.repeat(rows, m), np.tile(np.arange(m), len(rows))


def _alike(left: Hashes, right: Hashes, radius: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows that agree in some band but for `radius // 4` bits; some come several times."""
    for band in range(_BANDS):
        shift = np.uint64(band * _BITS)
        ours, theirs = ((hashes >> shift).astype(np.uint16) for hashes in (left, right))
        order = np.argsort(theirs, kind="stable")
        starts = np.searchsorted(theirs[order], np.arange(2**_BITS + 1))
        for turned in _turned(radius // _BANDS):
            yield from _lookup(ours ^ turned, order, starts)


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


@dataclass(frozen=True, slots=True)
class Reach:
    """How many bits the hashes of one picture may differ in, among these pictures; below 0: hashes tell nothing."""

    alone: int
    """Where nothing else is known."""
    with_features: int
    """Where features agree, too."""
    mean: float
    """Bits that the hashes of any two pictures differ in, one of them mirrored where these are nearer; maybe NaN."""
    spread: float
    """Its standard deviation."""


def reach_among(perceived: Perceived, *, rng: np.random.Generator) -> Reach:
    """How far hashes may be apart here.

    Strangers differ in about 32 bits, pictures of one kind (galaxies, clothes) in fewer. By a normal distribution of
    their distances, less than one pair of all is as near as `alone` by chance, and one of 10,000 as `with_features`.
    Each pair is compared twice, as it is and mirrored, and the way in which strangers are nearer decides. The ends of
    the true distribution are thicker than normal, so pairs that hashes tell are looked at, too (`confirming.upheld`).

    Args:
        perceived: of n pictures.
        rng: draws pairs.
    """
    from scipy.special import ndtri

    rows = np.flatnonzero(~perceived.flat)
    if len(rows) < 2:
        return Reach(-1, -1, math.nan, math.nan)
    one = rng.integers(len(rows), size=_SAMPLE)
    two = (one + rng.integers(1, len(rows), size=_SAMPLE)) % len(rows)
    ways = (perceived.straight, perceived.mirrored)
    apart = [distance(perceived.straight[rows[one]], other[rows[two]]).astype(np.float64) for other in ways]
    comparisons = len(rows) * (len(rows) - 1) / 2 * len(ways)
    found = []
    for mean, spread in ((float(one.mean()), float(one.std())) for one in apart):
        alone, few = (
            min(most, max(-1, math.floor(mean + float(ndtri(min(0.5, share))) * spread)))
            for most, share in ((MOST_BITS, 1 / comparisons), (FEW_BITS, _RARE / len(ways)))
        )
        found.append(Reach(alone, max(alone, few), mean, spread))
    return min(found, key=lambda reach: (reach.alone, reach.with_features))
