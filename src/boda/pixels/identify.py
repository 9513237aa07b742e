"""What kind of file these bytes are, told by content; names never decide."""

from io import BytesIO
from typing import Literal, TypeAlias

from PIL import (  # each registers its format; so no other format's code is ever imported
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    QoiImagePlugin,
    SgiImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from boda.unreadable import BadImage, Code, Stage

Kind: TypeAlias = Literal["raster", "heif", "fits"]

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "QOI", "SGI")
"""The only formats Pillow may try: no EPS (it would start Ghostscript); MPO comes through the opener of JPEG."""

_PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    QoiImagePlugin,
    SgiImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

_MAGIC = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": b"GIF8",
    "WEBP": b"RIFF",
    "JPEG2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "TIFF": b"II*\0",
    "ICO": b"\0\0\1\0",
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_FITS_BEGINNINGS = (b"SIMPLE  =", b"XTENSION= 'IMAGE", b"XTENSION= 'BINTABLE")
_KNOWN_OTHERS = {
    b"%!PS": "EPS or PostScript",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"8BPS": "Photoshop",
    b"#define": "XBM",
}


def identify(data: bytes) -> Kind:
    """Which reader these bytes are for.

    Raises:
        BadImage: read/empty, identify/not_a_raster_image.
    """
    if not data:
        raise BadImage(Stage.READ, Code.EMPTY, "the file is empty")
    if data.startswith(_FITS_BEGINNINGS):
        return "fits"
    if _is_heif(data):
        return "heif"
    drawing = _drawing(data)
    if drawing:
        raise BadImage(Stage.IDENTIFY, Code.NOT_A_RASTER_IMAGE, f"{drawing} describes shapes and pages, not pixels")
    return "raster"


def guess_format(data: bytes) -> str | None:
    """The format that bytes begin like, also where only a piece of its first bytes is there."""
    for name, magic in _MAGIC.items():
        if data.startswith(magic) or (len(data) < len(magic) and magic.startswith(data)):
            return name
    if data[4:8] == b"ftyp":
        return "HEIF" if _is_heif(data) else "AVIF"
    return "TIFF" if data.startswith((b"MM\0", b"II+\0")) else None


def not_an_image(data: bytes) -> BadImage:
    """What to say of bytes that are no image."""
    known = next((name for magic, name in _KNOWN_OTHERS.items() if data.startswith(magic)), None)
    first = f"begins with {data[:16]!r}"
    return BadImage(Stage.IDENTIFY, Code.NOT_AN_IMAGE, f"a file of {known}; {first}" if known else first)


def is_text(data: bytes) -> bool:
    """Whether bytes begin like plain text; some formats have beginnings that words have too (BM, P1, P2)."""
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:32])


def open_with_pillow(data: bytes) -> ImageFile.ImageFile:
    """Read the header. Raises what Pillow raises."""
    return Image.open(BytesIO(data), formats=FORMATS)


def open_with_heif(data: bytes) -> ImageFile.ImageFile:
    """Read the header of a HEIF file, with pillow-heif. Raises what Pillow raises.

    Raises:
        BadImage: identify/needs_plugin.
    """
    try:
        import pillow_heif
    except ImportError:
        reason = "a HEIF image; reading it needs pillow-heif: pip install 'boda[heif]'"
        raise BadImage(Stage.IDENTIFY, Code.NEEDS_PLUGIN, reason) from None
    if "HEIF" not in Image.OPEN:
        pillow_heif.register_heif_opener()
    return Image.open(BytesIO(data), formats=["HEIF"])


def _is_heif(data: bytes) -> bool:
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[at : at + 4] for at in (8, *range(16, end, 4))}
    return not brands & {b"avif", b"avis"} and bool(brands & (_HEIF_BRANDS | {b"mif1", b"msf1"}))


def _drawing(data: bytes) -> str | None:
    beginning = data[:1024]
    if beginning.lstrip().startswith(b"%PDF-"):
        return "PDF"
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    is_svg = text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text)
    return "SVG" if is_svg else None
