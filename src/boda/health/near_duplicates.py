"""Near duplicates: one picture in several files, a little changed. Told by perceptual hash or features, and by pixels.

Hashes know a picture that was compressed, shrunk, brightened or mirrored, hardly one that was cut. Features know a cut
one too, by a likeness of 0.9, or by one that stands out among the neighbours of both; or by 0.75 where hashes are near,
if not near enough alone. But what features call alike may be two zeros that somebody wrote, and two planes in the sky
may have one hash: so all of that are proposals, and pixels decide (`confirming`). What they do not confirm is listed as
look-alikes. All of it is relative to the collection: likeness is taken from the mean of all features, and hashes and
pixels must be nearer where strangers have similar ones. What was measured is in `recipes/duplicates.md`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.counted import counted
from boda.errors import Refused
from boda.evaluation.copies import LIKENESS, LIMIT
from boda.evaluation.groups import join
from boda.health.confirming import NOTHING, Confirmed, Correlated, Proposals, confirmed, upheld
from boda.health.evidence import Group, Told, bits_between, likeness_of
from boda.health.hash_pairs import Reach, pairs_within, reach_among
from boda.health.likeness import Likeness
from boda.health.perceptual_hash import Perceived
from boda.health.standing_out import MOST, standing_out
from boda.health.stars import stars

Rows = npt.NDArray[np.int64]

ALIKE = 0.75
"""Likeness of copies whose hashes are near, if not near enough alone; of 400 photographs no two strangers had 0.6."""
NARROW = 64
"""Features of fewer numbers cannot tell copies from strangers."""
_NONE = np.zeros((0, 2), np.int64)
_FEW, _CHAINED = 20, 1 / 3
"""Rows, and the share of all, above which a group is no picture but what the evidence cannot tell apart."""


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What was found among n rows, and how it was told."""

    groups: tuple[Group, ...]
    """In the order of their middles; a row is in one at most."""
    look_alikes: tuple[Group, ...]
    """Alike by hash or features, and not confirmed by their pixels: in order, a row in one at most."""
    reach: Reach | None
    """Bits that hashes may be apart; None where hashes were not used."""
    likeness: float | None
    """The least of copies; None where features were not used."""
    notes: tuple[str, ...]
    """Why hashes, features or pixels were not used, or not of all rows."""

    def numbers(self, n: int) -> Rows:
        """(n,) rows of one group have one number; others, look-alikes among them, have one of their own."""
        return join(_middles(self.groups, n))


def near_duplicates(
    perceived: Perceived | None,
    hashed: Rows,
    features: StoredFeatures | None,
    index: Rows,
    *,
    rng: np.random.Generator,
    likeness: float = LIKENESS,
    correlated: Correlated | None = None,
) -> NearDuplicates:
    """Find groups of near duplicates among n rows of distinct files.

    Args:
        perceived: hashes of h pictures; None where nobody looked at pixels.
        hashed: (h,) the row of each.
        features: (m, d), finite; None where there are none.
        index: (n,); row i is `features[index[i]]`; -1 where it has none.
        rng: draws the pairs of strangers.
        likeness: the least cosine of centred features by which two rows are alike.
        correlated: looks at the pixels of pairs of rows. None: nobody can, so that hashes tell copies alone, and
            features look-alikes only.

    Raises:
        Refused: there is neither, or a feature is not finite.
    """
    if perceived is None and features is None:
        raise Refused("near duplicates are told by pixels or by features, and there are neither")
    n = len(index)
    alike, by_features, notes = _by_features(features, index, likeness)
    reach, by_hash, nearly, more = _by_hash(perceived, hashed, alike, index, rng)
    backed = likeness_of(by_hash, alike, index) >= ALIKE
    hashes = upheld(by_hash, backed, correlated)
    if hashes.blind:
        alone = counted(hashes.blind, "pair")
        more = [*more, f"the pixels of {alone} could not be compared: the hash alone tells these"]
    known, denied = by_hash[hashes.same], by_hash[~hashes.same]
    close = _without(np.unique(np.concatenate([by_features, nearly]), axis=0), known, n)
    looked, unseen = _looked_at(alike, index, close, known, correlated, rng)
    same = np.sort(looked.pairs[looked.same], axis=1)
    of_features = np.concatenate([by_features, by_hash[backed], _without(same, nearly, n)])
    found = Told(perceived, hashed, alike, index, reach, of_features, (hashes, looked))
    groups = found.groups(stars(n, np.unique(np.concatenate([known, same]), axis=0)))
    middles = _middles(groups, n)
    rest = _without(np.unique(np.concatenate([close, denied]), axis=0), same, n)
    rest = rest[middles[rest[:, 0]] != middles[rest[:, 1]]]
    look_alikes = found.groups(stars(n, rest), confirmed=False)
    told = likeness if alike is not None else None
    return NearDuplicates(groups, look_alikes, reach, told, (*more, *notes, *unseen))


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


