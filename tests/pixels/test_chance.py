"""Random numbers by counting: known answers, uniform, and the same whoever asks in whatever order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from boda.errors import Refused
from boda.pixels.augmenting.chance import generator, philox, uniforms

KNOWN = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
"""Of philox4x32, 10 rounds, in the file of known answers that comes with Random123."""


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words):
    """As the authors publish them."""
    found = philox(tuple(np.array([one], np.uint64) for one in counter), key)
    assert tuple(int(one[0]) for one in found) == words


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8),
    st.lists(st.integers(0, 23), max_size=4),
)
def test_the_numbers_of_a_row_are_its_own(seed, epoch, rows, draws):
    """Alone or in a batch, in any order, an image gets the same numbers."""
    together = uniforms(seed, epoch, rows, draws)
    backwards = uniforms(seed, epoch, rows[::-1], draws)
    assert [numbers.shape for numbers in together] == [(len(rows), count) for count in draws]
    for place, row in enumerate(rows):
        for alone, batch, other in zip(uniforms(seed, epoch, [row], draws), together, backwards, strict=True):
            np.testing.assert_array_equal(alone[0], batch[place])
            np.testing.assert_array_equal(alone[0], other[len(rows) - 1 - place])


def test_numbers_are_uniform_and_independent():
    """Within rows, between rows, epochs, steps and seeds; never 1."""
    first, second = uniforms(3, 7, np.arange(20_000), [5, 1])
    later, _ = uniforms(3, 8, np.arange(20_000), [5, 1])
    other, _ = uniforms(4, 7, np.arange(20_000), [5, 1])
    columns = np.column_stack([first, second, later, other, np.roll(first, 1, axis=0)])
    assert 0 <= columns.min() <= columns.max() < 1
    assert all(stats.kstest(column, "uniform").pvalue > 1e-4 for column in columns.T)
    between = np.corrcoef(columns.T)[np.triu_indices(columns.shape[1], 1)]
    assert np.abs(between).max() < 5 / np.sqrt(20_000)


def test_batches_have_generators_of_their_own():
    """The same for the same seed, epoch and batch, and another for every other."""
    draws = {
        (s, e, b): generator(s, e, b).random() for s in (0, 1, 2**64 - 1) for e in (0, 1, 2**32 - 1) for b in (0, 1, 9)
    }
    assert len(set(draws.values())) == len(draws)
    assert draws[1, 0, 9] == generator(1, 0, 9).random()


@pytest.mark.parametrize(
    ("seed", "epoch", "row"),
    [(-1, 0, 0), (2**64, 0, 0), (0, -1, 0), (0, 2**32, 0), (0, 0, -1), (0, 0, 2**32), (0, 0, 0.5)],
)
def test_what_cannot_be_counted_is_refused(seed, epoch, row):
    """Negative numbers, fractions, and numbers beyond their words."""
    with pytest.raises(Refused):
        uniforms(seed, epoch, [row], [1])
