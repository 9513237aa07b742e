"""Images decoded page by page in processes that may die, for verbs that keep nothing: one page ahead of the reader."""

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
from boda.pixels.prepare import Facts
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
    contents: tuple[bytes | None, ...]
    """SHA-256 of the bytes of each; None where they could not be read."""
    facts: tuple[Facts | None, ...]


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
        answers: dict[int, dict[int, Answer]] = {}
        _submit(executor, 0, pages[0])
        for number, page in enumerate(pages):
            if number + 1 < len(pages):
                _submit(executor, number + 1, pages[number + 1])
            while len(answers.setdefault(number, {})) < len(page):
                _hear(told, answers)
            heard = answers.pop(number)
            here = [heard[row] for row in range(len(page))]
            yield Page(
                page,
                slots.pixels(number % _SLOTS, 0)[: len(page)],
                tuple(answer.verdicts[0] for answer in here),
                tuple(answer.content for answer in here),
                tuple(answer.facts for answer in here),
            )


def _submit(executor: Processes, number: int, page: tuple[ImageRef, ...]) -> None:
    for first in range(0, len(page), CHUNK):
        executor.submit(Chunk(number, number % _SLOTS, first, page[first : first + CHUNK], 1))


def _hear(told: _Told, answers: dict[int, dict[int, Answer]]) -> None:
    event = told.get()
    if isinstance(event, BodaError):
        raise event
    chunk, said = event
    answers.setdefault(chunk.batch, {}).update({chunk.first + row: answer for row, answer in enumerate(said)})
