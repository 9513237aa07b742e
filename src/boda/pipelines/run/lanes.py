"""Lanes: threads that encode batches, one core each.

Several batches at once on one core each keep all cores busier than one batch spread over them (no barriers inside an
operator), and make the numbers independent of how many cores there are: docs/decisions/0003-lanes.md.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np

from boda.arrays import Features, Pixels, StoredFeatures
from boda.decoding.slots import Slots
from boda.encoders.base import Encoder
from boda.encoders.taking import grouped, in_one_pass
from boda.encoders.threads import one_core_for_this_thread

_GRACE = 2.0
"""Seconds that a run which ends waits for lanes."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to encode of one decoded batch: for each encoder the rows of the slot that it must see."""

    batch: int
    slot: int
    rows: tuple[tuple[int, ...], ...]


@dataclass(slots=True)
class Encoded:
    """The features of one batch: per encoder (rows, d) as they are stored, NaN rows where an image gave no numbers."""

    batch: int
    slot: int
    features: list[StoredFeatures] = field(default_factory=list)
    seconds: float = 0.0


class Lanes:
    """Encodes jobs in threads; results come back through `deliver`, in any order."""

    def __init__(
        self,
        encoders: Sequence[Encoder],
        specs: Sequence[int],
        slots: Slots,
        count: int,
        deliver: Callable[[Encoded], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Start `count` threads; `specs[i]` says which pixels of a slot encoder i sees.

        Encoders that take their features from one network are computed in one pass.
        """
        self._encoders, self._specs, self._slots = encoders, specs, slots
        self._groups = grouped(encoders)
        self._deliver, self._fail = deliver, fail
        self._fitting = Fitting()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._on_cores = all(encoder.device == "cpu" for encoder in encoders)
        self._threads = [threading.Thread(target=self._run, name=f"boda-lane-{i}", daemon=True) for i in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Encode one job when a lane is free."""
        self._jobs.put(job)

    @property
    def largest_piece(self) -> int | None:
        """Images encoded at once since memory ran out; None where it never did."""
        return self._fitting.most

    def close(self) -> None:
        """End the lanes after what they have in hand; one with a very slow batch is not waited for."""
        while True:
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._jobs.put(None)
        deadline = time.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            with one_core_for_this_thread():
                while (job := self._jobs.get()) is not None:
                    self._deliver(self._encode(job))
        except BaseException as error:  # noqa: BLE001 - handed to the run, which raises it in the caller's thread
            self._fail(error)

    def _encode(self, job: Job) -> Encoded:
        began = time.thread_time() if self._on_cores else time.perf_counter()
        found: dict[int, Features] = {}
        for group in self._groups:
            found |= self._encode_group(job, group)
        features = []
        for place, encoder in enumerate(self._encoders):
            with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, and is set aside as such
                features.append(found[place].astype(encoder.recipe.dtype, copy=False))
        seconds = (time.thread_time() if self._on_cores else time.perf_counter()) - began
        return Encoded(job.batch, job.slot, features, seconds)

    def _encode_group(self, job: Job, group: tuple[int, ...]) -> dict[int, Features]:
        """By place of each encoder, its features of its rows; the network sees every row that one of them needs."""
        wanted = [place for place in group if job.rows[place]]
        none = {place: np.empty((0, self._encoders[place].width), np.float32) for place in group}
        if not wanted:
            return none
        pixels = self._slots.pixels(job.slot, self._specs[group[0]])
        pixels.flags.writeable = False  # the next group sees the same memory
        rows = tuple(sorted(set().union(*(job.rows[place] for place in wanted))))
        whole = rows == tuple(range(len(rows)))
        encode = partial(in_one_pass, [self._encoders[place] for place in wanted])
        found = self._fitting.encode(encode, pixels[: len(rows)] if whole else pixels[list(rows)])
        return none | {
            place: features if job.rows[place] == rows else features[[rows.index(row) for row in job.rows[place]]]
            for place, features in zip(wanted, found, strict=True)
        }


Encode: TypeAlias = Callable[[Pixels], list[Features]]
"""(n, h, w, 3) to (n, d) for each encoder of a group."""


class Fitting:
    """Encodes batches in pieces that the device's memory takes: a size that was too large is not tried again."""

    def __init__(self) -> None:
        self.most: int | None = None
        """Images a piece; None as long as everything fitted."""

    def encode(self, encode: Encode, pixels: Pixels) -> list[Features]:
        """What `encode` gives, of each encoder (n, d); where some of its rows are not finite, of each image alone.

        Args:
            encode: one pass for one or several encoders.
            pixels: (n, h, w, 3), n > 0.

        Returns:
            Rows that are not finite even alone are left as they are.
        """
        parts: list[list[Features]] = []
        done = 0
        while done < len(pixels):
            piece = pixels[done : done + (self.most or len(pixels))]
            found = self._try(encode, piece)
            if found is None:
                self.most = len(piece) // 2
                continue
            parts.append(_alone_where_not_finite(encode, piece, found))
            done += len(piece)
        return [np.concatenate(of_one) for of_one in zip(*parts, strict=True)]

    @staticmethod
    def _try(encode: Encode, pixels: Pixels) -> list[Features] | None:
        """None where memory ran out; only after leaving here is the memory of the attempt free again."""
        try:
            return encode(pixels)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error) or len(pixels) == 1:
                raise
            return None


def _alone_where_not_finite(encode: Encode, pixels: Pixels, found: list[Features]) -> list[Features]:
    """The same; of encoders some of whose rows are not finite, each image encoded again alone."""
    whole = [bool(np.isfinite(features).all()) for features in found]
    if all(whole) or len(pixels) == 1:
        return found
    alone = zip(*(encode(pixels[i : i + 1]) for i in range(len(pixels))), strict=True)
    return [
        features if good else np.concatenate(rows) for features, good, rows in zip(found, whole, alone, strict=True)
    ]


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
