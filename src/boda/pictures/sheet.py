"""Contact sheets: many images on one page, each with its caption; one that cannot be shown keeps its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from boda.keys import shown

if TYPE_CHECKING:
    from boda.recipe import Recipe
    from boda.unreadable import Unreadable

_PAPER, _INK, _FAINT, _GREY = (255, 255, 255), (20, 20, 20), (110, 110, 110), (205, 205, 205)
_MARGIN, _LINE = 10, 17
_FONTS = (  # with Korean first; Pillow's own font otherwise, which shows what it lacks as boxes
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "NanumGothic.ttf",
    "AppleSDGothicNeo.ttc",
    "malgun.ttf",
    "DejaVuSans.ttf",
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One place on a sheet."""

    image: Image.Image | None
    """RGB, any size; None where there is nothing to show."""
    caption: tuple[str, ...] = ()
    """Lines under it; too long ones are shortened in the middle."""
    reason: str = ""
    """Why there is no image; written on the grey tile."""


def thumbnail(data: bytes, side: int, recipe: "Recipe | None" = None) -> "Image.Image | Unreadable":
    """A small upright RGB picture of the whole image, at most `side` pixels high and wide.

    Args:
        data: the bytes of one image.
        side: in pixels.
        recipe: whose stretch and range are used for FITS and 16-bit files, so that the picture is what was encoded.
    """
    from boda.pixels.decode import decode
    from boda.pixels.spec import PixelSpec
    from boda.unreadable import BadImage

    pixels = recipe.pixels if recipe else None
    spec = PixelSpec(
        resize=side,
        crop=(side, side),
        range=pixels.range if pixels else None,
        stretch=pixels.stretch if pixels else None,
    )
    try:
        small = decode(data, spec).image
    except BadImage as bad:
        return bad.unreadable
    small.thumbnail((side, side))
    return small


def contact_sheet(tiles: Sequence[Tile], *, columns: int = 5, side: int = 180, title: str = "") -> Image.Image:
    """Draw tiles row by row, left to right.

    Args:
        tiles: at least one.
        columns: tiles in a row; fewer where there are fewer tiles.
        side: of the square that each image is fitted into, in pixels; never enlarged.
        title: one line on top.
    """
    columns = max(1, min(columns, len(tiles)))
    lines = max((len(tile.caption) for tile in tiles), default=0)
    cell = (side + _MARGIN, side + _MARGIN + lines * _LINE)
    top = _MARGIN + (_LINE + _MARGIN if title else 0)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (_MARGIN + columns * cell[0], top + rows * cell[1] + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((_MARGIN, _MARGIN), fitted(draw, shown(title), sheet.width - 2 * _MARGIN), _INK, font())
    for place, tile in enumerate(tiles):
        left, upper = _MARGIN + place % columns * cell[0], top + place // columns * cell[1]
        _draw_tile(sheet, draw, tile, (left, upper), side)
    return sheet


def _draw_tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], side: int) -> None:
    left, upper = corner
    if tile.image is None:
        draw.rectangle((left, upper, left + side - 1, upper + side - 1), fill=_GREY)
        for number, line in enumerate(wrapped(draw, shown(tile.reason), side - 12, side // _LINE - 1)):
            draw.text((left + 6, upper + 6 + number * _LINE), line, _INK, font())
    else:
        picture = tile.image.copy()
        picture.thumbnail((side, side))
        sheet.paste(picture, (left + (side - picture.width) // 2, upper + (side - picture.height) // 2))
    for number, line in enumerate(tile.caption):
        place = (left, upper + side + 2 + number * _LINE)
        draw.text(place, fitted(draw, shown(line), side), _INK if number == 0 else _FAINT, font())


@cache
def font(size: int = 13) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of sheets, in pixels; one that knows Korean where this machine has one."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def fitted(draw: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """The text, its middle left out where it is wider than `width` pixels."""
    if draw.textlength(text, font()) <= width:
        return text
    for kept in range(min(len(text), width // 3), 1, -1):
        short = text[: kept // 2] + "…" + text[len(text) - (kept - kept // 2) :]
        if draw.textlength(short, font()) <= width:
            return short
    return "…"


def wrapped(draw: ImageDraw.ImageDraw, text: str, width: int, most: int) -> list[str]:
    """The text in at most `most` lines, broken between words; what does not fit is left out."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font()) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted(draw, word, width))
    return lines[:most]


def write_sheet(sheet: Image.Image, path: Path, *, mark: str) -> None:
    """Write a sheet as PNG, whole or not at all, with a mark by which `written_by` knows it again."""
    from PIL.PngImagePlugin import PngInfo

    from boda.workspace.atomic import write_whole

    words = PngInfo()
    words.add_text("Software", mark)
    write_whole(path, lambda file: sheet.save(file, "PNG", pnginfo=words))


def written_by(path: Path, mark: str) -> bool:
    """Whether this file is a sheet that was written with this mark."""
    try:
        with Image.open(path, formats=["PNG"]) as sheet:
            return sheet.info.get("Software") == mark
    except (OSError, ValueError, SyntaxError):
        return False
