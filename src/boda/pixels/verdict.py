"""From what Pillow raises to a verdict: a stage, a code and a reason."""

import struct

from PIL import Image, UnidentifiedImageError

from boda.pixels.identify import guess_format, is_text, not_an_image
from boda.pixels.truncation import promised_size
from boda.unreadable import BadImage, Code, Stage

IMAGE_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises on bytes it does not like. MemoryError is not among them: `prepare` has a code for it."""

_TRUNCATED = ("truncated", "not enough image data")
_HEADER_LIMITS = ("Decompressed data too large", "Too much memory used in text chunks")


def verdict_on_header(error: Exception, data: bytes) -> BadImage:
    """What an error while the header was read means."""
    text = str(error)
    if isinstance(error, Image.DecompressionBombError):
        return _too_many_pixels(text)
    if any(limit in text for limit in _HEADER_LIMITS):
        return BadImage(Stage.IDENTIFY, Code.HEADER_LIMIT, text)
    kind = guess_format(data)
    if kind is None and (isinstance(error, UnidentifiedImageError) or is_text(data)):
        return not_an_image(data)
    return _damaged(_said_by_opener(kind, data) or text, data, kind)


def verdict_on_pixels(error: Exception, data: bytes, kind: str | None) -> BadImage:
    """What an error while the pixels were decoded means."""
    text = str(error)
    if isinstance(error, Image.DecompressionBombError):
        return _too_many_pixels(text)
    if "out of memory" in text:
        return BadImage(Stage.DECODE, Code.MEMORY_LIMIT, text)
    if any(limit in text for limit in _HEADER_LIMITS):
        return BadImage(Stage.IDENTIFY, Code.HEADER_LIMIT, text)
    return _damaged(text or type(error).__name__, data, kind)


def too_many_pixels(width: int, height: int, most: int) -> BadImage:
    """What to say of a picture larger than anybody's camera makes."""
    return _too_many_pixels(f"{width} x {height} pixels, more than {most:,}")


def _too_many_pixels(reason: str) -> BadImage:
    return BadImage(Stage.DECODE, Code.TOO_MANY_PIXELS, reason)


def _damaged(text: str, data: bytes, kind: str | None) -> BadImage:
    present = len(data)
    promised = promised_size(data, kind) or 0
    if promised > present + 1:
        reason = f"truncated {kind}: {present} of at least {promised} bytes present"
        return BadImage(Stage.DECODE, Code.TRUNCATED, reason)
    if promised > present or any(word in text for word in _TRUNCATED):
        return BadImage(Stage.DECODE, Code.TRUNCATED, f"truncated {kind or 'file'}: {present} bytes present ({text})")
    return BadImage(Stage.DECODE, Code.CORRUPT, f"{kind or 'image'}: {text}")


def _said_by_opener(kind: str | None, data: bytes) -> str | None:
    """The format's own words: `Image.open` only says that nothing could read it."""
    from io import BytesIO

    if kind not in Image.OPEN:
        return None
    try:
        Image.OPEN[kind][0](BytesIO(data), "")
    except IMAGE_ERRORS as error:
        return str(error)
    return None
