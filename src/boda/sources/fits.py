"""The images inside a FITS file, found from its headers alone; nothing here needs astropy.

A file with one image is that image, whole. Of a file with several, each is an image of its own, `file#hdu`, with HDUs
counted from 0; its bytes are a FITS file that holds this HDU alone, so that their hashes differ.

Source: FITS Standard 4.0, sections 3 and 4 (blocks of 2880 bytes; header cards of 80), section 10 (compressed images).
"""

import gzip
import io
import math
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from boda.sources.base import Blob
from boda.sources.endings import FITS, has_ending
from boda.sources.gzipped import MAGIC
from boda.sources.reading import LARGEST, bad_read, bad_size, opened, read_file
from boda.unreadable import BadImage, Code, Stage

_BLOCK = 2880
_CARD = 80
_MOST_HEADER = 2000
_MOST_HDUS = 10_000
_FARTHEST = 1 << 60
_INTEGER = re.compile(rb"=\s*([+-]?\d+)")


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header and data unit."""

    number: int
    start: int
    size: int
    """Bytes of header and data, with the padding of both."""
    is_image: bool


def is_fits(name: str) -> bool:
    """Whether a name says that its file is FITS, gzip-compressed or not."""
    return has_ending(name, FITS)


def image_hdus(path: bytes) -> list[int]:
    """The numbers of the HDUs that hold an image; [] where the file is no sound FITS file: its decoder will say why."""
    try:
        with opened(path) as (descriptor, _):
            return [hdu.number for hdu in _walk_hdus(_unpacked(descriptor)) if hdu.is_image]
    except (BadImage, OSError, EOFError, zlib.error):
        return []


def read_fits(path: bytes, hdu: int | None) -> Blob:
    """A FITS file, unpacked if it is compressed; with `hdu`, a file that holds this HDU alone.

    Raises:
        BadImage: it cannot be read, its compression is damaged, or the HDU is not there.
    """
    if hdu is None:
        blob = read_file(path)
        return Blob(_inflated(blob.data), blob.size, blob.mtime_ns) if blob.data[:2] == MAGIC else blob
    with opened(path) as (descriptor, status):
        try:
            data = _alone(_unpacked(descriptor), hdu)
        except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
            raise BadImage(Stage.DECODE, Code.TRUNCATED, f"damaged gzip file: {damage}") from None
        except OSError as failure:
            raise bad_read(failure) from None
        return Blob(data, status.st_size, status.st_mtime_ns)


def _unpacked(descriptor: int) -> BinaryIO:
    file = io.FileIO(descriptor, closefd=False)
    packed = os.pread(descriptor, len(MAGIC), 0) == MAGIC
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value]


def _inflated(packed: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            data = file.read(LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as damage:
        raise BadImage(Stage.DECODE, Code.TRUNCATED, f"damaged gzip file: {damage}") from None
    error = bad_size(len(data))
    if error:
        raise error
    return data


def _alone(file: BinaryIO, number: int) -> bytes:
    for hdu in _walk_hdus(file):
        if hdu.number == number:
            break
    else:
        raise BadImage(Stage.READ, Code.MISSING, f"the file has no HDU {number}")
    error = bad_size(hdu.size)
    if error:
        raise error
    file.seek(hdu.start)
    data = file.read(hdu.size)
    return data if number == 0 else EMPTY_PRIMARY + data


def _walk_hdus(file: BinaryIO) -> Iterator[Hdu]:
    """The HDUs in order; ends quietly where what follows is no header."""
    start = 0
    for number in range(_MOST_HDUS):
        file.seek(start)
        header = _header(file, first=number == 0)
        if header is None:
            return
        cards, length = header
        size = length + _data_bytes(cards)
        yield Hdu(number, start, size, _holds_image(cards))
        start += size
        if start > _FARTHEST:
            return


def _header(file: BinaryIO, *, first: bool) -> tuple[dict[bytes, bytes], int] | None:
    """The cards by keyword, and how many bytes the header takes; None where there is none."""
    cards: dict[bytes, bytes] = {}
    for blocks in range(1, _MOST_HEADER):
        block = file.read(_BLOCK)
        if len(block) < _BLOCK or (blocks == 1 and not block.startswith(b"SIMPLE  " if first else b"XTENSION")):
            return None
        for at in range(0, _BLOCK, _CARD):
            keyword = block[at : at + 8].rstrip()
            if keyword == b"END":
                return cards, blocks * _BLOCK
            cards.setdefault(keyword, block[at + 8 : at + _CARD])
    return None


def _integer(cards: dict[bytes, bytes], keyword: bytes, default: int = 0) -> int:
    match = _INTEGER.match(cards.get(keyword, b""))
    return int(match.group(1)) if match else default


def _axes(cards: dict[bytes, bytes]) -> list[int]:
    return [max(0, _integer(cards, b"NAXIS%d" % (i + 1))) for i in range(min(999, _integer(cards, b"NAXIS")))]


def _data_bytes(cards: dict[bytes, bytes]) -> int:
    """Bytes of the data with padding: |BITPIX| / 8 x GCOUNT x (PCOUNT + NAXIS1 x ...), as section 4.4.1 has it."""
    axes = _axes(cards)
    if not axes:
        return 0
    values = max(0, _integer(cards, b"PCOUNT")) + math.prod(axes)
    data = abs(_integer(cards, b"BITPIX")) // 8 * max(1, _integer(cards, b"GCOUNT", 1)) * values
    return -(-data // _BLOCK) * _BLOCK


def _holds_image(cards: dict[bytes, bytes]) -> bool:
    compressed = cards.get(b"ZIMAGE", b"").lstrip(b"= ").startswith(b"T")
    table = b"TABLE" in cards.get(b"XTENSION", b"")
    axes = _axes(cards)
    return compressed if table else len(axes) >= 2 and math.prod(axes) > 0


EMPTY_PRIMARY = b"".join(
    card.ljust(_CARD)
    for card in (
        b"SIMPLE  =                    T",
        b"BITPIX  =                    8",
        b"NAXIS   =                    0",
        b"EXTEND  =                    T",
        b"END",
    )
).ljust(_BLOCK)
"""What stands before an image extension that was cut out of its file."""
