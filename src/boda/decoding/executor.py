"""Where decoding runs is a seam: this process (the oracle), processes that may die (the default), a cluster later."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from boda.decoding.slots import Slots
from boda.decoding.work import Answer, work
from boda.pixels.spec import PixelSpec
from boda.sources.base import ImageRef, Source

CHUNK = 8
"""Images a decoder takes at a time: few, so that the first batch comes soon and the last is shared."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A few neighbouring images of one batch, and where their pixels go."""

    batch: int
    """Which batch of the run."""
    slot: int
    first: int
    """Row of the first image within the slot."""
    refs: tuple[ImageRef, ...]
    specs: int
    """How many of the specs to make: all, or none to only read and hash."""


Deliver: TypeAlias = Callable[[Chunk, list[Answer]], None]
"""Takes the answers of one chunk, one per reference, in order."""


class Executor(Protocol):
    """Reads and decodes chunks; may answer in any order, but answers every reference once."""

    def submit(self, chunk: Chunk) -> None:
        """Ask for one chunk. Returns at once."""
        ...

    def close(self) -> None:
        """End all work; chunks without an answer get none."""
        ...


class InProcess:
    """Decodes in the caller's process, at once. What every other executor must equal, bit for bit."""

    def __init__(self, source: Source, specs: Sequence[PixelSpec], slots: Slots, deliver: Deliver) -> None:
        self._source, self._specs, self._slots, self._deliver = source, specs, slots, deliver

    def submit(self, chunk: Chunk) -> None:
        """Decode it now."""
        answers = []
        for row, ref in enumerate(chunk.refs, chunk.first):
            places = [self._slots.pixels(chunk.slot, spec)[row] for spec in range(chunk.specs)]
            answers.append(work(self._source, ref, self._specs[: chunk.specs], places))
        self._deliver(chunk, answers)

    def close(self) -> None:
        """Nothing is under way between calls."""
