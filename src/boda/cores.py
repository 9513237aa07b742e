"""Cores: how many there are, and matrix problems side by side, each on one of them."""

import contextlib
import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")

BLOCK = 4096
"""Rows read at once: 16 MB of float64 at a width of 512, and each of five folds has enough for a fast product."""

MEMORY = 1024**3
"""Bytes that results of all shares together may take."""

_ONE_AT_A_TIME = threading.Lock()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(function: Callable[[Item], Found], items: Sequence[Item]) -> list[Found]:
    """`function` of each item, in order; as many at once as linear algebra has threads, each with one of them.

    An eigendecomposition of 512 columns gains little from a second thread, and two of them side by side gain all.
    Threads of linear algebra also wait for each other busily: beside other programs that costs ten times the work.
    While this runs, linear algebra in the whole process is given one thread, and other calls of this wait: they would
    give back what they found, one thread. One item alone keeps them all. Not to be called from `function`.
    """
    from concurrent.futures import ThreadPoolExecutor

    libraries = _linear_algebra()
    lanes = min(_threads(libraries), len(items))
    if lanes < 2:
        return [function(item) for item in items]
    with _ONE_AT_A_TIME, libraries.limit(limits=1), ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(function, items))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra with one thread: for many small products, of which two threads would mostly wait for each other.

    Beside other programs a correlation of 20,000 rows took 41 ms with two threads and 0.5 ms with one. Where there is
    one thread already, as inside `side_by_side`, nothing is done and nothing waited for.
    """
    libraries = _linear_algebra()
    if _threads(libraries) < 2:
        yield
        return
    with _ONE_AT_A_TIME, libraries.limit(limits=1):
        yield


def shares(rows: int, size: int) -> list[slice]:
    """Rows 0 to n in one share a core, in whole blocks; fewer where results of `size` bytes each would be too many."""
    blocks = -(-rows // BLOCK)
    count = max(1, min(_threads(_linear_algebra()), blocks, MEMORY // max(size, 1)))
    ends = [round(place * blocks / count) * BLOCK for place in range(count + 1)]
    return [slice(start, min(stop, rows)) for start, stop in itertools.pairwise(ends)]


@functools.cache
def _linear_algebra() -> Any:
    """The libraries of numpy and of scipy, which are two; only what is loaded can be given fewer threads.

    Looking for them goes through everything that the process has loaded, which takes longer than a small product.
    """
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _threads(libraries: Any) -> int:
    return max((int(one["num_threads"]) for one in libraries.info()), default=1)
