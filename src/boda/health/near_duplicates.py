"""Near duplicates: one picture in several files, changed a little. Told by perceptual hashes, by features, or by both.

Hashes know a picture that was compressed, shrunk, brightened or mirrored, hardly one that was cut. Features know a cut
one too, by a likeness of 0.9, or by one that stands out among the neighbours of both, if the one is then found inside
the other. And where hashes and features are both near, if neither near enough alone, it is one, too. All of it is
relative to the collection: likeness is taken from the mean of all features, and hashes must be nearer where strangers
have similar ones. What was measured is in `recipes/duplicates.md`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.evaluation.copies import LIKENESS, LIMIT
from boda.evaluation.groups import join
from boda.health.hash_pairs import Reach, pairs_within, reach_among
from boda.health.likeness import Likeness
from boda.health.perceptual_hash import Perceived, distance
from boda.health.standing_out import MOST, standing_out
from boda.health.stars import Star, stars

Evidence: TypeAlias = Literal["hash", "features", "both"]
Rows = npt.NDArray[np.int64]

ALIKE = 0.75
"""Likeness of copies whose hashes are near, if not near enough alone; of 400 photographs no two strangers had 0.6."""
PROPOSED = 300
"""Pairs that stand out and are looked at, those that stand out most; a tenth of a second each."""
NARROW = 64
"""Features of fewer numbers cannot tell copies from strangers."""
_NONE = np.zeros((0, 2), np.int64)
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
    reach: Reach | None
    """Bits that hashes may be apart; None where hashes were not used."""
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
    is_cut: Callable[[Rows], npt.NDArray[np.bool_]] | None = None,
) -> NearDuplicates:
    """Find groups of near duplicates among n rows of distinct files, exactly by either evidence.

    Args:
        perceived: hashes of h pictures; None where nobody looked at pixels.
        hashed: (h,) the row of each.
        features: (m, d), finite; None where there are none.
        index: (n,); row i is `features[index[i]]`; -1 where it has none.
        rng: draws the pairs of strangers.
        likeness: the least cosine of centred features that makes two rows copies.
        is_cut: of pairs of rows (p, 2) that stand out: whether the one is cut out of the other. None: nobody can look,
            and such pairs are none.

    Raises:
        Refused: there is neither, or a feature is not finite.
    """
    if perceived is None and features is None:
        raise Refused("near duplicates are told by pixels or by features, and there are neither")
    n = len(index)
    alike, by_features, notes = _by_features(features, index, likeness)
    reach, by_hash, more = _by_hash(perceived, hashed, alike, index, rng)
    if alike is not None:
        cut, unseen = _cut(alike, index, np.concatenate([by_features, by_hash]), is_cut)
        by_features, notes = np.concatenate([by_features, cut]), [*notes, *unseen]
    found = stars(n, np.unique(np.concatenate([by_features, by_hash]), axis=0))
    groups = _described(found, perceived, hashed, alike, index, reach, by_features)
    return NearDuplicates(groups, reach, likeness if alike is not None else None, (*more, *notes))


def _by_features(
    features: StoredFeatures | None, index: Rows, likeness: float
) -> tuple[Likeness | None, Rows, list[str]]:
    """The likeness of rows that have features, (p, 2) pairs of rows, lower row first, and what to say."""
    rows = np.flatnonzero(index >= 0)
    if features is None:
        return None, _NONE, []
    if features.shape[1] < NARROW:
        return None, _NONE, [f"features were not used: with {features.shape[1]} numbers they tell no copies"]
    if len(rows) > LIMIT:
        return None, _NONE, [f"features were not used: {len(rows):,} rows are too many to compare, at most {LIMIT:,}"]
    alike = Likeness.among(features, index[rows])
    pairs = alike.pairs(likeness)
    if _too_many(pairs, len(rows)):
        return None, _NONE, [f"features were not used: by them {_largest(pairs):,} pictures would be one"]
    return Likeness(features, index, alike.mean), rows[pairs], []


def _cut(
    alike: Likeness, index: Rows, known: Rows, is_cut: Callable[[Rows], npt.NDArray[np.bool_]] | None
) -> tuple[Rows, list[str]]:
    """(p, 2) pairs of rows that stand out, are not known, and of which the one is cut out of the other; what to say."""
    rows = np.flatnonzero(index >= 0)
    if is_cut is None or len(rows) > MOST:
        why = "nobody could look at the pixels" if is_cut is None else f"more than {MOST:,} images"
        return _NONE, [f"pictures cut out of others were hardly looked for: {why}"]
    proposed = rows[standing_out(Likeness(alike.features, index[rows], alike.mean))]
    new = ~np.isin(proposed @ [len(index), 1], known @ [len(index), 1])
    proposed = proposed[new][:PROPOSED]
    return proposed[is_cut(proposed)], []


def _by_hash(
    perceived: Perceived | None, hashed: Rows, alike: Likeness | None, index: Rows, rng: np.random.Generator
) -> tuple[Reach | None, Rows, list[str]]:
    """How far hashes may be apart, (p, 2) pairs of rows, lower row first, and what to say."""
    if perceived is None:
        return None, _NONE, []
    reach = reach_among(perceived, rng=rng)
    told = np.flatnonzero(~perceived.flat)
    notes = [f"{len(hashed) - len(told):,} flat pictures have no hash"] if len(told) < len(hashed) else []
    if reach.with_features < 0:
        few = f"those of strangers differ in {reach.mean:.1f} ± {reach.spread:.1f} bits only"
        return None, _NONE, [*notes, f"hashes were not used: {few}"] if len(told) > 1 else notes
    straight, mirrored = perceived.straight[told], perceived.mirrored[told]
    furthest = reach.alone if alike is None else reach.with_features
    found = [np.stack(pairs_within(straight, other, furthest), axis=1) for other in (straight, mirrored)]
    pairs = np.sort(hashed[told[np.concatenate(found)]], axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    near = _hash_evidence(pairs, perceived, hashed, len(index))[0] <= reach.alone
    if _too_many(pairs[near], len(told)):
        return None, _NONE, [*notes, f"hashes were not used: by them {_largest(pairs[near]):,} pictures would be one"]
    near[~near] = _feature_evidence(pairs[~near], alike, index) >= ALIKE
    return reach, pairs[near], notes


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
    reach: Reach | None,
    by_features: Rows,
) -> tuple[Group, ...]:
    """Groups with the evidence of every member against its middle."""
    pairs = np.array([(star.middle, row) for star in found for row in star.members], np.int64).reshape(-1, 2)
    apart, turned = _hash_evidence(pairs, perceived, hashed, len(index))
    cosines = _feature_evidence(pairs, alike, index)
    known = np.isin(np.sort(pairs, axis=1) @ [len(index), 1], by_features @ [len(index), 1])
    copies = iter(
        Copy(
            int(row),
            _evidence(bits >= 0 and reach is not None and bits <= reach.alone, bool(seen)),
            int(bits) if bits >= 0 else None,
            bool(mirror),
            float(cosine) if np.isfinite(cosine) else None,
        )
        for (_, row), bits, mirror, cosine, seen in zip(pairs.tolist(), apart, turned, cosines, known, strict=True)
    )
    return tuple(Group(star.middle, tuple(next(copies) for _ in star.members)) for star in found)


def _evidence(by_hash: bool, by_features: bool) -> Evidence:  # noqa: FBT001
    """Where neither is enough alone it was both."""
    if by_hash == by_features:
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
