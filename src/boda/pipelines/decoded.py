"""Images decoded page by page in processes that may die, for verbs that keep nothing: one page ahead of the reader."""

import os
import queue
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from boda.arrays import Pixels
from boda.decoding.executor import CHUNK, Chunk
from boda.decoding.processes import Processes
from boda.decoding.slots import make_slots
from boda.decoding.work import Answer
from boda.errors import BodaError
from boda.pixels.spec import PixelSpec
from boda.sources.base import ImageRef, Source
from boda.unreadable import Unreadable

PAGE = 32
"""Images a page."""
_SLOTS = 2

_Told: TypeAlias = "queue.SimpleQueue[tuple[Chunk, list[Answer]] | BodaError]"


@dataclass(frozen=True, slots=True)
class Page:
    """Up to 32 images in order."""

    refs: tuple[ImageRef, ...]
    pixels: Pixels
    """(n, h, w, 3): one row a reference; rows with a verdict hold nothing of use. Valid until the next page."""
    verdicts: tuple[Unreadable | None, ...]


def decoded(source: Source, refs: Sequence[ImageRef], spec: PixelSpec, *, workers: int) -> Generator[Page, None, None]:
    """Every image, in order; what cannot be decoded has its verdict.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    pages = [tuple(refs[start : start + PAGE]) for start in range(0, len(refs), PAGE)]
    if not pages:
        return
    told: _Told = queue.SimpleQueue()
    with ExitStack() as closing:
        slots = make_slots(_SLOTS, min(PAGE, len(refs)), [spec])
        closing.callback(slots.close)
        executor = Processes(source, [spec], slots, lambda c, a: told.put((c, a)), told.put, workers=workers)
        closing.callback(executor.close)
        verdicts: dict[int, dict[int, Unreadable | None]] = {}
        _submit(executor, 0, pages[0])
        for number, page in enumerate(pages):
            if number + 1 < len(pages):
                _submit(executor, number + 1, pages[number + 1])
            while len(verdicts.setdefault(number, {})) < len(page):
                _hear(told, verdicts)
            here = verdicts.pop(number)
            pixels = slots.pixels(number % _SLOTS, 0)[: len(page)]
            yield Page(page, pixels, tuple(here[row] for row in range(len(page))))


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _submit(executor: Processes, number: int, page: tuple[ImageRef, ...]) -> None:
    for first in range(0, len(page), CHUNK):
        executor.submit(Chunk(number, number % _SLOTS, first, page[first : first + CHUNK], 1))


def _hear(told: _Told, verdicts: dict[int, dict[int, Unreadable | None]]) -> None:
    event = told.get()
    if isinstance(event, BodaError):
        raise event
    chunk, answers = event
    there = verdicts.setdefault(chunk.batch, {})
    there.update({chunk.first + row: answer.verdicts[0] for row, answer in enumerate(answers)})
