"""Which rows make which batch: every row once an epoch, from nothing but the seed and the epoch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from boda.training.order import batches, batches_in, epoch_order, smallest_batch

ROWS, BATCH = st.integers(2, 200), st.integers(1, 64)


@given(rows=ROWS, batch=BATCH, seed=st.integers(0, 2**32), epoch=st.integers(0, 50))
def test_every_row_is_seen_once_an_epoch(rows, batch, seed, epoch):
    """In as many batches as are said."""
    found = list(batches(rows, batch, seed=seed, epoch=epoch))
    assert len(found) == batches_in(rows, batch)
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(rows))


@given(rows=ROWS, batch=st.integers(2, 64))
def test_no_batch_has_one_row(rows, batch):
    """A row that is left over joins the batch before it; all others are full but for the last."""
    sizes = [len(one) for one in batches(rows, batch, seed=0, epoch=0)]
    assert min(sizes) >= 2
    assert max(sizes) <= batch + 1
    assert all(size == batch for size in sizes[:-1])


@given(rows=st.integers(1, 200), batch=st.integers(1, 64))
def test_the_smallest_batch_is_known_before_any_is_made(rows, batch):
    """So that what it is too small for is refused before an epoch has ended."""
    assert smallest_batch(rows, batch) == min(len(one) for one in batches(rows, batch, seed=0, epoch=0))


def test_fewer_rows_than_a_batch_are_one_batch():
    """Even a single row."""
    assert [len(one) for one in batches(5, 8, seed=0, epoch=0)] == [5]
    assert [len(one) for one in batches(1, 8, seed=0, epoch=0)] == [1]


@given(rows=ROWS, batch=BATCH, after=st.integers(0, 10), epoch=st.integers(0, 3))
def test_going_on_after_a_batch_gives_the_rest(rows, batch, after, epoch):
    """The same batches as if one had never stopped."""
    whole = list(batches(rows, batch, seed=4, epoch=epoch))
    rest = list(batches(rows, batch, seed=4, epoch=epoch, after=after))
    assert len(rest) == max(0, len(whole) - after)
    for one, other in zip(rest, whole[after:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_seeds_and_epochs_have_orders_of_their_own():
    """And numpy's global generator has no part in them."""
    np.random.seed(1)  # noqa: NPY002 - the one that must not matter
    first = epoch_order(50, seed=0, epoch=0)
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(first, epoch_order(50, seed=0, epoch=0))
    for seed, epoch in ((0, 1), (1, 0)):
        assert not np.array_equal(first, epoch_order(50, seed=seed, epoch=epoch))


def test_places_in_an_epoch_are_random():
    """Over many epochs a row is as often in the first half as in the second."""
    early = np.mean([np.isin(np.arange(20), epoch_order(20, seed=3, epoch=epoch)[:10]) for epoch in range(400)], axis=0)
    assert np.abs(early - 0.5).max() < 5 * 0.5 / np.sqrt(400)
