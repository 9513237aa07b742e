"""Keep what was opened in this process for the next call; opening another closes it.

Neighbouring images of a compressed archive or a row group are read one after the other, so one kept stream turns a
search from the start into a step forward. Threads that read the same archive at once stand at different places of it:
one stream between them would be wound back at every turn, so each has its own.
"""

import os
import threading
from collections import OrderedDict
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


class KeptByThread(Generic[T]):
    """One opened thing a thread, at most `most` in all that nobody uses right now; a forked child opens its own."""

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._idle: OrderedDict[tuple[int, int], tuple[Hashable, T]] = OrderedDict()

    @contextmanager
    def use(self, key: Hashable, open_it: Callable[[], T]) -> Iterator[T]:
        """The thing of this key, opened if it is not this thread's last one. Closed for good where its use fails."""
        mine = (os.getpid(), threading.get_ident())
        with self._lock:
            last = self._idle.pop(mine, None)
        if last is not None and last[0] != key:
            last[1].close()
            last = None
        thing = open_it() if last is None else last[1]
        try:
            yield thing
        except BaseException:
            thing.close()
            raise
        with self._lock:
            self._idle[mine] = (key, thing)
            over = [self._idle.popitem(last=False)[1][1] for _ in range(len(self._idle) - self._most)]
        for old in over:
            old.close()
