"""How long a file says it is. Asked only after its decoder gave up: is it cut short, or is it corrupt?"""

from collections.abc import Iterator

_PNG_CHUNK_FRAME = 12  # length, name and checksum around each chunk

_PNG_END = b"IEND\xaeB`\x82"


def promised_size(data: bytes, kind: str | None) -> int | None:
    """The bytes that a file of this format needs at least, by its own structure; None where it does not say.

    More than `len(data)` means that it was cut short.
    """
    readers = {
        "JPEG": _jpeg,
        "MPO": _jpeg,
        "PNG": _png,
        "GIF": _gif,
        "WEBP": _riff,
        "BMP": _bmp,
        "ICO": _ico,
        "TIFF": _tiff,
        "AVIF": _boxes,
        "HEIF": _boxes,
        "JPEG2000": _boxes,
    }
    reader = readers.get(kind or "")
    return reader(data) if reader else None


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _jpeg(data: bytes) -> int | None:
    """To the end of the last segment before the scan; one byte more than there is where no end mark follows it."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        mark = data[at + 1]
        if mark in (0x01, 0xFF) or 0xD0 <= mark <= 0xD8:
            at += 1 if mark == 0xFF else 2
            continue
        if mark == 0xDA:
            return len(data) + 1 if data.rfind(b"\xff\xd9", at) < 0 else None
        at += 2 + _big(data, at + 2, 2)
    return max(at, len(data) + 1)


def _png(data: bytes) -> int | None:
    """To the end of the chunk IEND; None where a chunk makes no sense, or the end is there all the same."""
    at = 8
    if data.endswith(_PNG_END):
        return None
    while at + 8 <= len(data):
        name, length = data[at + 4 : at + 8], _big(data, at, 4)
        if not (name.isalpha() and name.isascii()):
            return None
        at += _PNG_CHUNK_FRAME + length
        if name == b"IEND":
            return at
    return max(at, len(data) + 1)


def _gif(data: bytes) -> int | None:
    """To the trailer, through the blocks."""
    if len(data) < 13:
        return 13
    at = 13 + _palette(data[10])
    while at < len(data):
        if data[at] == 0x3B:
            return at + 1
        if data[at] == 0x21:
            at += 2
        elif data[at] == 0x2C:
            if at + 9 >= len(data):
                break
            at += 11 + _palette(data[at + 9])
        else:
            return None
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return max(at, len(data) + 1)


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _riff(data: bytes) -> int:
    return 8 + _little(data, 4, 4) if len(data) >= 8 else 12


def _bmp(data: bytes) -> int:
    return max(_little(data, 2, 4), _little(data, 10, 4)) if len(data) >= 14 else 14


def _ico(data: bytes) -> int:
    count = _little(data, 4, 2)
    entries = (6 + 16 * i for i in range(count))
    return max((_little(data, at + 8, 4) + _little(data, at + 12, 4) for at in entries), default=6)


def _tiff(data: bytes) -> int | None:
    """To the end of the first directory and of its strips or tiles."""
    if len(data) < 8:
        return 8
    order = "little" if data[:2] == b"II" else "big"
    if int.from_bytes(data[2:4], order) != 42:  # type: ignore[arg-type]
        return None
    first = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    if first + 2 > len(data):
        return first + 2
    count = int.from_bytes(data[first : first + 2], order)  # type: ignore[arg-type]
    end = first + 2 + 12 * count + 4
    places: dict[int, list[int]] = {}
    for at in range(first + 2, min(end - 4, len(data) - 11), 12):
        tag, size, values, needed = _tiff_entry(data, at, order)
        end = max(end, needed)
        if tag in (273, 279, 324, 325) and size:
            places[tag] = values
    for offsets, lengths in ((273, 279), (324, 325)):
        ends = [a + b for a, b in zip(places.get(offsets, []), places.get(lengths, []), strict=False)]
        end = max([end, *ends])
    return end


def _tiff_entry(data: bytes, at: int, order: str) -> tuple[int, int, list[int], int]:
    """Tag, bytes of one value, the values where they are whole numbers, and the end of them in the file."""

    def number(start: int, size: int) -> int:
        return int.from_bytes(data[start : start + size], order)  # type: ignore[arg-type]

    size = {3: 2, 4: 4}.get(number(at + 2, 2), 0)
    count = number(at + 4, 4)
    start = at + 8 if size * count <= 4 else number(at + 8, 4)
    end = start + size * count if size else 0
    whole = range(start, min(end, len(data) - size + 1), size) if size else ()
    return number(at, 2), size, [number(place, size) for place in whole], end


def _boxes(data: bytes) -> int | None:
    """To the end of the last box that begins within the file."""
    return max(_box_ends(data), default=None)


def _box_ends(data: bytes) -> Iterator[int]:
    at = 0
    while at + 8 <= len(data):
        length = _big(data, at, 4)
        if length == 1:
            length = _big(data, at + 8, 8)
        if length < 8:  # 0: to the end of the file, however long that was
            return
        at += length
        yield at
