"""The images of a collection that excite scores most, with the boxes that matter in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from boda.encoders.opened import OpenNetwork
from boda.explanations.activations import Usual
from boda.explanations.exciting import Exciting, most_exciting
from boda.explanations.many_scores import Values
from boda.explanations.score import Score
from boda.keys import to_json
from boda.pictures.exciting import boxed
from boda.pictures.sheet import Tile
from boda.pictures.wording import number
from boda.pipelines.looking.given import Collection
from boda.sources.base import ImageRef

SIDE = 150
"""Of a picture, in pixels."""


@dataclass(frozen=True, eq=False)
class Top:
    """The most exciting images of one score."""

    exciting: Exciting
    keys: tuple[str, ...]
    """(k,)"""

    @property
    def usual(self) -> str:
        """Mean and standard deviation over the collection: "0.4 ± 1.1"."""
        return usual_words(self.exciting.usual)

    def tiles(self, side: int) -> list[Tile]:
        """A picture of each, at most so many pixels high and wide, with its value and its key."""
        boxes = [None] * len(self.keys) if self.exciting.boxes is None else self.exciting.boxes.tolist()
        rows = zip(self.exciting.pixels, boxes, self.exciting.values.tolist(), self.keys, strict=True)
        return [
            Tile(boxed(pixels, side, None if box is None else (box[0], box[1], box[2], box[3])), (number(value), key))
            for pixels, box, value, key in rows
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        found = self.exciting
        images: list[dict[str, Any]] = [
            {"key": to_json(key), "value": value} for key, value in zip(self.keys, found.values.tolist(), strict=True)
        ]
        if found.places is not None and found.boxes is not None:
            for one, place, box in zip(images, found.places.tolist(), found.boxes.tolist(), strict=True):
                one |= {"place": place, "box": box}
        return {"usual": usual_json(found.usual, 0), "images": images}


def tops_of(
    network: OpenNetwork, scores: Sequence[Score], values: Values, refs: Sequence[ImageRef], there: Collection, k: int
) -> list[Top]:
    """The k images of each score, whose pixels are read again: a pass over a collection keeps none.

    Args:
        network: whose scores they are.
        scores: s of them.
        values: (n, s) of the images that passed.
        refs: n, of these.
        there: the collection.
        k: how many; fewer come back where there are not so many.
    """
    best = [np.argsort(-column, kind="stable")[:k] for column in values.T]
    rows = np.unique(np.concatenate(best))
    pixels = dict(zip(rows.tolist(), there.again([refs[row] for row in rows]), strict=True))
    tops = []
    for score, column, own in zip(scores, values.T, best, strict=True):
        found = most_exciting(network, score, [np.stack([pixels[row] for row in own.tolist()])], k)
        order = own[found.rows]
        usual = Usual.of_nothing(1).joined(column[:, None])
        tops.append(Top(replace(found, rows=order, usual=usual), tuple(refs[row].key for row in order.tolist())))
    return tops


def usual_words(usual: Usual, channel: int = 0) -> str:
    """Mean and standard deviation: "0.4 ± 1.1"."""
    return f"{number(float(usual.mean[channel]))} ± {number(float(usual.deviation[channel]))}"


def usual_json(usual: Usual, channel: int) -> dict[str, Any]:
    """Mean, standard deviation and how many images; None for the deviation of one image."""
    deviation = float(usual.deviation[channel])
    return {
        "images": usual.images,
        "mean": float(usual.mean[channel]),
        "deviation": deviation if np.isfinite(deviation) else None,
    }
