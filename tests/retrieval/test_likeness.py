"""What each dimension adds to a likeness, against sums by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.errors import Refused
from boda.retrieval.likeness import likeness_of


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def rows():
    return np.abs(np.random.default_rng(0).normal(size=(60, 12))).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([np.float16, np.float32]))
def test_what_all_dimensions_add_is_the_cosine(seed, dtype):
    """With the mean and without it; rows of half precision are added up in double."""
    rows = np.random.default_rng(seed).normal(1, 1, size=(20, 7)).astype(dtype)
    found = likeness_of(rows, 3, 11, top=7, rng=np.random.default_rng(0))
    exact = rows.astype(np.float64)
    plain, off = unit(exact), unit(exact - exact.mean(axis=0))
    assert found.plain.likeness == pytest.approx(plain[3] @ plain[11], abs=1e-12)
    assert found.centred.likeness == pytest.approx(off[3] @ off[11], abs=1e-12)
    assert sum(one.adds for one in found.dimensions) == pytest.approx(found.plain.likeness, abs=1e-12)
    assert sum(one.adds_centred for one in found.dimensions) == pytest.approx(found.centred.likeness, abs=1e-12)
    assert found.plain.top == pytest.approx(found.plain.likeness, abs=1e-12)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), atol=1e-12)


def test_dimensions_come_by_what_they_add_beyond_the_mean(rows):
    """A dimension that all rows share adds most to the cosine and nothing once the mean is off."""
    rows[:, 4] = 50
    found = likeness_of(rows, 0, 1, top=12, rng=np.random.default_rng(0))
    centred = [one.adds_centred for one in found.dimensions]
    assert centred == sorted(centred, reverse=True)
    shared = next(one for one in found.dimensions if one.number == 4)
    assert shared.adds > 0.9
    assert shared.adds_centred == pytest.approx(0, abs=1e-9)
    assert found.plain.others_likeness[0] > 0.9 > found.centred.others_likeness[2]
    assert (shared.first, shared.second) == (0.5, 0.5)


def test_a_planted_likeness_is_found(rows):
    """Two rows that alone have much of a dimension: it is first, both are above the others, and who has most is named."""
    rows[[7, 30], 9] = 20, 25
    found = likeness_of(rows, 7, 30, top=3, rng=np.random.default_rng(0))
    best = found.dimensions[0]
    assert (best.number, best.most[:2]) == (9, (30, 7))
    assert best.first == pytest.approx((58 + 0.5) / 60)
    assert best.second == pytest.approx((59 + 0.5) / 60)
    assert found.ranks == (1, 1)
    assert found.plain.top > found.plain.others[2]


def test_ranks_count_rows_that_are_more_like(rows):
    """As sorting all cosines does; the row itself does not count, and copies of the other do not either."""
    rows[40] = rows[20]
    plain = unit(rows.astype(np.float64))
    found = likeness_of(rows, 5, 20, rng=np.random.default_rng(0))
    expected = []
    for one, other in ((5, 20), (20, 5)):
        cosines = plain @ plain[one]
        more = cosines > cosines[other] + 1e-12
        more[one] = False
        expected.append(int(more.sum()) + 1)
    assert found.ranks == tuple(expected)


def test_random_pairs_are_what_random_pairs_are(rows):
    """5 %, median and 95 % of the cosines of pairs of different rows, to the accuracy of 500 of them."""
    found = likeness_of(rows, 0, 1, rng=np.random.default_rng(3))
    plain = unit(rows.astype(np.float64))
    cosines = (plain @ plain.T)[~np.eye(60, dtype=bool)]
    np.testing.assert_allclose(found.plain.others_likeness, np.quantile(cosines, [0.05, 0.5, 0.95]), atol=0.04)


def test_a_row_at_the_mean_has_no_centred_likeness():
    """Three rows of which one is the mean of the others."""
    rows = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    found = likeness_of(rows, 0, 2, rng=np.random.default_rng(0))
    assert found.centred is None
    assert [one.adds_centred for one in found.dimensions] == [0, 0]


def test_bad_questions_are_refused(rows):
    """An image and itself; zeros."""
    with pytest.raises(Refused, match="name two"):
        likeness_of(rows, 3, 3, rng=np.random.default_rng(0))
    rows[5] = 0
    with pytest.raises(Refused, match="zeros"):
        likeness_of(rows, 5, 3, rng=np.random.default_rng(0))
