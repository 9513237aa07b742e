"""Images with the part of them that matters: small ones enlarged without smoothing, a box where it is."""

from PIL import Image, ImageDraw

from boda.arrays import Pixels
from boda.pictures.filters import enlarged

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels of the image, the last two exclusive."""
_LINE, _EDGE = (255, 214, 0), (20, 20, 20)


def boxed(pixels: Pixels, side: int, box: Box | None = None) -> Image.Image:
    """An image fitted into a square, with a box drawn after it was fitted, so that its line is always as wide.

    Args:
        pixels: (h, w, 3).
        side: of the square, in pixels.
        box: None: none. One that is the whole image is not drawn: it says nothing.
    """
    h, w = pixels.shape[:2]
    picture = enlarged(pixels, side)
    picture.thumbnail((side, side))
    if box is None or box == (0, 0, h, w):
        return picture
    scale = picture.width / w, picture.height / h
    top, left, bottom, right = box
    corners = (
        round(left * scale[0]),
        round(top * scale[1]),
        max(round(left * scale[0]) + 1, round(right * scale[0]) - 1),
        max(round(top * scale[1]) + 1, round(bottom * scale[1]) - 1),
    )
    draw = ImageDraw.Draw(picture)
    draw.rectangle(corners, outline=_EDGE, width=3)
    draw.rectangle(corners, outline=_LINE, width=2)
    return picture
