"""What a network calls alike at a layer: the nearest images of the collection to one image."""

from typing import Any

import numpy as np
from PIL import Image

from boda.arrays import Features
from boda.errors import Refused
from boda.explanations.layer_neighbours import layer_features
from boda.keys import shown, to_json, to_text
from boda.neighbours.exact import Neighbours, nearest
from boda.pictures.exciting import boxed
from boda.pictures.rows import Row, rows_sheet
from boda.pictures.sheet import Tile
from boda.pipelines.file_bytes import as_csv, as_png
from boda.pipelines.looking.given import Collection, Inside, Seen
from boda.pipelines.looking.look import Look, Wanted
from boda.pipelines.looking.top import SIDE
from boda.sources.base import ImageRef

COUNT = 8
_PAIRS = 2000
"""Of random images, by which likeness is judged."""


def look_at_neighbours(inside: Inside, wanted: Wanted) -> Look:
    """At each layer the images whose pooled output has the smallest angle to that of the image."""
    there, image = inside.images("neighbours"), inside.image(wanted.image)
    layers = wanted.layers or (inside.own_layer,)
    for layer in layers:
        inside.network.anatomy.part(layer, None)  # refused before the pass
    refs: list[ImageRef] = []
    parts: dict[str, list[Features]] = {layer: [] for layer in layers}
    for pixels in there.passing(refs):
        for layer, found in parts.items():
            found.append(layer_features(inside.network, layer, [pixels]))
    if len(refs) < 2:
        raise Refused(f"{len(refs)} image is too few to look for neighbours in: give at least 2")
    own = [row for row, ref in enumerate(refs) if ref.key == image.key]
    at = {layer: _Layer(inside, layer, np.concatenate(found), image, own, wanted) for layer, found in parts.items()}
    pictures = _pictures(there, [refs[row] for one in at.values() for row in one.found.rows[0].tolist()])
    title = f"{inside.name}: neighbours of {shown(image.name)} in {there.words}, by the cosine of a layer's mean"
    rows = [
        Row(one.words, [Tile(boxed(image.pixels, SIDE), ("the image", image.name)), *one.tiles(refs, pictures)])
        for one in at.values()
    ]
    record = {"image": to_json(image.name), "layers": [one.as_json(refs) for one in at.values()]}
    files = {".png": as_png(rows_sheet(rows, side=SIDE, title=title)), ".csv": _table(list(at.values()), refs)}
    return Look(files, record, (title, *(one.words for one in at.values())))


class _Layer:
    """The neighbours at one layer, and what random images have there."""

    def __init__(self, inside: Inside, layer: str, rows: Features, image: Seen, own: list[int], wanted: Wanted) -> None:
        self.layer, self.width = layer, rows.shape[1]
        asked = layer_features(inside.network, layer, [image.pixels[None]])
        exclude = np.array(own[:1]) if own else None
        self.found: Neighbours = nearest(rows, asked, wanted.count or COUNT, exclude=exclude)
        self.random = _random_likeness(rows, np.random.default_rng([wanted.seed, 2]))

    @property
    def likeness(self) -> list[float]:
        """Of the neighbours, the nearest first."""
        return [1 - float(one) for one in self.found.distances[0]]

    @property
    def words(self) -> str:
        low, high = self.random
        said = f"{self.likeness[0]:.3f} to {self.likeness[-1]:.3f}" if self.likeness else "none"
        return f"{self.layer} ({self.width:,} wide): likeness {said}; two random images {low:.3f} to {high:.3f} (90 %)"

    def tiles(self, refs: list[ImageRef], pictures: dict[str, Image.Image]) -> list[Tile]:
        """A picture of each."""
        pairs = zip(self.found.rows[0].tolist(), self.likeness, strict=True)
        return [Tile(pictures[refs[row].key], (f"{likeness:.3f}", refs[row].key)) for row, likeness in pairs]

    def as_json(self, refs: list[ImageRef]) -> dict[str, Any]:
        """Plain JSON."""
        pairs = zip(self.found.rows[0].tolist(), self.likeness, strict=True)
        return {
            "layer": self.layer,
            "width": self.width,
            "random": {"low": self.random[0], "high": self.random[1], "level": 0.9},
            "neighbours": [{"key": to_json(refs[row].key), "likeness": likeness} for row, likeness in pairs],
        }


def _random_likeness(rows: Features, rng: np.random.Generator) -> tuple[float, float]:
    """Between which 90 % of the cosines of two random images lie."""
    first = rng.integers(len(rows), size=_PAIRS)
    second = (first + rng.integers(1, len(rows), size=_PAIRS)) % len(rows)
    a, b = rows[first].astype(np.float64), rows[second].astype(np.float64)
    lengths = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    cosines = np.divide((a * b).sum(axis=1), lengths, out=np.zeros(_PAIRS), where=lengths > 0)
    low, high = np.quantile(cosines, [0.05, 0.95])
    return float(low), float(high)


def _pictures(there: Collection, refs: list[ImageRef]) -> dict[str, Image.Image]:
    """Each image as the network sees it, by its key."""
    different = list({ref.key: ref for ref in refs}.values())
    seen = zip(different, there.again(different), strict=True)
    return {ref.key: boxed(pixels, SIDE) for ref, pixels in seen}


def _table(layers: list[_Layer], refs: list[ImageRef]) -> bytes:
    rows = [
        (one.layer, rank, to_text(refs[row].key), likeness)
        for one in layers
        for rank, (row, likeness) in enumerate(zip(one.found.rows[0].tolist(), one.likeness, strict=True), 1)
    ]
    names = ("layer", "rank", "key", "likeness")
    return as_csv(dict(zip(names, zip(*rows, strict=True), strict=True)))
