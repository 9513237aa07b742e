"""Which precision a run computes in: what the workspace has already, else what the first images allow."""

import queue
import sys
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from boda.arrays import Pixels
from boda.decoding.executor import Chunk
from boda.decoding.processes import Processes
from boda.decoding.slots import make_slots
from boda.decoding.work import Answer
from boda.encoders.base import Encoder
from boda.encoders.precision import bf16_is_fast, choose_precision
from boda.errors import BodaError, Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Source

_PROBED = 32
"""Images of the first batch, on which bf16 must agree with fp32."""
_LOOKED_AT = 256
"""Images tried at most to find so many good ones."""


def settle_precision(
    encoder: Encoder, stored: Sequence[Recipe], source: Source, refs: Iterable[ImageRef], workers: int
) -> Encoder:
    """The encoder at the precision that this run will use.

    Features that are there already decide, so that a run goes on as it began. Otherwise bf16 is taken where the
    hardware is fast at it and every image of the first batch agrees with fp32.
    """
    if "torch" not in sys.modules or not bf16_is_fast(encoder.device):  # no torch yet, no torch encoder
        return encoder
    try:
        half = encoder.at("bf16")
    except Refused:
        return encoder
    there = {recipe.id for recipe in stored}
    if half.recipe.id in there:
        return half
    if encoder.recipe.id in there or encoder.recipe.pixels is None:
        return encoder
    pixels = first_pixels(source, encoder.recipe.pixels, refs, workers)
    return choose_precision(encoder, pixels) if len(pixels) else encoder


def first_pixels(source: Source, spec: PixelSpec, refs: Iterable[ImageRef], workers: int) -> Pixels:
    """(n, h, w, 3): the first images that decode, at most 32, decoded in processes like all others."""
    answered: queue.SimpleQueue[tuple[Chunk, list[Answer]] | BodaError] = queue.SimpleQueue()
    slots = make_slots(1, _PROBED, [spec])
    executor = Processes(source, [spec], slots, lambda c, a: answered.put((c, a)), answered.put, workers=workers)
    found: list[Pixels] = []
    rest = islice(refs, _LOOKED_AT)
    try:
        while len(found) < _PROBED and (chunk := tuple(islice(rest, _PROBED - len(found)))):
            executor.submit(Chunk(0, 0, 0, chunk, 1))
            event = answered.get()
            if isinstance(event, BodaError):
                raise event
            pixels = slots.pixels(0, 0)
            found += [pixels[row].copy() for row, answer in enumerate(event[1]) if answer.verdicts[0] is None]
    finally:
        executor.close()
        slots.close()
    return np.stack(found) if found else np.empty((0, *spec.shape, 3), np.uint8)
