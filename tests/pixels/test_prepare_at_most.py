"""prepare_at_most: large images as `prepare` makes them, small ones as they are."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from boda.pixels.prepare import prepare, prepare_at_most
from boda.pixels.spec import PixelSpec
from boda.unreadable import BadImage

SPEC = PixelSpec(resize=64, crop=None, filter="bilinear")


def jpeg(width: int, height: int, orientation: int = 1) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    image, made = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC), BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(made, "JPEG", exif=exif)
    return made.getvalue()


@pytest.mark.parametrize("size", [(100, 80), (600, 500), (65, 300), (64, 64)])
def test_what_is_as_large_is_prepared_as_always(size):
    """Decoded at a smaller scale and resized."""
    np.testing.assert_array_equal(prepare_at_most(jpeg(*size), SPEC), prepare(jpeg(*size), SPEC)[0])


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(63, 80), (20, 300), (50, 8)])
def test_what_is_smaller_stays_as_it_is(size, orientation):
    """Upright, pixel for pixel; `prepare` would have enlarged it."""
    data = jpeg(*size, orientation)
    found = prepare_at_most(data, SPEC)
    np.testing.assert_array_equal(found, prepare(data, PixelSpec(resize=None, crop=None))[0])
    assert found.shape[:2] == (size[::-1] if orientation == 1 else size)
    assert min(prepare(data, SPEC)[0].shape[:2]) == 64


def test_what_cannot_be_read_has_the_same_reason():
    """As of `prepare`."""
    reasons = []
    for read in (prepare_at_most, prepare):
        with pytest.raises(BadImage) as raised:
            read(b"no picture", SPEC)
        reasons.append(raised.value.unreadable)
    assert reasons[0] == reasons[1]
