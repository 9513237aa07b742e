"""Images made to excite scores, and beside each the images of the collection that excite it most."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from boda.arrays import Pixels
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.channels import class_score
from boda.explanations.many_scores import values_of
from boda.explanations.maximisation import Ascent, Maximised, maximised
from boda.explanations.passes import scored
from boda.explanations.score import Score
from boda.pictures.exciting import boxed
from boda.pictures.rows import Row, rows_sheet
from boda.pictures.sheet import Tile
from boda.pictures.wording import number
from boda.pipelines.file_bytes import as_npy, as_png
from boda.pipelines.looking.given import Inside, Seen
from boda.pipelines.looking.look import Look, Wanted
from boda.pipelines.looking.scores import scores_of
from boda.pipelines.looking.top import Top, tops_of
from boda.sources.base import ImageRef

IMAGES = 6
"""Of the collection, beside each."""
_SIDE = 224
LARGE = Ascent(steps=256, falloff=1.25, jitter=0.1, scaling=0.3, rotation=15.0)
SMALL = Ascent(steps=128, scaling=0.05, rotation=5.0)
"""How to climb where nothing is said: in images of 64 pixels and more, and in smaller ones."""


def look_at_maximised(inside: Inside, wanted: Wanted) -> Look:
    """Climb each score from noise, or from an image."""
    import torch

    network, start = inside.network, None if wanted.start is None else inside.image(wanted.start)
    scores = scores_of(inside, wanted, start)
    ascent = ascent_of(wanted.ascent, network.shape)
    tops = _tops(inside, scores, IMAGES if wanted.count is None else wanted.count)
    made = [
        maximised(
            network,
            one,
            generator=torch.Generator().manual_seed(wanted.seed),
            ascent=ascent,
            start=None if start is None else start.pixels,
        )
        for one in scores
    ]
    shares = [_probability(network, one.score, one.pixels) for one in made]
    sentences = [_sentence(one, top) for one, top in zip(made, tops, strict=True)]
    rows = [
        Row(sentence, [*_tiles(one, share, start), *([] if top is None else top.tiles(_SIDE))])
        for sentence, one, share, top in zip(sentences, made, shares, tops, strict=True)
    ]
    title = f"{inside.name}: images that excite a score most: made by {ascent.steps} steps of gradient ascent"
    title += " from noise" if start is None else f" from {start.name}"
    title += f"; and met in {inside.collection.words}" if tops[0] is not None and inside.collection is not None else ""
    title += "; boxes: around the place where the channel is largest" if wanted.channels and tops[0] is not None else ""
    record = {
        "ascent": {name: getattr(ascent, name) for name in Ascent.__slots__},
        "scores": [_as_json(one, share, top) for one, share, top in zip(made, shares, tops, strict=True)],
    }
    files = {
        ".png": as_png(rows_sheet(rows, side=_SIDE, title=title)),
        ".npy": as_npy(np.stack([one.pixels for one in made])),
    }
    return Look(files, record, (title, *sentences))


def _tops(inside: Inside, scores: list[Score], count: int) -> list[Top] | list[None]:
    """What excites each in the collection; None where there is none, or nobody wants it."""
    there = inside.collection
    if there is None or not count:
        return [None] * len(scores)
    refs: list[ImageRef] = []
    values = values_of(inside.network, scores, there.passing(refs))
    return tops_of(inside.network, scores, values, refs, there, count)


def _sentence(made: Maximised, top: Top | None) -> str:
    """What was reached, against noise as strong and against the collection."""
    highest = float(made.noise.max())
    words = (
        f"{made.score.title}: made {number(made.value)}, begun at {number(made.start)}; noise of the same waves "
        f"{number(float(made.noise.mean()))}, at most {number(highest)} ({len(made.noise)} draws)"
    )
    if made.value <= highest:
        words += ", so the image shows nothing"
    if top is not None:
        words += f"; images {top.usual}, at most {number(float(top.exciting.values[0]))}"
    return words


def _tiles(made: Maximised, share: float | None, start: Seen | None) -> list[Tile]:
    second = "" if share is None else f"probability {number(share)}"
    tiles = [Tile(boxed(made.pixels, _SIDE), (f"made: {number(made.value)}", second))]
    if start is not None:
        tiles.insert(0, Tile(boxed(start.pixels, _SIDE), (f"start: {number(made.start)}", start.name)))
    return tiles


def _probability(network: OpenNetwork, score: Score, pixels: Pixels) -> float | None:
    """Of the class whose logit was climbed; None of other scores."""
    kind, _, index = score.name.partition(":")
    if kind != "class" or not index.isdecimal() or network.network.logits is None:
        return None
    other = class_score(network, int(index), probability=True)
    return float(scored(network, other, network.door(pixels[None])))


def _as_json(made: Maximised, share: float | None, top: Top | None) -> dict[str, Any]:
    return {
        "score": made.score.name,
        "title": made.score.title,
        "unit": made.score.unit,
        "value": made.value,
        "start": made.start,
        "noise": {"mean": float(made.noise.mean()), "largest": float(made.noise.max()), "images": len(made.noise)},
        "probability": share,
        "curve": [float(one) for one in made.curve],
        "collection": None if top is None else top.as_json(),
    }


def ascent_of(given: Ascent | Mapping[str, Any] | None, shape: tuple[int, int]) -> Ascent:
    """The usual ascent for images of this shape, with what was asked for in its place.

    Raises:
        Refused: a value makes no sense.
    """
    if isinstance(given, Ascent):
        return given
    unknown = set(given or {}) - set(Ascent.__slots__)
    if unknown:
        raise Refused(f"an ascent has no {min(unknown)}; it has {', '.join(Ascent.__slots__)}")
    return replace(LARGE if min(shape) >= 64 else SMALL, **(given or {}))
