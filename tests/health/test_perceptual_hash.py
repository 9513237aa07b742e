"""Perceptual hashes: the bits of pHash, near for one picture, far for two, none for a flat one."""

import io
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from scipy.stats import norm

from boda.errors import Refused
from boda.health.hash_pairs import _alike, _all, pairs_within, reach_among
from boda.health.perceptual_hash import Perceived, distance, perceive


def grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def pictures(boda_data):
    """Thirty photographs."""
    with tarfile.open(boda_data / "imagenet_photos" / "images.tar") as archive:
        members = [one for one in archive if one.isfile()][:30]
        return [Image.open(io.BytesIO(archive.extractfile(one).read())).convert("RGB") for one in members]


def test_the_bits_are_those_of_imagehash(pictures):
    """Bit for bit those of `imagehash.phash`, of pictures and of their mirror images."""
    imagehash = pytest.importorskip("imagehash", reason="ImageHash is not installed")
    found = perceive(np.stack([grey(one) for one in pictures]))
    for image, straight, mirrored in zip(pictures, found.straight, found.mirrored, strict=True):
        assert int(str(imagehash.phash(image)), 16) == int(straight)
        assert int(str(imagehash.phash(ImageOps.mirror(image))), 16) == int(mirrored)


def test_compression_and_size_change_few_bits_and_strangers_many(pictures):
    """JPEG of quality 30 and half the size: at most 6; two photographs: more than 12."""
    found = perceive(np.stack([grey(one) for one in pictures])).straight
    for image, before in zip(pictures, found, strict=True):
        into = io.BytesIO()
        image.resize((image.width // 2, image.height // 2)).save(into, "JPEG", quality=30)
        assert distance(perceive(grey(Image.open(into))[None]).straight, before).max() <= 6
    apart = distance(found[:, None], found[None])
    assert apart[np.triu_indices(len(found), 1)].min() > 12


def test_a_flat_picture_has_no_hash():
    """All of one grey, or with the noise of a sensor; a faint edge is enough to have one."""
    rng = np.random.default_rng(0)
    edge = np.full((32, 32), 100)
    edge[:, 16:] = 110
    pictures = np.stack([np.full((32, 32), 7), 128 + rng.integers(-1, 2, (32, 32)), edge]).astype(np.uint8)
    assert perceive(pictures).flat.tolist() == [True, True, False]


def test_other_shapes_are_refused():
    """The transform is of 32 x 32."""
    with pytest.raises(Refused, match="32"):
        perceive(np.zeros((2, 16, 16), np.uint8))


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_the_distance_counts_bits(numbers):
    """As Python counts them."""
    hashes = np.array(numbers, np.uint64)
    assert distance(hashes, hashes[:1]).tolist() == [(one ^ numbers[0]).bit_count() for one in numbers]


@pytest.mark.parametrize("radius", [0, 3, 8, 16])
def test_looking_up_finds_what_comparing_all_finds(radius):
    """The fast way and the plain way agree, also where many hashes are nearly equal."""
    rng = np.random.default_rng(radius)
    centres = rng.integers(2**64, size=20, dtype=np.uint64)
    flips = rng.integers(64, size=(300, 6)).astype(np.uint64)
    hashes = centres[rng.integers(20, size=300)]
    for place in range(6):
        hashes = hashes ^ (np.uint64(1) << flips[:, place])
    plain = np.argwhere(distance(hashes[:, None], hashes[None]) <= radius)
    for way in (_all(300, 300), _alike(hashes, hashes, radius)):
        candidates = np.concatenate([np.stack(pair, axis=1) for pair in way])
        near = candidates[distance(hashes[candidates[:, 0]], hashes[candidates[:, 1]]) <= radius]
        np.testing.assert_array_equal(np.unique(near, axis=0), plain)
    np.testing.assert_array_equal(np.stack(pairs_within(hashes, hashes, radius), axis=1), plain)


def test_no_pair_is_within_less_than_nothing():
    """A radius below 0 says that hashes tell nothing."""
    hashes = np.zeros(3, np.uint64)
    assert len(pairs_within(hashes, hashes, -1)[0]) == 0


def of(hashes: np.ndarray) -> Perceived:
    return Perceived(hashes, hashes, np.zeros(len(hashes), bool))


def test_the_reach_is_less_where_strangers_are_alike():
    """Random hashes: the full reach; hashes that differ in a few bits anyway: none."""
    rng = np.random.default_rng(0)
    wild = of(rng.integers(2**64, size=500, dtype=np.uint64))
    reach = reach_among(wild, rng=rng)
    assert (reach.alone, reach.with_features) == (8, 15)
    assert (reach.mean, reach.spread) == pytest.approx((32, 4), abs=0.2)
    tame = of(rng.integers(2**10, size=500).astype(np.uint64))
    assert reach_among(tame, rng=rng).alone == -1
    assert reach_among(of(np.zeros(1, np.uint64)), rng=rng).alone == -1


def test_the_reach_counts_mirrored_pairs_too():
    """The way in which strangers are nearer decides; by a normal distribution of twice as many comparisons as pairs."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(2**32, size=500, dtype=np.uint64)
    further = hashes ^ np.uint64(0xFF << 32)
    flat = np.zeros(500, bool)
    reaches = [reach_among(Perceived(hashes, mirrored, flat), rng=rng) for mirrored in (hashes, further)]
    reaches.append(reach_among(Perceived(hashes ^ further[0], further, flat), rng=rng))
    for reach in reaches:
        assert (reach.mean, reach.spread) == pytest.approx((16, np.sqrt(8)), abs=0.05)
        assert reach.alone == np.floor(reach.mean + norm.ppf(1 / (500 * 499)) * reach.spread)
