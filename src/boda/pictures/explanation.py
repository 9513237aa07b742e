"""Small multiples of explanations: a row an image, a column a method, with scores, scales and checks as words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from boda.arrays import Pixels
from boda.errors import Refused
from boda.keys import shown
from boda.pictures.heat import Scale, heated, ramp, remark, sized
from boda.pictures.sheet import fitted, font, wrapped
from boda.pictures.wording import number
from boda.pixels.window import Window

_PAPER, _INK, _FAINT, _ABSENT = (255, 255, 255), (20, 20, 20), (110, 110, 110), (225, 225, 225)
_MARGIN, _GAP, _LINE, _BAR = 14, 12, 17, 8
_MOST = 8
"""Lines that one check may take."""
_STRIP = _BAR + 4 + _LINE
"""Height of a scale with its figures."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """One map of one image, or why there is none."""

    title: str
    """The method; the same down a column."""
    heat: npt.NDArray[np.floating] | None
    """(y, x), of what the network saw."""
    scale: Scale | None
    """Of its colours: one for a whole column, or its own. None without a map."""
    lines: Sequence[str] = ()
    """Under it: the checks; long ones are broken between words."""
    reason: str = ""
    """Why there is no map."""


@dataclass(frozen=True, eq=False)
class Row:
    """One image with its maps."""

    name: str
    image: Pixels
    """(h, w, 3), upright."""
    window: Window
    """What the network saw of it."""
    maps: Sequence[Mapped]
    lines: Sequence[str] = ()
    """Under the image: the score with its unit, what else is known of it."""


@dataclass(frozen=True, slots=True)
class _Cell:
    picture: Image.Image
    strip: Scale | None
    """Drawn under the picture."""
    words: tuple[str, ...]
    named: bool = False
    """Whether the first line is a name."""

    @property
    def height(self) -> int:
        return self.picture.height + _STRIP * (self.strip is not None) + _LINE * len(self.words)


def explanation_sheet(rows: Sequence[Row], *, side: int = 240, title: str = "") -> Image.Image:
    """Draw the images down the page, each followed by its maps.

    Where all maps of a column have one scale, it stands above them; else each has its own under it, and the heading
    says so. What is to be known of the values is said there too, in as many lines as it takes.

    Args:
        rows: at least one, all with the same methods in the same order.
        side: of the square that each picture is fitted into, in pixels.
        title: one line on top.

    Raises:
        Refused: no rows, or rows of different methods.
    """
    columns = list(zip(*(row.maps for row in rows), strict=False))
    titles = [[one.title for one in row.maps] for row in rows]
    if not rows or any(one != titles[0] for one in titles):
        raise Refused("an explanation sheet takes at least one image, and for each the same methods in the same order")
    shared = [_shared([one.scale for one in column if one.scale is not None]) for column in columns]
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    lines = [_cells(draw, row, shared, side) for row in rows]
    heights = [max(cell.height for cell in line) + _GAP for line in lines]
    seen = "frame: what the network saw" if any(map(_is_cropped, rows)) else ""
    said = [_said(column, scale) for column, scale in zip(columns, shared, strict=True)]
    headings = [wrapped(draw, shown(text), side, _MOST) for text in (seen, *said)]
    above = max(1, *map(len, headings))
    head = _MARGIN + (_LINE + _GAP if title else 0)
    top = head + (1 + above) * _LINE + 4 + _STRIP * any(shared)
    width = 2 * _MARGIN + len(lines[0]) * (side + _GAP) - _GAP
    sheet = Image.new("RGB", (width, top + sum(heights) + _MARGIN - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), fitted(draw, shown(title), width - 2 * _MARGIN), _INK, font())
    names = ["image", *(column[0].title for column in columns)]
    for place, (name, words) in enumerate(zip(names, headings, strict=True)):
        left = _MARGIN + place * (side + _GAP)
        _draw_heading(draw, (left, head), side, name, words)
        scale = shared[place - 1] if place else None
        if scale is not None:
            _draw_strip(sheet, scale, (left, top - _STRIP - 2), side)
    for line, height in zip(lines, heights, strict=True):
        for place, cell in enumerate(line):
            _draw_cell(sheet, cell, (_MARGIN + place * (side + _GAP), top), side)
        top += height
    return sheet


def _shared(scales: Sequence[Scale]) -> Scale | None:
    """The one scale of a column of more than one map."""
    return scales[0] if len(scales) > 1 and all(one == scales[0] for one in scales) else None


def _said(column: Sequence[Mapped], shared: Scale | None) -> str:
    """What is said of a column: the unit of its figures, whose scale they are on, and what the values are."""
    scales = [one.scale for one in column if one.scale is not None]
    if not scales:
        return ""
    own = "one scale" if shared else "each its own scale" if len(scales) > 1 else ""
    about = dict.fromkeys(part for one in scales for part in one.about.split("; "))
    return "; ".join(one for one in (scales[0].unit, own, *about) if one)


def _cells(draw: ImageDraw.ImageDraw, row: Row, shared: Sequence[Scale | None], side: int) -> list[_Cell]:
    name = (fitted(draw, shown(row.name), side), *_wrapped(draw, row.lines, side))
    picture = sized(row.image, side)
    cells = [_Cell(_framed(picture, row), None, name, named=True)]
    for one, scale in zip(row.maps, shared, strict=True):
        if one.heat is None or one.scale is None:
            cells.append(_Cell(_absent(picture.size, one.reason), None, _wrapped(draw, one.lines, side)))
            continue
        said = [text for text in (remark(one.heat),) if text]
        words = _wrapped(draw, [*said, *one.lines], side)
        over = heated(row.image, one.heat, row.window, one.scale, side=side)[1]
        cells.append(_Cell(over, None if scale else one.scale, words))
    return cells


def _wrapped(draw: ImageDraw.ImageDraw, lines: Sequence[str], side: int) -> tuple[str, ...]:
    return tuple(part for line in lines for part in wrapped(draw, shown(line), side, _MOST))


def _is_cropped(row: Row) -> bool:
    height, width = row.image.shape[:2]
    seen = row.window
    return seen.left > 0 or seen.top > 0 or seen.right < width or seen.bottom < height


def _framed(picture: Image.Image, row: Row) -> Image.Image:
    """The image with a thin frame around what the network saw."""
    framed = picture.copy()
    across, down = picture.width / row.image.shape[1], picture.height / row.image.shape[0]
    where = row.window.scaled(across, down)
    box = (round(where.left) - 1, round(where.top) - 1, round(where.right), round(where.bottom))
    ImageDraw.Draw(framed).rectangle(box, outline=(240, 240, 240))
    return framed


def _absent(size: tuple[int, int], reason: str) -> Image.Image:
    """A grey picture that says why there is no map."""
    grey = Image.new("RGB", size, _ABSENT)
    draw = ImageDraw.Draw(grey)
    for place, line in enumerate(wrapped(draw, shown(reason), size[0] - 12, (size[1] - 8) // _LINE)):
        draw.text((6, 6 + place * _LINE), line, _INK, font())
    return grey


def _draw_heading(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], side: int, title: str, words: Sequence[str]
) -> None:
    left, top = corner
    draw.text(corner, fitted(draw, shown(title), side), _INK, font())
    for place, line in enumerate(words, 1):
        draw.text((left, top + place * _LINE), line, _FAINT, font())


def _draw_cell(sheet: Image.Image, cell: _Cell, corner: tuple[int, int], side: int) -> None:
    left, top = corner
    sheet.paste(cell.picture, (left, top))
    top += cell.picture.height
    if cell.strip is not None:
        _draw_strip(sheet, cell.strip, (left, top + 3), min(side, max(cell.picture.width, 120)))
        top += _STRIP
    draw = ImageDraw.Draw(sheet)
    for place, line in enumerate(cell.words):
        draw.text((left, top + 2 + place * _LINE), line, _INK if cell.named and place == 0 else _FAINT, font())


def _draw_strip(sheet: Image.Image, scale: Scale, corner: tuple[int, int], width: int) -> None:
    """A scale from left to right with its ends, and 0 where it lies between them."""
    left, top = corner
    sheet.paste(Image.fromarray(np.repeat(ramp(scale, width)[None], _BAR, axis=0)), corner)
    draw = ImageDraw.Draw(sheet)
    low, high = scale.ends
    under = top + _BAR + 1
    if low == high:
        draw.text((left + width / 2, under), number(low), _FAINT, font(), anchor="ma")
        return
    for value, side in ((low, "l"), (high, "r")):
        where = left + width * (side == "r")
        draw.text((where, under), number(value), _FAINT, font(), anchor=f"{side}a")
    zero = width * -low / (high - low)
    if font().getlength(number(low)) + 10 < zero < width - 10 - font().getlength(number(high)):
        draw.text((left + zero, under), "0", _FAINT, font(), anchor="ma")
