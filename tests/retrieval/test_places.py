"""What each place adds to a likeness adds up to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.retrieval.places import match_places


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.tuples(st.integers(1, 4), st.integers(1, 4)), st.booleans())
def test_shares_add_up_to_the_cosine_of_the_means(seed, size, centred):
    """Of either image, of maps of any size, with a mean taken off or not."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(3, 5, 6)).astype("f4"), rng.normal(size=(*size, 6)).astype("f4")
    mean = rng.normal(size=6) if centred else None
    found = match_places(a, b, mean)
    off = np.zeros(6) if mean is None else mean
    expected = cosine(a.mean(axis=(0, 1), dtype=np.float64) - off, b.mean(axis=(0, 1), dtype=np.float64) - off)
    assert found.likeness == pytest.approx(expected, abs=1e-9)
    assert found.first.sum() == pytest.approx(expected, abs=1e-9)
    assert found.second.sum() == pytest.approx(expected, abs=1e-9)
    assert found.first.shape == (3, 5)
    assert found.second.shape == size


def test_the_share_of_a_place_is_its_product_with_the_other_image():
    """By the formula, place by place and pair by pair."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 1, size=(2, 2, 4)), rng.normal(1, 1, size=(3, 1, 4))
    found = match_places(a, b)
    lengths = np.linalg.norm(a.mean(axis=(0, 1))) * np.linalg.norm(b.mean(axis=(0, 1)))
    shares = np.einsum("yxd,uvd->yxuv", a, b) / (4 * 3 * lengths)
    np.testing.assert_allclose(found.first, shares.sum(axis=(2, 3)), atol=1e-12)
    np.testing.assert_allclose(found.second, shares.sum(axis=(0, 1)), atol=1e-12)
    best = found.pairs[0]
    assert best.adds == pytest.approx(shares.max(), abs=1e-12)
    assert shares[(*best.first, *best.second)] == best.adds
    assert best.likeness == pytest.approx(cosine(a[best.first], b[best.second]), abs=1e-12)


def test_the_same_thing_at_two_places_is_the_first_pair():
    """One image has it above left, the other below right; no place stands in two pairs."""
    a, b = np.full((4, 4, 3), 0.1), np.full((4, 4, 3), 0.1)
    a[0, 1] = b[3, 2] = (0, 5, 0)
    found = match_places(a, b)
    assert (found.pairs[0].first, found.pairs[0].second) == ((0, 1), (3, 2))
    assert found.first.argmax() == 1
    assert found.second.argmax() == 14
    assert len({pair.first for pair in found.pairs}) == len({pair.second for pair in found.pairs}) == 5


def test_pairs_that_add_nothing_are_not_told():
    """Orthogonal places have no pair; a mean that leaves nothing has no likeness."""
    a, b = np.zeros((1, 2, 2)), np.zeros((1, 2, 2))
    a[0, :, 0] = b[0, :, 1] = 1
    found = match_places(a, b)
    assert (found.likeness, found.pairs) == (0, ())
    assert match_places(a, a, np.array([1.0, 0.0])) is None
