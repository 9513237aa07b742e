"""Steps of the maps that are made, told as a progress line shows them."""

import time

from boda.pipelines.run.meter import OnProgress, Progress

_PAUSE = 0.2
"""Seconds between two words."""


class Steps:
    """Counts; is called after each step."""

    def __init__(self, total: int, progress: OnProgress | None) -> None:
        """Begin to count.

        Args:
            total: steps of all maps.
            progress: hears at once, a few times a second, and of the last step.
        """
        self._total, self._progress, self._done = total, progress, 0
        self._began = self._heard = time.monotonic()
        if progress is not None:
            progress(Progress("mapping", 0, total))

    def __call__(self) -> None:
        """One more."""
        self._done += 1
        now = time.monotonic()
        if self._progress is None or (now - self._heard < _PAUSE and self._done < self._total):
            return
        self._heard = now
        rate = self._done / max(1e-9, now - self._began)
        self._progress(Progress("mapping", self._done, self._total, rate, (self._total - self._done) / rate))