def _by_hash(
    perceived: Perceived | None, hashed: Rows, alike: Likeness | None, index: Rows, rng: np.random.Generator
) -> tuple[Reach | None, Rows, Rows, list[str]]:
    """How far hashes may be apart, pairs (p, 2) near enough alone, those near where features are too, what to say.

    Pairs are of rows, the lower row first.
    """
    if perceived is None:
        return None, _NONE, _NONE, []
    reach = reach_among(perceived, rng=rng)
    told = np.flatnonzero(~perceived.flat)
    flat = counted(len(hashed) - len(told), "flat picture has", "flat pictures have")
    notes = [f"{flat} no hash"] if len(told) < len(hashed) else []
    if reach.with_features < 0:
        few = f"hashes were not used: those of strangers differ in {reach.mean:.1f} ± {reach.spread:.1f} bits only"
        return None, _NONE, _NONE, [*notes, few] if len(told) > 1 else notes
    straight, mirrored = perceived.straight[told], perceived.mirrored[told]
    furthest = reach.alone if alike is None else reach.with_features
    found = [np.stack(pairs_within(straight, other, furthest), axis=1) for other in (straight, mirrored)]
    pairs = np.sort(hashed[told[np.concatenate(found)]], axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    near = bits_between(pairs, perceived, hashed, len(index))[0] <= reach.alone
    if _too_many(pairs[near], len(told)):
        many = f"hashes were not used: by them {_largest(pairs[near]):,} pictures would be one"
        return None, _NONE, _NONE, [*notes, many]
    nearly = pairs[~near]
    return reach, pairs[near], nearly[likeness_of(nearly, alike, index) >= ALIKE], notes


def _looked_at(
    alike: Likeness | None,
    index: Rows,
    close: Rows,
    known: Rows,
    correlated: Correlated | None,
    rng: np.random.Generator,
) -> tuple[Confirmed, list[str]]:
    """What pixels say of close pairs (p, 2), and of those that stand out and are not known; and what to say."""
    if alike is None:
        return NOTHING, []
    if correlated is None:
        return NOTHING, ["nobody could look at the pixels: what features call alike are look-alikes"]
    rows = np.flatnonzero(index >= 0)
    notes: list[str] = []
    here = Likeness(alike.features, index[rows], alike.mean)
    proposed = close
    if len(rows) <= MOST:
        proposed = np.concatenate([close, _without(rows[standing_out(here)], known, len(index))])
    else:
        notes.append(f"pictures cut out of others were hardly looked for: more than {MOST:,} images")
    places = np.searchsorted(rows, np.unique(proposed, axis=0)).astype(np.int64)
    found = confirmed(Proposals.among(here, places, rng=rng), lambda pairs: correlated(rows[pairs]))
    if found.left:
        left = counted(found.left, "pair that features call alike was", "pairs that features call alike were")
        notes.append(f"{left} not looked at, standing out less than the {len(found.pairs):,} that were")
    if found.blind:
        notes.append(f"the pixels of {counted(found.blind, 'pair')} that features call alike could not be compared")
    return Confirmed(rows[found.pairs], found.correlations, found.same, found.left), notes


def _without(pairs: Rows, others: Rows, n: int) -> Rows:
    """Pairs (p, 2) of n rows that are not among others."""
    return pairs[~np.isin(pairs @ [n, 1], others @ [n, 1])]


def _middles(groups: Sequence[Group], n: int) -> Rows:
    """(n,) the middle of the group that a row is in; itself where it is in none."""
    found = np.arange(n)
    for group in groups:
        for copy in group.copies:
            found[copy.row] = group.middle
    return found


def _largest(pairs: Rows) -> int:
    """How many rows are near the row with the most, itself counted."""
    return int(np.bincount(pairs.ravel()).max(initial=0)) + 1 if len(pairs) else 0


def _too_many(pairs: Rows, n: int) -> bool:
    return _largest(pairs) > max(_FEW, n * _CHAINED)
