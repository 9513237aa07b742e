"""Ctrl-C and SIGTERM: at once where that is safe anyway; while images are encoded, after what is in hand.

The store is whole at any instant, so leaving at once costs only time. Encoding is worth finishing: there the first
signal asks to stop after the batches at hand, and the second leaves at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked to stop, and how it is answered now."""

    def __init__(self) -> None:
        self.asked = False
        self._patient = False

    @contextmanager
    def after_what_is_in_hand(self) -> Iterator[None]:
        """While the block runs, the first signal only sets `asked`."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        at_once = self.asked or not self._patient
        self.asked = True
        if at_once:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Listen for SIGINT and SIGTERM while the block runs; elsewhere than in the main thread nothing is changed."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop._signalled) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
