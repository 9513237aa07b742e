"""A team: threads that share the rows, each with one thread of linear algebra."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from boda import cores

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Team:
    """Threads that stay for many short passes; a pass has a barrier at its end."""

    shares: list[slice]
    """Rows 0 to n, one share a thread, cut at multiples of `cores.BLOCK`."""
    each: Callable[[Callable[[Item], Found], Iterable[Item]], Iterable[Found]]
    """`map` by all threads at once, in order. Not to be called from a function that it runs."""


def alone(rows: int) -> Team:
    """The one thread that asks, which has all rows: for what a thread of a team does, and for little work."""
    return Team([slice(0, rows)], map)


@contextlib.contextmanager
def team(rows: int, *, tasks: int = 1, size: int = 1) -> Iterator[Team]:
    """As many threads as linear algebra has; meanwhile that has one in each.

    Args:
        rows: n, in shares of whole blocks.
        tasks: how many independent tasks there are beside the rows; small data keep all threads for them.
        size: bytes of the result of one share.
    """
    from concurrent.futures import ThreadPoolExecutor

    shares = cores.shares(rows, size)
    threads = len(cores.shares(max(rows, tasks * cores.BLOCK), size))
    if threads < 2:
        yield Team(shares, map)
        return
    with cores.one_thread(), ThreadPoolExecutor(threads) as pool:
        yield Team(shares, pool.map)
