"""Groups of pictures with the evidence of every member against the middle of its group."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.health.confirming import Confirmed
from boda.health.hash_pairs import Reach
from boda.health.likeness import Likeness
from boda.health.perceptual_hash import Perceived, distance
from boda.health.stars import Star

Evidence: TypeAlias = Literal["hash", "features", "both"]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Copy:
    """A member of a group, and why it is one."""

    row: int
    evidence: Evidence | None
    """None: a look-alike."""
    distance: int | None
    """Bits that differ from the hash of the middle, or of its mirror image; None where one of them has no hash."""
    mirrored: bool
    """Whether its hash is nearer to that of the mirror image."""
    likeness: float | None
    """To the features of the middle; None where one of them has none, or features were not looked at."""
    correlation: float | None
    """Of the pixels, where one is found best in the other; None where they were not, or cannot be compared."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that show one picture, or look alike: each is near the middle."""

    middle: int
    copies: tuple[Copy, ...]


@dataclass(frozen=True, eq=False)
class Told:
    """All that is known of pairs among n rows."""

    perceived: Perceived | None
    hashed: Rows
    """(h,) the row of each hash."""
    alike: Likeness | None
    index: Rows
    """(n,)"""
    reach: Reach | None
    by_features: Rows
    """(p, 2) pairs that features tell, if pixels confirm them."""
    looked: Sequence[Confirmed]
    """What pixels said."""

    def groups(self, found: Sequence[Star], *, confirmed: bool = True) -> tuple[Group, ...]:
        """Stars as groups, each member with its evidence; without any where they are look-alikes."""
        pairs = np.array([(star.middle, row) for star in found for row in star.members], np.int64).reshape(-1, 2)
        apart, turned = bits_between(pairs, self.perceived, self.hashed, len(self.index))
        likeness, correlation = likeness_of(pairs, self.alike, self.index), self._correlation(pairs)
        known = np.isin(np.sort(pairs, axis=1) @ [len(self.index), 1], self.by_features @ [len(self.index), 1])
        near = (apart >= 0) & (apart <= (-1 if self.reach is None else self.reach.alone))
        copies = iter(
            Copy(
                int(pairs[place, 1]),
                _evidence(by_hash=bool(near[place]), by_features=bool(known[place])) if confirmed else None,
                int(apart[place]) if apart[place] >= 0 else None,
                bool(turned[place]),
                _or_none(likeness[place]),
                _or_none(correlation[place]),
            )
            for place in range(len(pairs))
        )
        return tuple(Group(star.middle, tuple(next(copies) for _ in star.members)) for star in found)

    def _correlation(self, pairs: Rows) -> npt.NDArray[np.float64]:
        said = [zip(np.sort(one.pairs, axis=1).tolist(), one.correlations.tolist(), strict=True) for one in self.looked]
        known = {(one, two): value for (one, two), value in chain.from_iterable(said)}
        return np.array([known.get((one, two), np.nan) for one, two in np.sort(pairs, axis=1).tolist()], np.float64)


def bits_between(pairs: Rows, perceived: Perceived | None, hashed: Rows, n: int) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """(p,) bits that differ, -1 where nobody knows; and whether the mirror image is nearer."""
    apart, turned = np.full(len(pairs), -1), np.zeros(len(pairs), bool)
    if perceived is None:
        return apart, turned
    place = np.full(n, -1)
    place[hashed[~perceived.flat]] = np.flatnonzero(~perceived.flat)
    known = (place[pairs] >= 0).all(axis=1)
    one, two = place[pairs[known]].T
    straight = distance(perceived.straight[one], perceived.straight[two])
    mirror = np.minimum(
        distance(perceived.straight[one], perceived.mirrored[two]),
        distance(perceived.mirrored[one], perceived.straight[two]),
    )
    apart[known], turned[known] = np.minimum(straight, mirror), mirror < straight
    return apart, turned


def likeness_of(pairs: Rows, alike: Likeness | None, index: Rows) -> npt.NDArray[np.float64]:
    """(p,) likeness of pairs among n rows with this index; NaN where nobody knows."""
    found = np.full(len(pairs), np.nan)
    if alike is not None and len(pairs):
        known = (index[pairs] >= 0).all(axis=1)
        found[known] = alike.of(pairs[known])
    return found


def _evidence(*, by_hash: bool, by_features: bool) -> Evidence:
    """Where neither is enough alone it was both."""
    if by_hash == by_features:
        return "both"
    return "hash" if by_hash else "features"


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
