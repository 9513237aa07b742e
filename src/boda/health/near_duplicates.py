"""Near duplicates: one picture in several files, changed a little. Told by perceptual hashes, by features, or by both.

Hashes know a picture that was compressed, shrunk, brightened or mirrored, and nothing that was cut; features know cut
ones too, where an encoder sees the same thing. Both thresholds are relative to the collection: likeness is taken from
the mean of all features, and the radius of hashes shrinks where strangers have similar ones. What was measured is in
`recipes/duplicates.md`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.evaluation.copies import LIKENESS, LIMIT
from boda.evaluation.groups import join
from boda.health.hash_pairs import pairs_within, radius_among
from boda.health.likeness import Likeness
from boda.health.perceptual_hash import Perceived, distance
from boda.health.stars import Star, stars

Evidence: TypeAlias = Literal["hash", "features", "both"]
Rows = npt.NDArray[np.int64]

NARROW = 64
"""Features of fewer numbers cannot tell copies from strangers."""
_FEW, _CHAINED = 20, 1 / 3
"""Rows, and the share of all, above which a group is no picture but what the evidence cannot tell apart."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A member of a group, and why it is one."""

    row: int
    evidence: Evidence
    distance: int | None
    """Bits that differ from the hash of the middle, or of its mirror image; None where one of them has no hash."""
    mirrored: bool
    """Whether its hash is nearer to that of the mirror image."""
    likeness: float | None
    """To the features of the middle; None where one of them has none, or features were not looked at."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that show one picture: each is near the middle."""

    middle: int
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What was found among n rows, and how it was told."""

    groups: tuple[Group, ...]
    """In the order of their middles; a row is in one at most."""
    radius: int | None
    """Bits; None where hashes were not used."""
    strangers: tuple[float, float] | None
    """Mean and deviation of the distances of hashes of any two pictures here."""
    likeness: float | None
    """The least of copies; None where features were not used."""
    notes: tuple[str, ...]
    """Why hashes or features were not used, or not of all rows."""

    def numbers(self, n: int) -> Rows:
        """(n,) rows of one group have one number; others have one of their own."""
        found = np.arange(n)
        for group in self.groups:
            for copy in group.copies:
                found[copy.row] = group.middle
        return join(found)


def near_duplicates(
    perceived: Perceived | None,
    hashed: Rows,
    features: StoredFeatures | None,
    index: Rows,
    *,
    rng: np.random.Generator,
    likeness: float = LIKENESS,
) -> NearDuplicates:
    """Find groups of near duplicates among n rows of distinct files, exactly by either evidence.

    Args:
        perceived: hashes of h pictures; None where nobody looked at pixels.
        hashed: (h,) the row of each.
        features: (m, d), finite; None where there are none.
        index: (n,); row i is `features[index[i]]`; -1 where it has none.
        rng: draws the pairs of strangers.
        likeness: the least cosine of centred features that makes two rows copies.

    Raises:
        Refused: there is neither, or a feature is not finite.
    """
    if perceived is None and features is None:
        raise Refused("near duplicates are told by pixels or by features, and there are neither")
    n, notes = len(index), []
    pairs = [np.zeros((0, 2), np.int64)]
    radius, strangers = None, None
    if perceived is not None:
        radius, strangers, found, note = _by_hash(perceived, hashed, rng)
        notes += note
        pairs.append(found)
    alike = None
    if features is not None:
        alike, found, note = _by_features(features, index, likeness)
        notes += note
        pairs.append(found)
    near = np.unique(np.concatenate(pairs), axis=0)
    groups = _described(stars(n, near), perceived, hashed, alike, index, radius, likeness)
    return NearDuplicates(groups, radius, strangers, likeness if alike is not None else None, tuple(notes))


def _by_hash(
    perceived: Perceived, hashed: Rows, rng: np.random.Generator
) -> tuple[int | None, tuple[float, float] | None, Rows, list[str]]:
    """The radius, what strangers have, and (p, 2) pairs of rows; lower row first."""
    radius, mean, spread = radius_among(perceived, rng=rng)
    told = np.flatnonzero(~perceived.flat)
    notes = []
    if len(told) < len(hashed):
        notes.append(f"{len(hashed) - len(told):,} flat pictures have no hash")
    if radius < 0:
        if len(told) > 1:
            notes.append(f"hashes were not used: those of strangers differ in {mean:.1f} ± {spread:.1f} bits only")
        return None, None, np.zeros((0, 2), np.int64), notes
    straight, mirrored = perceived.straight[told], perceived.mirrored[told]
    found = [np.stack(pairs_within(straight, other, radius), axis=1) for other in (straight, mirrored)]
    pairs = np.sort(hashed[told[np.concatenate(found)]], axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    if _too_many(pairs, len(told)):
        notes.append(f"hashes were not used: by them {_largest(pairs):,} pictures would be one")
        return None, (mean, spread), np.zeros((0, 2), np.int64), notes
    return radius, (mean, spread), pairs, notes


def _by_features(features: StoredFeatures, index: Rows, likeness: float) -> tuple[Likeness | None, Rows, list[str]]:
    """The likeness of rows that have features, and (p, 2) pairs of rows; lower row first."""
    rows = np.flatnonzero(index >= 0)
    none = np.zeros((0, 2), np.int64)
    if features.shape[1] < NARROW:
        return None, none, [f"features were not used: with {features.shape[1]} numbers they tell no copies"]
    if len(rows) > LIMIT:
        return None, none, [f"features were not used: {len(rows):,} rows are too many to compare, at most {LIMIT:,}"]
    alike = Likeness.among(features, index[rows])
    pairs = alike.pairs(likeness)
    if _too_many(pairs, len(rows)):
        return None, none, [f"features were not used: by them {_largest(pairs):,} pictures would be one"]
    return Likeness(features, index, alike.mean), rows[pairs], []


def _largest(pairs: Rows) -> int:
    """How many rows are near the row with the most, itself counted."""
    return int(np.bincount(pairs.ravel()).max(initial=0)) + 1 if len(pairs) else 0


def _too_many(pairs: Rows, n: int) -> bool:
    return _largest(pairs) > max(_FEW, n * _CHAINED)


def _described(
    found: Sequence[Star],
    perceived: Perceived | None,
    hashed: Rows,
    alike: Likeness | None,
    index: Rows,
    radius: int | None,
    least: float,
) -> tuple[Group, ...]:
    """Groups with the evidence of every member against its middle."""
    pairs = np.array([(star.middle, row) for star in found for row in star.members], np.int64).reshape(-1, 2)
    apart, turned = _hash_evidence(pairs, perceived, hashed, len(index))
    cosines = _feature_evidence(pairs, alike, index)
    copies = iter(
        Copy(
            int(row),
            _evidence(bits >= 0 and radius is not None and bits <= radius, bool(cosine >= least)),
            int(bits) if bits >= 0 else None,
            bool(mirror),
            float(cosine) if np.isfinite(cosine) else None,
        )
        for (_, row), bits, mirror, cosine in zip(pairs.tolist(), apart, turned, cosines, strict=True)
    )
    return tuple(Group(star.middle, tuple(next(copies) for _ in star.members)) for star in found)


def _evidence(by_hash: bool, by_features: bool) -> Evidence:  # noqa: FBT001
    if by_hash and by_features:
        return "both"
    return "hash" if by_hash else "features"


def _hash_evidence(
    pairs: Rows, perceived: Perceived | None, hashed: Rows, n: int
) -> tuple[Rows, npt.NDArray[np.bool_]]:
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


def _feature_evidence(pairs: Rows, alike: Likeness | None, index: Rows) -> npt.NDArray[np.float64]:
    """(p,) likeness; NaN where nobody knows."""
    found = np.full(len(pairs), np.nan)
    if alike is not None and len(pairs):
        known = (index[pairs] >= 0).all(axis=1)
        found[known] = alike.of(pairs[known])
    return found
