"""What is done to one image before a model sees it: read, hash, decode, fit. A plain function.

It does not know where it runs: in the caller's process it is the test's oracle, in a decoder process the default.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from boda.arrays import Pixels
from boda.pixels.prepare import Facts, prepare_each
from boda.pixels.spec import PixelSpec
from boda.sources.base import ImageRef, Source
from boda.unreadable import BadImage, Code, Stage, Unreadable


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one image. Its pixels are in the places that were given, where a verdict is None."""

    content: bytes | None
    """SHA-256 of the bytes, 32 bytes; None where they could not be read."""
    size: int
    mtime_ns: int
    """Stat of the holding file when it was read."""
    facts: Facts | None
    verdicts: tuple[Unreadable | None, ...]
    """One per spec, or a single one where nothing was asked but to read."""
    seconds: float
    """Processor time it took."""
    waited: float
    """Seconds it waited for the disk, the network or a free core."""

    @classmethod
    def unread(cls, unreadable: Unreadable, specs: int) -> "Answer":
        """The answer for an image whose bytes nobody has."""
        return cls(None, 0, 0, None, (unreadable,) * max(specs, 1), 0.0, 0.0)


def work(source: Source, ref: ImageRef, specs: Sequence[PixelSpec], places: Sequence[Pixels]) -> Answer:
    """Read one image once, hash those bytes, decode those bytes, and write its pixels where they belong.

    Args:
        source: opens the reference.
        ref: the image.
        specs: the pixels wanted; none: only read and hash.
        places: one (h, w, 3) uint8 array per spec, written to.
    """
    began, wall = time.thread_time(), time.perf_counter()
    try:
        blob = source.read(ref)
    except BadImage as bad:
        return Answer.unread(bad.unreadable, len(specs))
    except MemoryError:
        limit = Unreadable(Stage.DECODE, Code.MEMORY_LIMIT, f"{ref.size} bytes do not fit the decoder's memory")
        return Answer.unread(limit, len(specs))
    except Exception as error:  # noqa: BLE001 - whatever a source raises costs this image alone, and is named
        other = Unreadable(Stage.READ, Code.OTHER, f"{type(error).__name__}: {error}")
        return Answer.unread(other, len(specs))
    content = hashlib.sha256(blob.data).digest()
    facts: Facts | None = None
    verdicts: list[Unreadable | None] = []
    prepared = prepare_each(blob.data, specs) if specs else []
    for outcome, place in zip(prepared, places, strict=True):
        if isinstance(outcome, Unreadable):
            verdicts.append(outcome)
        else:
            place[...] = outcome[0]
            facts = facts or outcome[1]
            verdicts.append(None)
    cpu = time.thread_time() - began
    waited = max(0.0, time.perf_counter() - wall - cpu)
    return Answer(content, blob.size, blob.mtime_ns, facts, tuple(verdicts) or (None,), cpu, waited)


def to_wire(answer: Answer) -> list[Any]:
    """As plain JSON: what a decoder process says is data, never objects."""
    facts = answer.facts
    return [
        answer.content.hex() if answer.content else None,
        answer.size,
        answer.mtime_ns,
        [facts.width, facts.height, facts.frames, facts.format, list(facts.warnings)] if facts else None,
        [[v.stage, v.code, v.reason] if v else None for v in answer.verdicts],
        answer.seconds,
        answer.waited,
    ]


def from_wire(wire: list[Any]) -> Answer:
    """The answer that `to_wire` wrote."""
    content, size, mtime_ns, facts, verdicts, seconds, waited = wire
    return Answer(
        bytes.fromhex(content) if content else None,
        size,
        mtime_ns,
        Facts(facts[0], facts[1], facts[2], facts[3], tuple(facts[4])) if facts else None,
        tuple(Unreadable(Stage(v[0]), Code(v[1]), v[2]) if v else None for v in verdicts),
        seconds,
        waited,
    )
