"""Small pictures on one sheet, such as the filters of a network's first layer: enlarged without smoothing."""

from collections.abc import Sequence

from PIL import Image

from boda.arrays import Pixels
from boda.pictures.sheet import Tile, contact_sheet


def filter_sheet(
    pictures: Pixels, *, captions: Sequence[str] = (), columns: int = 16, side: int = 44, title: str = ""
) -> Image.Image:
    """Draw small pictures row by row.

    Args:
        pictures: (n, h, w, 3), n > 0.
        captions: one each, or none.
        columns: in a row.
        side: of each on the sheet, in pixels; whole pixels of a picture become squares of one size.
        title: one line on top.
    """
    words = captions or [""] * len(pictures)
    tiles = [
        Tile(enlarged(one, side), (caption,) if caption else ()) for one, caption in zip(pictures, words, strict=True)
    ]
    return contact_sheet(tiles, columns=columns, side=side, title=title)


def enlarged(picture: Pixels, side: int) -> Image.Image:
    """A picture (h, w, 3), each pixel a square of as many whole pixels as fit into `side`, at least one."""
    times = max(1, side // max(picture.shape[:2]))
    image = Image.fromarray(picture)
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
