"""Bytes to an upright RGB image in sRGB.

With `decoder="scaled"` a JPEG that is at least four times larger than the spec needs is decoded at 1/2, 1/4 or 1/8 of
its size by libjpeg's inverse cosine transform (Pillow's draft mode): the smallest that is still at least twice as
large as needed. Measured against exact decoding, bicubic, mean absolute difference: 130 photographs at the worst
ratio (exactly twice as large) 0.7 to 1.0 of 255 (worst single photograph 2.6); 12 megapixels to a short side of 224
to 384 0.2 to 1.0 and 18-46 ms instead of 91-128 ms. Leaving 1.5 times would save another fifth of the time, at
1.1 to 1.5 of 255 on average and 3.8 at worst. Only RGB and grey: the way from CMYK to RGB multiplies, so averaging ink
before it is not averaging colour.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from PIL import Image, ImageFile

from boda.pixels.colour import from_upper_bytes, to_srgb
from boda.pixels.fits import fits_to_grey, read_fits
from boda.pixels.identify import identify, open_with_heif, open_with_pillow
from boda.pixels.orientation import orientation_of, turned, turned_box
from boda.pixels.quiet import quiet
from boda.pixels.resize import MOST_PIXELS, Box, Size, resized_size
from boda.pixels.spec import PixelSpec
from boda.pixels.verdict import IMAGE_ERRORS, too_many_pixels, verdict_on_header, verdict_on_pixels

_WORTH_SCALING = 4
_AMPLE = 2


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture, ready to be resized."""

    image: Image.Image
    """Mode RGB, upright, sRGB; smaller than the picture in the file where it was decoded at a smaller scale."""
    width: int
    """Of the picture in the file, upright, in pixels."""
    height: int
    frames: int
    """How many the file has; the first one is decoded."""
    format: str
    """As Pillow names it: JPEG, MPO, PNG, ...; FITS."""
    warnings: tuple[str, ...]
    """`icc_ignored`, `nan_filled:SHARE`; whether its shape is extreme depends on the spec: see `Facts`."""
    box: Box | None = None
    """The part of `image` that is the picture, where libjpeg rounded its size up; None: all of it."""


class Opened(Protocol):
    """A file whose header is read."""

    def plan(self, spec: PixelSpec) -> Hashable:
        """What of a spec matters to decoding this file: specs of equal plans share one decoding."""
        ...

    def decode(self, spec: PixelSpec) -> Decoded:
        """Decode it; may be called again.

        Raises:
            BadImage: it cannot be.
        """
        ...


def open_picture(data: bytes) -> Opened:
    """Read the header.

    Raises:
        BadImage: read/empty, identify/..., decode/...
    """
    kind = identify(data)
    return _Fits(data) if kind == "fits" else _Raster(data, is_heif=kind == "heif")


def decode(data: bytes, spec: PixelSpec) -> Decoded:
    """Decode the bytes of one image, at a smaller scale where the spec allows it.

    Raises:
        BadImage: they are not an image that can be used; with stage, code and reason.
    """
    with quiet():
        return open_picture(data).decode(spec)


class _Raster:
    """What Pillow reads, with pillow-heif for HEIF."""

    def __init__(self, data: bytes, *, is_heif: bool) -> None:
        self._data = data
        self._is_heif = is_heif
        self._image: ImageFile.ImageFile | None = self._open()
        self._size = self._image.size
        self._format = self._image.format or "unknown"
        self._scalable = self._format in ("JPEG", "MPO") and self._image.mode in ("RGB", "L")
        self._orientation = orientation_of(self._image) if self._scalable else 1
        self._frames = self._count_frames()

    def plan(self, spec: PixelSpec) -> Hashable:
        return self._scale(spec), spec.range, spec.stretch

    def decode(self, spec: PixelSpec) -> Decoded:
        opened, self._image = self._image or self._open(), None
        full_size = opened.size
        box = _draft(opened, self._scale(spec))
        stored_as = opened.tile[0][3] if opened.tile else ()
        image = self._loaded(opened)
        orientation = orientation_of(image)
        if box is None:
            full_size = image.size  # of an ICO it is known only now
        else:
            box = turned_box(box, image.size, orientation)
        if ";16" in str(stored_as) and image.mode in ("RGB", "RGBA"):
            image = from_upper_bytes(image, spec)
        rgb, warnings = to_srgb(image, spec, file_maximum=_pgm_maximum(self._format, stored_as))
        width, height = upright_size(full_size, orientation)
        return Decoded(turned(rgb, orientation), width, height, self._frames, self._format, warnings, box)

    def _open(self) -> ImageFile.ImageFile:
        try:
            image = open_with_heif(self._data) if self._is_heif else open_with_pillow(self._data)
        except IMAGE_ERRORS as error:
            raise verdict_on_header(error, self._data) from error
        if image.width * image.height > MOST_PIXELS:  # also where somebody has lifted Pillow's own limit
            raise too_many_pixels(image.width, image.height, MOST_PIXELS)
        return image

    def _count_frames(self) -> int:
        """GIF and TIFF are walked through to be counted, on a copy, as that moves them away from the first frame."""
        assert self._image is not None
        image = self._open() if self._format in ("GIF", "TIFF") else self._image
        try:
            return int(getattr(image, "n_frames", 1))
        except IMAGE_ERRORS:
            return image.tell() + 1

    def _scale(self, spec: PixelSpec) -> int:
        """1, 2, 4 or 8. Sampling without antialias would show other pixels of a smaller decoding, so it has none."""
        if spec.decoder == "exact" or not self._scalable or not spec.antialias or spec.filter == "nearest":
            return 1
        width, height = upright_size(self._size, self._orientation)
        new_width, new_height = resized_size((width, height), spec)
        ratio = min(width / new_width, height / new_height)
        if ratio < _WORTH_SCALING:
            return 1
        return next(scale for scale in (8, 4, 2) if ratio / scale >= _AMPLE)

    def _loaded(self, image: ImageFile.ImageFile) -> Image.Image:
        try:
            image.load()
        except IMAGE_ERRORS as error:
            raise verdict_on_pixels(error, self._data, self._format) from error
        return image


class _Fits:
    """What astropy reads."""

    def __init__(self, data: bytes) -> None:
        self._plane = read_fits(data)

    def plan(self, spec: PixelSpec) -> Hashable:
        return spec.stretch

    def decode(self, spec: PixelSpec) -> Decoded:
        image, warnings = fits_to_grey(self._plane, spec)
        return Decoded(image, *image.size, self._plane.frames, "FITS", warnings)


def upright_size(size: Size, orientation: int) -> Size:
    """(width, height) after an EXIF orientation is applied."""
    return (size[1], size[0]) if orientation >= 5 else size


def _draft(image: ImageFile.ImageFile, scale: int) -> Box | None:
    """Have the JPEG decoded at 1 / scale of its size. The part of it that will be the picture; None: not scaled."""
    (width, height), whole = image.size, image.size
    if scale > 1:
        image.draft(None, (width // scale, height // scale))
    return None if image.size == whole else (0.0, 0.0, width / scale, height / scale)


def _pgm_maximum(name: str, stored_as: object) -> int:
    """The greatest value of a PGM; Pillow scales it to 65535."""
    if name == "PPM" and isinstance(stored_as, tuple) and isinstance(stored_as[-1], int):
        return max(1, stored_as[-1])
    return 65_535
