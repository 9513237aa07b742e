"""Pixels decide which of the pairs that features propose are one picture, beside those of their look-alikes."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from boda.health import confirming
from boda.health.confirming import Proposals, confirmed, upheld
from boda.health.cuts import BACKED, HASHED, SAME, best_correlation
from boda.health.likeness import Likeness
from boda.health.near_duplicates import near_duplicates

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(60, 80)).astype(np.float32)


def proposals(features: np.ndarray, pairs: list[tuple[int, int]]) -> Proposals:
    alike = Likeness.among(features, np.arange(len(features)))
    return Proposals.among(alike, np.array(pairs, np.int64), rng=np.random.default_rng(0))


def zeros(apart: float) -> np.ndarray:
    """Twelve rows of one kind; the first two are as much apart as this."""
    features = FEATURES.copy()
    features[:12] = features[0] + 0.2 * features[:12]
    features[1] = features[0] + apart * FEATURES[1]
    return features


def test_a_pair_like_its_look_alikes_is_none():
    """0.96 among zeros that correlate by 0.95 says nothing; 0.995 does. In Fisher's z these are 0.11 and 1.16 more."""
    for value, same in ((0.96, False), (0.995, True)):
        asked = proposals(zeros(0.05), [(0, 1), (2, 3)])
        found = confirmed(asked, lambda pairs, value=value: np.where((pairs == [0, 1]).all(axis=1), value, 0.95))
        assert found.pairs.tolist() == [[0, 1], [2, 3]]
        assert found.same.tolist() == [same, False]


def test_of_strangers_the_threshold_alone_decides():
    """Nobody else is like them: at the threshold it is one picture, below it is none; where nobody could look it is none."""
    for correlation, same in ((SAME, True), (SAME - 0.01, False), (np.nan, False)):
        found = confirmed(
            proposals(FEATURES, [(3, 9)]),
            lambda pairs, value=correlation: np.where((pairs == [3, 9]).all(axis=1), value, 0.3),
        )
        assert (found.pairs.tolist(), found.same.tolist(), found.left) == ([[3, 9]], [same], 0)


def test_what_stands_out_most_is_looked_at_first():
    """By likeness less that of either to its fourth nearest."""
    features = FEATURES.copy()
    for one, two, apart in ((0, 1, 0.9), (2, 3, 0.1), (4, 5, 0.4)):
        features[two] = features[one] + apart * features[two]
    assert proposals(features, [(0, 1), (2, 3), (4, 5)]).pairs.tolist() == [[2, 3], [4, 5], [0, 1]]


def test_looking_ends_where_it_is_in_vain(monkeypatch):
    """After so many pairs of which none is one picture; or at the most that are looked at."""
    pairs = [(one, one + 1) for one in range(0, 60, 2)]
    monkeypatch.setattr(confirming, "IN_VAIN", 10)
    vain = confirmed(proposals(FEATURES, pairs), lambda pairs: np.full(len(pairs), 0.1))
    assert (len(vain.pairs), vain.left) == (10, 20)
    every = confirmed(proposals(FEATURES, pairs), lambda pairs: np.where(pairs[:, 1] == pairs[:, 0] + 1, 0.99, 0.1))
    assert (len(every.pairs), every.left) == (30, 0)
    monkeypatch.setattr(confirming, "PROPOSED", 20)
    some = confirmed(proposals(FEATURES, pairs), lambda pairs: np.where(pairs[:, 1] == pairs[:, 0] + 1, 0.99, 0.1))
    assert (len(some.pairs), some.left) == (20, 10)


def test_a_few_rows_have_no_look_alikes():
    """Of four the pixels alone decide."""
    found = confirmed(proposals(FEATURES[:4], [(0, 1)]), lambda pairs: np.full(len(pairs), 0.95))
    assert found.same.tolist() == [True]


def test_zeros_that_somebody_wrote_are_no_copies():
    """Nor ones, though as alike as copies by their numbers; only those that were saved again are."""
    data = load_digits()
    rows = np.concatenate([np.flatnonzero(data.target == digit)[:12] for digit in (0, 1)])
    pictures = [Image.fromarray(np.pad(np.rint(data.images[row] * 15.9).astype(np.uint8), 2)) for row in rows]
    pictures = [one.resize((40, 40), Image.Resampling.BICUBIC) for one in pictures]
    for place in (0, 15):
        into = BytesIO()
        pictures[place].save(into, "JPEG", quality=30)
        pictures.append(Image.open(into))
    greys = [np.asarray(one) for one in pictures]
    features = np.stack([np.asarray(one.resize((8, 8), Image.Resampling.BOX), np.float32).ravel() for one in pictures])

    def correlated(pairs: np.ndarray) -> np.ndarray:
        return np.array([best_correlation(greys[one], greys[two]) for one, two in pairs.tolist()])

    found = near_duplicates(
        None, np.zeros(0, np.int64), features, np.arange(26), rng=np.random.default_rng(0), correlated=correlated
    )
    assert [(one.middle, [copy.row for copy in one.copies]) for one in found.groups] == [(0, [24]), (15, [25])]
    assert sum(1 + len(one.copies) for one in found.look_alikes) > 5


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_rows(n):
    """No pair, or one."""
    pairs = [(0, 1)] if n == 2 else []
    found = confirmed(
        proposals(FEATURES[:n], np.array(pairs, np.int64).reshape(-1, 2)), lambda pairs: np.full(len(pairs), 0.95)
    )
    assert found.same.tolist() == [True] * len(pairs)


def test_pairs_of_hashes_stay_unless_pixels_deny_them():
    """At the threshold and where nobody could look they are one picture, below it none."""
    pairs = np.array([[0, 1], [2, 3], [4, 5]])
    alone = np.zeros(3, bool)
    found = upheld(pairs, alone, lambda _: np.array([HASHED, HASHED - 0.01, np.nan]))
    assert (found.same.tolist(), found.blind) == ([True, False, True], 1)
    found = upheld(pairs, ~alone, lambda _: np.array([BACKED, BACKED - 0.01, np.nan]))
    assert found.same.tolist() == [True, False, True]
    nobody = upheld(pairs, alone, None)
    assert (nobody.same.all(), nobody.blind) == (True, 3)
    assert len(upheld(pairs[:0], alone[:0], None).pairs) == 0
