"""Keep the last thing opened in this process for the next call; opening another closes it.

Neighbouring images of a compressed archive or a row group are read one after the other, so one kept stream turns a
search from the start into a step forward.
"""

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Anything that can be closed."""

    def close(self) -> None:
        """Give back what it holds."""
        ...


T = TypeVar("T", bound=Closable)


class Kept(Generic[T]):
    """One opened thing a process; threads take turns, and a forked child opens its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Hashable = None
        self._thing: T | None = None

    @contextmanager
    def use(self, key: Hashable, open_it: Callable[[], T]) -> Iterator[T]:
        """The thing of this key, opened if it is not the last one. Closed for good where its use fails."""
        with self._lock:
            mine = (os.getpid(), key)
            if self._thing is None or self._key != mine:
                self._drop()
                self._thing, self._key = open_it(), mine
            try:
                yield self._thing
            except BaseException:
                self._drop()
                raise

    def _drop(self) -> None:
        thing, self._thing = self._thing, None
        if thing is not None:
            thing.close()
