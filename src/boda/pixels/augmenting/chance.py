"""Random numbers by counting: a number depends on what it is for, not on what was drawn before it.

Philox4x32-10 makes four random words of a counter of four words and a key of two. The counter is (row, epoch, step,
block) and the key is the seed, so an image gets the same numbers in any order, batch, thread, process and number of
workers; and as the counters of a whole batch are arrays, so are its numbers. No global generator is read or changed.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import Refused

Numbers: TypeAlias = npt.NDArray[np.float64]
"""(draws,) of one image, or (n, draws) of a batch; uniform in [0, 1)."""
Words: TypeAlias = npt.NDArray[np.uint64]
"""Of 32 bits each, held in 64 so that products fit."""

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_WORD = 0xFFFFFFFF
_HALF, _LOW = np.uint64(32), np.uint64(_WORD)
_LONG = 0xFFFFFFFFFFFFFFFF


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Four random words for each counter.

    Args:
        counter: four arrays of at least one dimension that broadcast, each below 2^32.
        key: two words, each below 2^32.
    """
    a, b, c, d = counter
    for number in range(_ROUNDS):
        first, second = (np.uint64((key[i] + number * _KEY_STEPS[i]) & _WORD) for i in (0, 1))
        one, other = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (other >> _HALF) ^ b ^ first, other & _LOW, (one >> _HALF) ^ d ^ second, one & _LOW
    return a, b, c, d


def uniforms(seed: int, epoch: int, rows: npt.ArrayLike, draws: Sequence[int]) -> list[Numbers]:
    """The random numbers of some images, for each step of an augmentation.

    Args:
        seed: 0 to 2^64 - 1.
        epoch: how often the images have been seen before; 0 to 2^32 - 1.
        rows: (n,), the numbers of the images among all that there are, each 0 to 2^32 - 1.
        draws: how many numbers each step needs.

    Returns:
        For each step (n, draws), uniform in [0, 1), multiples of 2^-32.

    Raises:
        Refused: one of them is out of its range.
    """
    which = _counted("row", np.atleast_1d(np.asarray(rows)))
    blocks = [-(-count // 4) for count in draws]
    step = np.repeat(np.arange(len(blocks), dtype=np.uint64), blocks)
    block = np.concatenate([np.arange(count, dtype=np.uint64) for count in (0, *blocks)])
    words = philox((which[:, None], _counted("epoch", np.array([epoch])), step, block), _key(seed))
    numbers: Numbers = np.stack(words, axis=-1).reshape(len(which), 4 * sum(blocks)).astype(np.float64) * 2.0**-32
    ends = np.cumsum(blocks) * 4
    return [
        numbers[:, end - 4 * size : end - 4 * size + count]
        for end, size, count in zip(ends, blocks, draws, strict=True)
    ]


def generator(seed: int, epoch: int, batch: int) -> np.random.Generator:
    """The generator of one batch of one epoch: what is drawn for a batch as a whole depends on these three alone.

    Raises:
        Refused: one of them is out of its range.
    """
    _key(seed)
    _counted("epoch", np.array([epoch]))
    _counted("batch", np.array([batch]))
    return np.random.Generator(np.random.Philox(key=seed | epoch << 64, counter=batch << 64))


def _key(seed: int) -> tuple[int, int]:
    if not 0 <= seed <= _LONG:
        raise Refused(f"seed={seed} must be a whole number from 0 to 2^64 - 1")
    return seed & _WORD, seed >> 32


def _counted(name: str, numbers: npt.NDArray[Any]) -> Words:
    if numbers.dtype.kind not in "iu" or (numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) <= _WORD):
        raise Refused(f"{name}s must be whole numbers from 0 to 2^32 - 1")
    return numbers.astype(np.uint64)
