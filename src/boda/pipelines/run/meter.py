"""How fast a run goes, how long it will take, and what holds it back. By the monotonic clock alone."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Bottleneck: TypeAlias = Literal["decode", "forward", "read", "nothing"]

_WINDOW = 30.0
"""Seconds over which the rate is taken."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: what a progress line shows."""

    stage: Literal[
        "checking", "listing", "verifying", "embedding", "merging", "training", "mapping", "looking", "explaining"
    ]  # fmt: skip
    done: int
    total: int
    rate: float = 0.0
    """Images per second over the last 30 s; of training steps per second."""
    seconds_left: float | None = None
    forecast_seconds: float | None = None
    """For all of this run, told once, after the first batches."""
    forecast_bytes: int | None = None
    """Features this run will add to the disk."""


OnProgress: TypeAlias = Callable[[Progress], None]


class Meter:
    """Counts images, and the processor seconds that decoding and encoding took."""

    def __init__(self, total: int, cores: int, bytes_per_image: int) -> None:
        self.total, self.cores, self._bytes = total, cores, bytes_per_image
        self.done = 0
        self.decoding = self.encoding = self.waiting = 0.0
        self.encoding_on_cores = True
        self._began = time.monotonic()
        self._marks: deque[tuple[float, int]] = deque([(self._began, 0)])
        self._forecast_told = False

    def count(self, images: int) -> None:
        """So many more images have their answer."""
        self.done += images
        now = time.monotonic()
        self._marks.append((now, self.done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Images per second over the last 30 s."""
        (then, before), now = self._marks[0], time.monotonic()
        return (self.done - before) / max(now - then, 1e-9)

    def limit(self) -> float | None:
        """Images per second if every core did nothing but decode and encode, at the cost measured in this run."""
        if not self.done or not self.decoding + self.encoding:
            return None
        decode, encode = self.decoding / self.done, self.encoding / self.done
        if self.encoding_on_cores:
            return self.cores / (decode + encode)
        return 1 / max(decode / self.cores, encode, 1e-9)

    def bottleneck(self) -> Bottleneck:
        """What most of the time went into."""
        spent: dict[Bottleneck, float] = {
            "decode": self.decoding,
            "forward": self.encoding if self.encoding_on_cores else self.encoding * self.cores,
            "read": self.waiting / 2,  # decoders also wait for a free core, so this counts for half
        }
        most = max(spent, key=lambda what: spent[what])
        return most if spent[most] > 0 else "nothing"

    def progress(self) -> Progress:
        """The line to show now."""
        rate = self.rate
        left = (self.total - self.done) / rate if rate > 0 else None
        settled = self.seconds > 3 and self.done > 0
        tell = settled and not self._forecast_told
        self._forecast_told |= settled
        return Progress(
            "embedding",
            self.done,
            self.total,
            rate,
            left,
            forecast_seconds=self.seconds + left if tell and left is not None else None,
            forecast_bytes=self._bytes * self.total if tell else None,
        )
