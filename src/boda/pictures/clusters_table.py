"""The class x cluster table as a picture: which classes are in which cluster, as shares of the class and as counts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from boda.errors import Refused
from boda.pictures.sheet import font
from boda.pictures.wording import breadth, fitted, number, share

_PAPER, _INK, _SOFT, _EMPTY, _FULL = (255, 255, 255), (28, 27, 25), (106, 101, 93), (244, 241, 235), (163, 74, 28)
_SCALE = 2
"""Drawn at twice its size, so that it is sharp on fine screens and on paper."""
_WRITTEN = 20
"""Up to so many clusters, cells carry their figures; beyond, they are shades alone."""
_NAME = 150
"""The longest name in pixels."""
_FOOT = "shade: share of the class; frame: the largest class of a cluster"


def clusters_table(
    counts: npt.NDArray[np.int64], classes: Sequence[str], clusters: Sequence[str], *, title: str = ""
) -> Image.Image:
    """Draw how many rows of each class are in each cluster.

    The shade of a cell is its share of the class, so that rows of one line add up to 100 %. The largest cell of each
    column has a frame: the class that is most frequent there.

    Args:
        counts: (c, k) rows of each class (down) in each cluster (across).
        classes: (c,) names.
        clusters: (k,) names: numbers, or `none`.
        title: one line on top.

    Raises:
        Refused: there is nothing to draw, or names and counts do not match.
    """
    if counts.shape != (len(classes), len(clusters)) or not counts.sum():
        raise Refused(f"clusters_table: {counts.shape} counts of {len(classes)} classes and {len(clusters)} clusters")
    written = len(clusters) <= _WRITTEN
    wide, tall = (54, 34) if written else (max(10, 900 // len(clusters)), 22)
    left = round(min(_NAME, max(breadth(name, 13) for name in classes))) + 30
    top = 84 if title else 58
    size = (round(max(left + wide * len(clusters) + 78, left + breadth(_FOOT, 13))), top + tall * len(classes) + 58)
    picture = _Picture(size)
    if title:
        picture.text((14, 14), title, size=15)
    picture.text((left, top - 40), "cluster", colour=_SOFT)
    picture.text((left + wide * len(clusters) + 12, top - 20), "rows", colour=_SOFT)
    shares = counts / np.maximum(counts.sum(axis=1), 1)[:, None]
    step = max(1, -(-24 // wide))
    for column, name in enumerate(clusters):
        if column % step == 0:
            picture.text((left + (column + 0.5) * wide, top - 20), name, anchor="ma")
    for row, name in enumerate(classes):
        middle = top + (row + 0.5) * tall
        picture.text((left - 10, middle), fitted(name, _NAME), anchor="rm")
        picture.text((left + wide * len(clusters) + 12, middle), number(int(counts[row].sum())), "lm", _SOFT)
        for column in range(len(clusters)):
            corner = (left + column * wide, top + row * tall)
            picture.cell(corner, (wide, tall), float(shares[row, column]))
            if written and counts[row, column]:
                picture.figures(corner, (wide, tall), float(shares[row, column]), int(counts[row, column]))
    for column in np.flatnonzero(counts.sum(axis=0)).tolist():
        row = int(counts[:, column].argmax())
        picture.frame((left + column * wide, top + row * tall), (wide, tall))
    foot = top + tall * len(classes)
    for column, total in enumerate(counts.sum(axis=0).tolist()):
        if written:
            picture.text((left + (column + 0.5) * wide, foot + 6), number(total), "ma", _SOFT)
    picture.text((left, foot + 32), _FOOT, colour=_SOFT)
    return picture.image


class _Picture:
    """A white sheet in pixels, drawn at `_SCALE` times its size."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.image = Image.new("RGB", (size[0] * _SCALE, size[1] * _SCALE), _PAPER)
        self._draw = ImageDraw.Draw(self.image)

    def text(
        self,
        place: tuple[float, float],
        text: str,
        anchor: str = "la",
        colour: tuple[int, int, int] = _INK,
        *,
        size: int = 13,
    ) -> None:
        """One line; the anchor is Pillow's."""
        here = (place[0] * _SCALE, place[1] * _SCALE)
        self._draw.text(here, fitted(text, 2000, size), colour, font(size * _SCALE), anchor=anchor)

    def cell(self, corner: tuple[float, float], size: tuple[int, int], part: float) -> None:
        """A filled cell; darker is more. Small shares are raised, so that they are seen."""
        shade = np.sqrt(part)
        colour = tuple(round(e + (f - e) * shade) for e, f in zip(_EMPTY, _FULL, strict=True))
        self._draw.rectangle(_box(corner, size, 1), fill=colour)

    def figures(self, corner: tuple[float, float], size: tuple[int, int], part: float, count: int) -> None:
        """The share of the class, and under it the rows."""
        middle, colour = corner[0] + size[0] / 2, _PAPER if part > 0.55 else _INK
        self.text((middle, corner[1] + 3), share(part), "ma", colour, size=12)
        self.text((middle, corner[1] + 18), number(count), "ma", colour, size=10)

    def frame(self, corner: tuple[float, float], size: tuple[int, int]) -> None:
        """A frame around a cell."""
        self._draw.rectangle(_box(corner, size, 0), outline=_INK, width=_SCALE)


def _box(corner: tuple[float, float], size: tuple[int, int], gap: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = corner[0] + gap, corner[1] + gap, corner[0] + size[0] - gap, corner[1] + size[1] - gap
    return left * _SCALE, top * _SCALE, right * _SCALE - 1, bottom * _SCALE - 1
