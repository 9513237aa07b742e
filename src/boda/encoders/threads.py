"""How many cores a thread may use inside torch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core_for_this_thread() -> Iterator[None]:
    """While the block runs, torch operators called from this thread use one core; nothing where torch is not loaded.

    torch keeps the number per thread once OpenMP is up, so the other threads of the program keep theirs.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
