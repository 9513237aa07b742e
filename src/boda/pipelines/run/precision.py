"""Which precision a run computes in: what the workspace has already, else what the first images allow."""

import sys
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import closing
from itertools import islice

import numpy as np

from boda.arrays import Pixels
from boda.encoders.base import Encoder
from boda.encoders.precision import bf16_is_fast, choose_precisions
from boda.errors import Refused
from boda.pipelines.decoded import decoded
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Source

_PROBED = 32
"""Images of the first batch, on which bf16 must agree with fp32."""
_LOOKED_AT = 256
"""Images tried at most to find so many good ones."""


def settle_precisions(
    encoders: Sequence[Encoder],
    automatic: Sequence[bool],
    stored: Sequence[Recipe],
    probe: Callable[[Encoder], Pixels],
) -> list[Encoder]:
    """The encoders at the precisions that this run will use.

    Features that are there already decide, so that a run goes on as it began. Otherwise bf16 is taken where the
    hardware is fast at it and every image of the first batch agrees with fp32.

    Args:
        encoders: of the run.
        automatic: for each, whether its precision is still to be chosen.
        stored: the recipes that the workspace has.
        probe: gives the first images as an encoder sees them, (n, h, w, 3); asked once for each kind of pixels.
    """
    there = {recipe.id for recipe in stored}
    chosen = [
        _as_stored(one, there) if still_open else one for one, still_open in zip(encoders, automatic, strict=True)
    ]
    to_try: dict[PixelSpec, list[int]] = {}
    for place, (encoder, still_open) in enumerate(zip(chosen, automatic, strict=True)):
        if still_open and encoder.recipe.id not in there and encoder.recipe.pixels and _has_half(encoder):
            to_try.setdefault(encoder.recipe.pixels, []).append(place)
    for places in to_try.values():
        pixels = probe(chosen[places[0]])
        found = choose_precisions([chosen[place] for place in places], pixels) if len(pixels) else []
        for place, encoder in zip(places, found, strict=False):
            chosen[place] = encoder
    return chosen


def _as_stored(encoder: Encoder, there: Container[str]) -> Encoder:
    """At bf16 where features of that are there already."""
    half = encoder.at("bf16") if _has_half(encoder) else encoder
    return half if half.recipe.id in there else encoder


def _has_half(encoder: Encoder) -> bool:
    if "torch" not in sys.modules or not bf16_is_fast(encoder.device):  # no torch yet, no torch encoder
        return False
    try:
        encoder.at("bf16")
    except Refused:
        return False
    return True


def first_pixels(source: Source, spec: PixelSpec, refs: Iterable[ImageRef], workers: int) -> Pixels:
    """(n, h, w, 3): the first images that decode, at most 32, decoded in processes like all others."""
    found: list[Pixels] = []
    with closing(decoded(source, list(islice(refs, _LOOKED_AT)), spec, workers=workers)) as pages:
        for page in pages:
            found += [one.copy() for one, bad in zip(page.pixels, page.verdicts, strict=True) if bad is None]
            if len(found) >= _PROBED:
                break
    return np.stack(found[:_PROBED]) if found else np.empty((0, *spec.shape, 3), np.uint8)
