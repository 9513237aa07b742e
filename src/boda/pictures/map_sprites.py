"""Many thumbnails as a few sheets, embedded in a page."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from boda.pictures.page import data_uri

SIDE = 64
"""Of a thumbnail, in pixels."""
_ACROSS = 24
_QUALITY = 72


@dataclass(frozen=True, slots=True)
class Sprites:
    """Thumbnails on sheets of `across` x `across`, row by row, the sheets one after the other."""

    sheets: tuple[str, ...]
    """`data:` addresses of WebP pictures."""
    across: int = _ACROSS
    side: int = SIDE


def sprites(thumbnails: Sequence[Image.Image]) -> Sprites:
    """Put squares of `SIDE` pixels on sheets, in their order.

    Args:
        thumbnails: RGB; larger or smaller ones are fitted.
    """
    sheets = []
    for start in range(0, len(thumbnails), _ACROSS**2):
        part = thumbnails[start : start + _ACROSS**2]
        sheet = Image.new("RGB", (min(len(part), _ACROSS) * SIDE, -(-len(part) // _ACROSS) * SIDE), (255, 255, 255))
        for place, picture in enumerate(part):
            fitted = picture if picture.size == (SIDE, SIDE) else picture.resize((SIDE, SIDE))
            sheet.paste(fitted, (place % _ACROSS * SIDE, place // _ACROSS * SIDE))
        sheets.append(data_uri(sheet, quality=_QUALITY))
    return Sprites(tuple(sheets))
