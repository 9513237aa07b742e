"""Near duplicates: groups that do not chain, by hash, by features, by both, and by neither where they cannot tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.health.cuts import BACKED, HASHED
from boda.health.hash_pairs import pairs_within
from boda.health.likeness import Likeness
from boda.health.near_duplicates import near_duplicates
from boda.health.perceptual_hash import Perceived, distance
from boda.health.stars import stars


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_every_member_is_near_the_middle(drawn):
    """A row is in one group at most, and no near pair is left of which both are free."""
    n, links = drawn
    pairs = np.array(sorted({(min(one), max(one)) for one in links if one[0] != one[1]}), np.int64).reshape(-1, 2)
    near = {(a, b) for a, b in pairs.tolist()} | {(b, a) for a, b in pairs.tolist()}
    found = stars(n, pairs)
    taken = [row for star in found for row in (star.middle, *star.members)]
    assert len(taken) == len(set(taken))
    assert all((star.middle, row) in near for star in found for row in star.members)
    assert not [pair for pair in near if not set(pair) & set(taken)]


def test_a_chain_is_not_one_group():
    """A-B-C-D-E, each near the next only: single linkage makes one of them all."""
    found = stars(5, np.array([[0, 1], [1, 2], [2, 3], [3, 4]]))
    assert [(star.middle, star.members) for star in found] == [(1, (0, 2)), (3, (4,))]


RNG = np.random.default_rng(0)
WILD = RNG.integers(2**64, size=48, dtype=np.uint64)
FEATURES = RNG.normal(size=(48, 128)).astype(np.float32)


def turned(number: int, bits: int) -> np.uint64:
    """The hash with so many bits turned."""
    return np.uint64(int(number) ^ ((1 << bits) - 1))


def pixels(same, others=0.2):
    """Pixels that correlate by 0.97 in these pairs, and less in others."""
    return lambda pairs: np.array([0.97 if tuple(pair) in same else others for pair in pairs.tolist()])


PLANTED = {(0, 1), (2, 3), (4, 5), (6, 7)}


def look(hashes=WILD, features=FEATURES, *, mirrored=None, flat=None, index=None, same=PLANTED):
    n = len(hashes) if hashes is not None else len(features)
    perceived = None
    if hashes is not None:
        mirror = RNG.integers(2**64, size=n, dtype=np.uint64) if mirrored is None else mirrored
        perceived = Perceived(hashes, mirror, np.zeros(n, bool) if flat is None else flat)
    index = np.arange(n) if index is None else index
    rng = np.random.default_rng(1)
    return near_duplicates(perceived, np.arange(n), features, index, rng=rng, correlated=pixels(same))


def told(found):
    return [(one.middle, copy.row, copy.evidence) for one in found.groups for copy in one.copies]


def alike(found):
    return [(one.middle, copy.row, copy.evidence) for one in found.look_alikes for copy in one.copies]


def test_each_evidence_is_named():
    """By hash alone, by features alone, by both, and by both together where neither is enough."""
    hashes, features = WILD.copy(), FEATURES.copy()
    hashes[1] = turned(hashes[0], 5)
    features[3] = features[2]
    hashes[5], features[5] = turned(hashes[4], 2), features[4]
    noise = np.random.default_rng(5).normal(size=128).astype(np.float32)
    hashes[7], features[7] = turned(hashes[6], 14), features[6] + 0.55 * noise
    hashes[9] = turned(hashes[8], 14)
    found = look(hashes, features)
    assert told(found) == [(0, 1, "hash"), (2, 3, "features"), (4, 5, "both"), (6, 7, "both")]
    by_hash, _, _, weak = (one.copies[0] for one in found.groups)
    assert (by_hash.distance, by_hash.mirrored) == (5, False)
    assert by_hash.likeness == pytest.approx(0, abs=0.4)
    assert weak.distance == 14
    assert 0.75 <= weak.likeness < 0.9
    assert (by_hash.correlation, weak.correlation) == (0.97, 0.97)
    assert found.look_alikes == ()
    doubted = look(hashes, features, same=set())
    assert told(doubted) == []
    assert alike(doubted) == [(0, 1, None), (2, 3, None), (4, 5, None), (6, 7, None)]
    assert [one.copies[0].correlation for one in doubted.look_alikes] == [0.2] * 4


def near_hash(value, features=FEATURES):
    """What is found where two rows have hashes 6 bits apart and pixels that correlate so."""
    hashes = WILD.copy()
    hashes[1] = turned(hashes[0], 6)
    mirror = RNG.integers(2**64, size=48, dtype=np.uint64)
    perceived = Perceived(hashes, mirror, np.zeros(48, bool))
    correlated = None if value is None else lambda pairs: np.where((pairs == [0, 1]).all(axis=1), value, 0.2)
    return near_duplicates(
        perceived, np.arange(48), features, np.arange(48), rng=np.random.default_rng(1), correlated=correlated
    )


@pytest.mark.parametrize("features", [FEATURES, None])
def test_pixels_deny_what_a_hash_tells(features):
    """Two planes in the sky, whose hashes are near, are look-alikes, with features and without; one picture is one."""
    found = near_hash(HASHED - 0.01, features)
    assert (told(found), alike(found)) == ([], [(0, 1, None)])
    (copy,) = found.look_alikes[0].copies
    assert (copy.distance, copy.correlation) == (6, HASHED - 0.01)
    found = near_hash(HASHED, features)
    assert (told(found), alike(found)) == ([(0, 1, "hash")], [])
    assert found.groups[0].copies[0].correlation == HASHED


def test_where_features_agree_less_of_the_pixels_is_enough():
    """A stereo pair: what a hash and features tell is denied by pixels that are further apart only."""
    features = FEATURES.copy()
    features[1] = features[0]
    assert told(near_hash(BACKED, features)) == [(0, 1, "both")]
    found = near_hash(BACKED - 0.01, features)
    assert (told(found), alike(found)) == ([], [(0, 1, None)])


@pytest.mark.parametrize("value", [np.nan, None])
def test_a_hash_alone_tells_where_nobody_can_look(value):
    """The pair stays, and it is said that no pixels were compared."""
    found = near_hash(value)
    assert told(found) == [(0, 1, "hash")]
    assert found.groups[0].copies[0].correlation is None
    assert "the pixels of 1 pair could not be compared: the hash alone tells these" in found.notes


def test_a_mirror_image_is_found_by_its_hash():
    """The hash of the one is that of the mirror image of the other."""
    mirrored = RNG.integers(2**64, size=48, dtype=np.uint64)
    hashes = WILD.copy()
    hashes[10] = mirrored[20]
    (group,) = look(hashes, None, mirrored=mirrored, same={(10, 20)}).groups
    assert (group.middle, group.copies[0].row, group.copies[0].mirrored) == (10, 20, True)


def test_what_stands_out_is_looked_at():
    """Half alike, and found inside the other: a copy by features; not found: none; nobody can look: none, and said."""
    features = RNG.normal(size=(80, 128)).astype(np.float32)
    features[5] = features[2] + 0.9 * features[5]
    asked = []

    def looking(same):
        def correlated(pairs: np.ndarray) -> np.ndarray:
            asked.append(pairs.tolist())
            return pixels(same)(pairs)

        return correlated

    def found(**options):
        return near_duplicates(None, np.zeros(0, np.int64), features, np.arange(80), rng=RNG, **options)

    assert told(found(correlated=looking({(2, 5)}))) == [(2, 5, "features")]
    first, look_alikes = asked
    assert first == [[2, 5]]
    assert len(look_alikes) == 6
    assert all(len({2, 5} & set(pair)) == 1 for pair in look_alikes)
    nothing = found(correlated=looking(set()))
    assert (told(nothing), alike(nothing), asked[2:]) == ([], [], [[[2, 5]]])
    nobody = found()
    assert told(nobody) == []
    assert nobody.notes == ("nobody could look at the pixels: what features call alike are look-alikes",)


def test_without_pixels_features_tell_look_alikes_only():
    """Equal features are no proof."""
    features = FEATURES.copy()
    features[3] = features[2]
    found = near_duplicates(None, np.zeros(0, np.int64), features, np.arange(48), rng=RNG)
    assert (told(found), alike(found)) == ([], [(2, 3, None)])
    assert len(set(found.numbers(48).tolist())) == 48


def test_flat_pictures_are_not_one_group():
    """Their hashes are noise or equal; none of it counts."""
    hashes, flat = WILD.copy(), np.zeros(48, bool)
    hashes[:15], flat[:15] = 0, True
    found = look(hashes, FEATURES, flat=flat)
    assert found.groups == found.look_alikes == ()
    assert "15 flat pictures have no hash" in found.notes


def test_evidence_that_tells_nothing_apart_is_left_out():
    """Narrow features, features that make a third of all one, hashes of strangers that are alike: each is said."""
    assert "with 8 numbers" in look(None, FEATURES[:, :8]).notes[0]
    alike = FEATURES.copy()
    alike[:30] = alike[0] + 0.01 * alike[:30]
    assert "would be one" in look(None, alike).notes[0]
    tame = RNG.integers(2**5, size=48).astype(np.uint64)
    found = look(tame, FEATURES)
    assert found.reach is None
    assert "hashes were not used" in found.notes[0]
    with pytest.raises(Refused, match="neither"):
        near_duplicates(None, np.zeros(0, np.int64), None, np.arange(3), rng=RNG)


def test_images_without_features_or_pixels_are_told_by_the_other():
    """A row of -1 has no features; one that was not hashed is not in `hashed`."""
    hashes, features = WILD.copy(), FEATURES.copy()
    hashes[1], features[3] = hashes[0], features[2]
    index = np.arange(48)
    index[0] = -1
    hashed = np.setdiff1d(np.arange(48), [3])
    perceived = Perceived(hashes[hashed], RNG.integers(2**64, size=47, dtype=np.uint64), np.zeros(47, bool))
    found = near_duplicates(perceived, hashed, features, index, rng=RNG, correlated=pixels({(0, 1), (2, 3)}))
    assert told(found) == [(0, 1, "hash"), (2, 3, "features")]
    assert (found.groups[0].copies[0].likeness, found.groups[1].copies[0].distance) == (None, None)


def test_numbers_join_rows_of_one_group():
    """Rows of one group have one number, others one of their own."""
    hashes = WILD.copy()
    hashes[[7, 9]] = hashes[3]
    numbers = look(hashes, None, same={(3, 7), (3, 9), (7, 9)}).numbers(48)
    assert numbers[3] == numbers[7] == numbers[9]
    assert len(set(numbers.tolist())) == 46


def test_likeness_is_the_cosine_of_centred_features():
    """Against a plain computation, for all pairs; those above a threshold are exactly those listed."""
    features = (FEATURES + 5 + RNG.normal(size=(3, 128))[np.arange(48) % 3] * 1.5).astype(np.float32)
    index = np.arange(48)[::-1].copy()
    alike = Likeness.among(features, index)
    off = features[index].astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    cosines = off @ off.T / np.outer(*[np.linalg.norm(off, axis=1)] * 2)
    upper = np.stack(np.triu_indices(48, 1), axis=1)
    np.testing.assert_allclose(alike.of(upper), cosines[tuple(upper.T)], atol=1e-6)
    near = upper[cosines[tuple(upper.T)] >= 0.5]
    np.testing.assert_array_equal(alike.pairs(0.5), near)


def test_the_pairs_of_a_thousand_are_exact():
    """Against all distances at once."""
    hashes = np.concatenate([WILD, WILD ^ np.uint64(0b1011), RNG.integers(2**64, size=900, dtype=np.uint64)])
    rows, others = pairs_within(hashes, hashes, 8)
    np.testing.assert_array_equal(np.stack([rows, others]), np.nonzero(distance(hashes[:, None], hashes[None]) <= 8))
