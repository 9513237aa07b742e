"""EXIF orientation: 1 to 8, how a camera was held."""

import struct

from PIL import ExifTags, Image

from boda.pixels.resize import Box, Size

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_RUBBISH = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)


def orientation_of(image: Image.Image) -> int:
    """1 to 8; 1 where there is none, or EXIF that makes no sense."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _RUBBISH:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The image upright."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def turned_box(box: Box, size: Size, orientation: int) -> Box:
    """Where a box of an image of this (width, height) is once the image is turned upright.

    >>> turned_box((0, 0, 9.5, 20), (10, 20), 3)
    (0.5, 0, 10, 20)
    """
    (left, upper, right, lower), (width, height) = box, size
    if orientation >= 5:
        left, upper, right, lower, width, height = upper, left, lower, right, height, width
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        upper, lower = height - lower, height - upper
    return left, upper, right, lower
