"""A map with the images themselves at their places: those that would cover another are left out."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageDraw

from boda.keys import shown
from boda.pictures.map_colours import Colours
from boda.pictures.sheet import fitted, font

_PAPER, _INK, _FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_MARGIN, _LINE, _FRAME = 12, 19, 3


def pictured_map(
    places: npt.NDArray[np.float32],
    pictures: Sequence[Image.Image | None],
    colours: Colours,
    *,
    title: str,
    size: int = 1200,
    side: int = 48,
) -> Image.Image:
    """Draw images where a map has them, in their order; all others as dots.

    Args:
        places: (n, 2).
        pictures: n; None where there is none.
        colours: of frames and dots.
        title: one line on top.
        size: of the map, in pixels.
        side: of an image, in pixels.
    """
    legend = colours.legend
    top = _MARGIN + _LINE
    sheet = Image.new("RGB", (size, top + size + (_MARGIN + _LINE * _lines(len(legend)) if legend else 0)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN // 2), fitted(draw, shown(title), size - 2 * _MARGIN), _INK, font())
    centres = _centres(places, size, side + 2 * _FRAME) + np.array([0, top])
    drawn = _free(centres, [one is not None for one in pictures], side + 2 * _FRAME)
    for (x, y), place in zip(centres, colours.index, strict=True):
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_rgb(colours, place))
    for row in drawn:
        picture = pictures[row]
        assert picture is not None
        small = picture.resize((side, side)) if picture.size != (side, side) else picture
        left, upper = (round(one - side / 2) for one in centres[row])
        frame = (left - _FRAME, upper - _FRAME, left + side + _FRAME - 1, upper + side + _FRAME - 1)
        draw.rectangle(frame, fill=_rgb(colours, colours.index[row]) if colours.title else _PAPER)
        sheet.paste(small, (left, upper))
    for number, (colour, name, count) in enumerate(legend):
        x, y = _MARGIN + number % 4 * (size // 4), top + size + _MARGIN // 2 + number // 4 * _LINE
        draw.rectangle((x, y + 3, x + 11, y + 14), fill=ImageColor.getrgb(colour))
        draw.text((x + 18, y), fitted(draw, f"{shown(name)}  {count:,}", size // 4 - 30), _FAINT, font())
    return sheet


def _lines(names: int) -> int:
    return -(-names // 4)


def _rgb(colours: Colours, place: int) -> tuple[int, ...]:
    return ImageColor.getrgb(colours.palette[place])


def _centres(places: npt.NDArray[np.float32], size: int, side: int) -> npt.NDArray[np.float64]:
    """(n, 2) pixels, right and down; both directions of one scale, up on the map is up."""
    exact = places.astype(np.float64)
    low, high = exact.min(axis=0), exact.max(axis=0)
    scale = (size - side - 2) / max(float((high - low).max()), 1e-12)
    middle: npt.NDArray[np.float64] = (exact - (low + high) / 2) * scale * (1, -1) + size / 2
    return middle


def _free(centres: npt.NDArray[np.float64], shown_ones: Sequence[bool], side: int) -> list[int]:
    """Rows whose image covers none that came before."""
    drawn: list[int] = []
    taken = np.zeros((0, 2))
    for row, is_there in enumerate(shown_ones):
        if is_there and not (np.abs(taken - centres[row]).max(axis=1) < side).any():
            drawn.append(row)
            taken = np.concatenate([taken, centres[row : row + 1]])
    return drawn
