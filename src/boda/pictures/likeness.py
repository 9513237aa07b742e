"""Where two images are alike, as a picture: both side by side, what each place adds in colour, lines between places.

Orange adds to the likeness, blue takes away from it; both images of one row have one scale, so that their colours
compare. A place is drawn as the square of the image that its position on the map stands for: what it has seen is wider.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from boda.arrays import Pixels
from boda.keys import shown
from boda.pictures.sheet import fitted, font

_SIDE, _GAP, _LINE, _MARGIN = 360, 60, 19, 12
_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_ADDS, _TAKES = np.array([230.0, 97.0, 1.0]), np.array([0.0, 114.0, 178.0])
_OPAQUE = 0.75
_LINES = ((213, 0, 0), (0, 105, 92), (106, 27, 154), (0, 0, 0), (141, 110, 0))
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alike:
    """One row of the picture: what the places of both images add to a likeness."""

    title: str
    first: _Floats
    """(y, x)."""
    second: _Floats
    """(y, x)."""
    pairs: Sequence[tuple[tuple[int, int], tuple[int, int]]]
    """Places (y, x) of the first and the second image that a line joins, the strongest first."""


def draw_likeness(images: tuple[Pixels, Pixels], names: tuple[str, str], rows: Sequence[Alike]) -> Image.Image:
    """The images as they are, then once for each of `rows`.

    Args:
        images: (h, w, 3) each: what the encoder saw.
        names: of both.
        rows: at least one.
    """
    pictures = [_sized(Image.fromarray(one)) for one in images]
    height = max(one.height for one in pictures)
    wide = 2 * _SIDE + _GAP + 2 * _MARGIN
    step = height + 2 * _LINE + _MARGIN
    sheet = Image.new("RGB", (wide, _MARGIN + _LINE + (len(rows) + 1) * step - 2 * _LINE), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for left, name, picture in zip(_lefts(), names, pictures, strict=True):
        draw.text((left, _MARGIN), fitted(draw, shown(name), _SIDE), _INK, font())
        sheet.paste(picture, (left, _MARGIN + _LINE))
    for number, row in enumerate(rows, 1):
        top = _MARGIN + _LINE + number * step
        draw.text((_MARGIN, top - 2 * _LINE), fitted(draw, row.title, wide - 2 * _MARGIN), _INK, font())
        scale = max(float(np.abs(row.first).max()), float(np.abs(row.second).max()), 1e-12)
        words = f"orange adds, blue takes away; full colour: {scale:.4f} at one place"
        draw.text((_MARGIN, top - _LINE), fitted(draw, words, wide - 2 * _MARGIN), _FAINT, font())
        for left, picture, heat in zip(_lefts(), pictures, (row.first, row.second), strict=True):
            sheet.paste(_heated(picture, heat / scale), (left, top))
        _draw_lines(draw, row, pictures, top)
    return sheet


def _lefts() -> tuple[int, int]:
    return _MARGIN, _MARGIN + _SIDE + _GAP


def _sized(picture: Image.Image) -> Image.Image:
    """At most `_SIDE` in both directions, also where that is larger than it is."""
    scale = _SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC if scale < 4 else Image.Resampling.NEAREST)


def _heated(picture: Image.Image, heat: _Floats) -> Image.Image:
    """Grey and pale, with the heat (y, x) of -1..1 over it."""
    grey = 128 + 0.5 * np.asarray(picture.convert("L"), np.float64)[..., None]
    large = Image.fromarray(heat.astype(np.float32)).resize(picture.size, Image.Resampling.NEAREST)
    strength = np.asarray(large, np.float64)[..., None]
    colour = np.where(strength > 0, _ADDS, _TAKES)
    weight = _OPAQUE * np.abs(strength)
    return Image.fromarray(np.clip((1 - weight) * grey + weight * colour, 0, 255).round().astype(np.uint8))


def _draw_lines(draw: ImageDraw.ImageDraw, row: Alike, pictures: Sequence[Image.Image], top: int) -> None:
    """From the square of one place to that of the other; each a little lower than the one before, so that all show."""
    for number, pair in reversed(list(enumerate(row.pairs))):
        colour = _LINES[number % len(_LINES)]
        middles = []
        for left, picture, heat, (y, x) in zip(_lefts(), pictures, (row.first, row.second), pair, strict=True):
            high, across = picture.height / heat.shape[0], picture.width / heat.shape[1]
            corner = (left + x * across, top + y * high)
            draw.rectangle((*corner, corner[0] + across, corner[1] + high), outline=colour, width=2)
            lower = (number + 1) / (len(row.pairs) + 1)
            middles.append((corner[0] + across / 2, corner[1] + lower * high))
        draw.line((*middles[0], *middles[1]), fill=colour, width=2)
