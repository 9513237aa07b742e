"""Rows of pictures under one another, each with what it is about above it: a layer, a channel, a class."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from boda.keys import shown
from boda.pictures.sheet import Tile, contact_sheet, font, wrapped

_PAPER, _INK = (255, 255, 255), (20, 20, 20)
_MARGIN, _LINE, _NARROWEST, _MOST = 10, 17, 560, 6


@dataclass(frozen=True, slots=True)
class Row:
    """One row, or more lines where there are many tiles."""

    title: str
    tiles: Sequence[Tile]
    """At least one."""


def rows_sheet(rows: Sequence[Row], *, columns: int = 10, side: int = 150, title: str = "") -> Image.Image:
    """Draw rows under one another.

    Args:
        rows: at least one.
        columns: tiles in a line.
        side: of the square that each image is fitted into, in pixels.
        title: above all; may have several lines.
    """
    widest = min(columns, max(len(one.tiles) for one in rows))
    width = max(_NARROWEST, widest * (side + _MARGIN) + _MARGIN)
    sheets = [titled(contact_sheet(one.tiles, columns=columns, side=side), one.title, width=width) for one in rows]
    whole = Image.new("RGB", (width, sum(one.height for one in sheets)), _PAPER)
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return titled(whole, title, width=width)


def titled(picture: Image.Image, text: str, *, width: int = _NARROWEST) -> Image.Image:
    """A picture with words above it, in as many lines as they need; "" leaves it as it is, but as wide.

    Args:
        picture: RGB.
        text: may have several lines.
        width: of what comes back, at least; and at least that of the picture.
    """
    width = max(width, picture.width)
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    parts = [part for part in text.split("\n") if part]
    lines = [line for part in parts for line in wrapped(draw, shown(part), width - 2 * _MARGIN, _MOST)]
    top = _MARGIN + _LINE * len(lines) if lines else 0
    whole = Image.new("RGB", (width, top + picture.height), _PAPER)
    draw = ImageDraw.Draw(whole)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + number * _LINE), line, _INK, font())
    whole.paste(picture, (0, top))
    return whole
