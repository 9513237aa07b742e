"""Copies are found among look-alikes, every one, in bounded memory."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

import boda
from boda.errors import Refused
from boda.evaluation import copies
from boda.evaluation.copies import group_copies

PICTURES = [
    *("199_frontal", "214_frontal", "271_frontal", "305_frontal", "12_frontal", "32_frontal"),
    *("10_kitchen", "27_kitchen", "Couple_2", "Couple_9", "Lightning_6", "Thunderstorm_8"),
    *("165_frontal", "70_frontal", "474_frontal", "495_frontal", "226_frontal", "81_frontal"),
    *("Grass_5", "Grass_7", "Acorns_1", "Acorns_2", "Shark_2", "Shark_10", "Tiger_1", "Tiger_2"),
]
"""Pairs: six of the same picture, then seven of alike ones."""


@pytest.fixture
def features(rng):
    """600 rows that share a mean, as those of networks do, and rows 500 to 599 near copies of the first 100."""
    rows = np.maximum(rng.normal(size=(600, 30)) @ rng.normal(size=(30, 200)) + 4, 0)
    rows[500:] = rows[:100] + rng.normal(size=(100, 200))
    return rows.astype(np.float32)


def plain(features, likeness):
    """All likenesses at once."""
    off = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    off /= np.linalg.norm(off, axis=1, keepdims=True)
    alike = off @ off.T
    np.fill_diagonal(alike, -1)
    return alike, alike >= likeness


@pytest.mark.parametrize("likeness", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("block", [64, 4096])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_every_pair_is_found(features, likeness, block, dtype, monkeypatch):
    """The sketch rules nothing out that all likenesses at once show, whatever the blocks."""
    monkeypatch.setattr(copies, "_BLOCK", block)
    monkeypatch.setattr(copies, "_SKETCH", 12)
    monkeypatch.setattr(copies, "_GATHERED", 200 * 7)
    found = group_copies(None, features.astype(dtype), likeness=likeness)
    alike, close = plain(features.astype(dtype), likeness)
    np.testing.assert_array_equal(found.pairs[:, 0], np.flatnonzero(close.any(axis=1)))
    np.testing.assert_array_equal(found.pairs[:, 1], alike[close.any(axis=1)].argmax(axis=1))
    np.testing.assert_allclose(found.likeness, alike.max(axis=1)[close.any(axis=1)], atol=1e-5)
    _, parts = connected_components(close)
    np.testing.assert_array_equal(found.groups[:, None] == found.groups, parts[:, None] == parts)


def test_a_shared_mean_makes_no_copies(rng):
    """Rows with a cosine of 0.99 because all have the same background are no copies."""
    rows = (rng.normal(size=(300, 64)) + 10).astype(np.float32)
    raw = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert (raw @ raw.T).min() > 0.97
    assert group_copies(None, rows).copied == 0


def test_equal_files_are_copies_whatever_their_features(rng):
    """One digest is one picture; a row whose content nobody knows is like no other."""
    found = group_copies([b"a", None, b"b", b"a", None, b"a"], None)
    assert found.groups.tolist() == [0, 1, 2, 0, 3, 0]
    assert found.pairs.tolist() == [[3, 0], [5, 0]] and found.likeness.tolist() == [1, 1]
    both = group_copies(["a", None, "b", "a", None, "a"], rng.normal(size=(6, 50)).astype(np.float32))
    np.testing.assert_array_equal(both.groups, found.groups)


def test_files_and_likeness_chain(features):
    """A copy of a copy is in the group: by content to one, by likeness to the next."""
    contents = [bytes([row // 256, row % 256]) for row in range(600)]
    contents[200], features[200] = contents[500], features[500]
    found = group_copies(contents, features)
    assert found.groups[0] == found.groups[500] == found.groups[200]
    assert found.as_json() == {
        "rows": 600, "copied": 101, "groups_of_copies": 100, "largest_group": 3, "threshold": 0.9,
    }  # fmt: skip


def test_rows_that_are_all_equal_are_copies(rng):
    """Blank pictures have no direction from their mean, and are one picture all the same."""
    assert group_copies(None, np.full((20, 8), 0.1, np.float32)).copied == 19
    alone = group_copies(None, rng.normal(size=(1, 8)).astype(np.float32))
    assert alone.groups.tolist() == [0] and group_copies([], None).groups.tolist() == []


def test_what_cannot_be_compared_is_refused(features, monkeypatch):
    """Nothing given, other lengths, NaN, more rows than can be compared; equal files are found at any size."""
    with pytest.raises(Refused, match="equally many"):
        group_copies(None, None)
    with pytest.raises(Refused, match="equally many"):
        group_copies([b"a"], features)
    features[3, 3] = np.nan
    with pytest.raises(Refused, match="NaN"):
        group_copies(None, features)
    monkeypatch.setattr(copies, "LIMIT", 10)
    with pytest.raises(Refused, match="too many"):
        group_copies(None, features)
    assert group_copies([b"a"] * 600, None).copied == 599


@pytest.mark.slow
def test_on_real_photographs(boda_data, tmp_path):
    """Houses listed twice and one couple photographed twice are found; alike houses, lawns and acorns are not."""
    pytest.importorskip("torch")
    for name in ("houses", "oasis_ratings"):
        with tarfile.open(boda_data / name / "images.tar") as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
            some = [one for one in members if Path(one.name).stem in PICTURES] + members[:60]
            tar.extractall(tmp_path / "photos", members=some, filter="data")
    features = boda.embed(tmp_path / "photos", to=tmp_path / "photos.boda").features()
    found = group_copies(None, features.array)
    group = {Path(key).stem: group for key, group in zip(features.keys, found.groups, strict=True)}
    for one, two in zip(PICTURES[0::2], PICTURES[1::2], strict=True):
        assert (group[one] == group[two]) == (PICTURES.index(one) < 12), (one, two)
    assert found.as_json()["largest_group"] == 2


def test_rows_of_an_array_by_an_index():
    """Copies among some rows of a larger array, in any order, are those of the rows taken out."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(40, 80)).astype(np.float32)
    features[31] = features[4] + 1e-3
    index = rng.permutation(40)[:38]
    contents = [str(place).encode() for place in index]
    found, plain = group_copies(contents, features, index=index), group_copies(contents, features[index])
    np.testing.assert_array_equal(found.groups, plain.groups)
    np.testing.assert_array_equal(found.pairs, plain.pairs)


def test_only_new_rows_are_compared(monkeypatch):
    """Copies of new rows are found wherever they are; old rows far from them stay apart though they are alike."""
    monkeypatch.setattr(copies, "_BLOCK", 64)
    rng = np.random.default_rng(6)
    features = rng.normal(size=(1700, 80)).astype(np.float32)
    features[1650] = features[1600] + 1e-3  # two old rows, blocks away from the new ones
    features[1300] = features[4] + 1e-3
    features[9] = features[8] + 1e-3
    groups = group_copies(None, features, new=20).groups
    assert groups[1300] == groups[4]
    assert groups[9] == groups[8]
    assert groups[1650] != groups[1600]
    every = group_copies(None, features).groups
    assert every[1650] == every[1600]
