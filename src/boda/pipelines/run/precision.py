"""Which precision a run computes in: what the workspace has already, else what the first images allow."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import islice

import numpy as np

from boda.arrays import Pixels
from boda.encoders.base import Encoder
from boda.encoders.precision import bf16_is_fast, choose_precision
from boda.errors import Refused
from boda.pipelines.decoded import decoded
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
    found: list[Pixels] = []
    with closing(decoded(source, list(islice(refs, _LOOKED_AT)), spec, workers=workers)) as pages:
        for page in pages:
            found += [one.copy() for one, bad in zip(page.pixels, page.verdicts, strict=True) if bad is None]
            if len(found) >= _PROBED:
                break
    return np.stack(found[:_PROBED]) if found else np.empty((0, *spec.shape, 3), np.uint8)
