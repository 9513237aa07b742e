"""Order: which training rows make which batch, from nothing but the seed, so that a stopped run goes on exactly."""

from collections.abc import Iterator

import numpy as np

from boda.heads.inputs import Rows


def epoch_order(rows: int, *, seed: int, epoch: int) -> Rows:
    """(n,) all rows in the order in which an epoch sees them."""
    return np.random.default_rng([seed, 11, epoch]).permutation(rows)


def batches(rows: int, batch: int, *, seed: int, epoch: int, after: int = 0) -> Iterator[Rows]:
    """The rows of each batch of an epoch, from batch number `after` on.

    The last batch takes what is left, unless that is one row only: norms have no deviation of one row, so it joins the
    batch before it.
    """
    order = epoch_order(rows, seed=seed, epoch=epoch)
    count = batches_in(rows, batch)
    for number in range(after, count):
        yield order[number * batch : rows if number == count - 1 else (number + 1) * batch]


def batches_in(rows: int, batch: int) -> int:
    """How many batches an epoch has."""
    full, rest = divmod(rows, batch)
    return max(1, full + (rest > 1))


def smallest_batch(rows: int, batch: int) -> int:
    """How many rows the smallest batch of an epoch has.

    >>> smallest_batch(10, 4), smallest_batch(9, 4), smallest_batch(5, 4)
    (2, 4, 5)
    """
    full, rest = divmod(rows, batch)
    if rest > 1:
        return rest
    return batch if full > 1 else rows
