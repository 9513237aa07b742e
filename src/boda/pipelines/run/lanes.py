"""Lanes: threads that encode batches, one core each.

Several batches at once on one core each keep all cores busier than one batch spread over them (no barriers inside an
operator), and make the numbers independent of how many cores there are: docs/decisions/0003-lanes.md.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from boda.arrays import Features, Pixels, StoredFeatures
from boda.decoding.slots import Slots
from boda.encoders.base import Encoder
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
        """Start `count` threads; `specs[i]` says which pixels of a slot encoder i sees."""
        self._encoders, self._specs, self._slots = encoders, specs, slots
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
        done = Encoded(job.batch, job.slot)
        for encoder, spec, rows in zip(self._encoders, self._specs, job.rows, strict=True):
            pixels = self._slots.pixels(job.slot, spec)
            pixels.flags.writeable = False  # the next encoder sees the same memory
            whole = rows == tuple(range(len(rows)))
            features = self._fitting.encode(encoder, pixels[: len(rows)] if whole else pixels[list(rows)])
            with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, and is set aside as such
                done.features.append(features.astype(encoder.recipe.dtype, copy=False))
        done.seconds = (time.thread_time() if self._on_cores else time.perf_counter()) - began
        return done


class Fitting:
    """Encodes batches in pieces that the device's memory takes: a size that was too large is not tried again."""

    def __init__(self) -> None:
        self.most: int | None = None
        """Images a piece; None as long as everything fitted."""

    def encode(self, encoder: Encoder, pixels: Pixels) -> Features:
        """(n, h, w, 3) to (n, d); where some rows are not finite, each image is encoded again alone.

        Returns:
            Rows that are not finite even alone are left as they are.
        """
        parts: list[Features] = []
        while (done := sum(map(len, parts))) < len(pixels):
            piece = pixels[done : done + (self.most or len(pixels))]
            features = self._try(encoder, piece)
            if features is None:
                self.most = len(piece) // 2
            elif len(piece) > 1 and not np.isfinite(features).all():
                parts += [encoder(piece[i : i + 1]) for i in range(len(piece))]
            else:
                parts.append(features)
        return np.concatenate(parts) if parts else np.empty((0, encoder.width), np.float32)

    @staticmethod
    def _try(encoder: Encoder, pixels: Pixels) -> Features | None:
        """None where memory ran out; only after leaving here is the memory of the attempt free again."""
        try:
            return encoder(pixels)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error) or len(pixels) == 1:
                raise
            return None


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
