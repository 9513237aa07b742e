"""Scaled decoding of large JPEGs: when it happens, and how near it is to exact decoding."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boda.arrays import Pixels
from boda.pixels.decode import decode
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec


def spec(resize: Any, decoder: Any = "scaled", **more: Any) -> PixelSpec:
    return PixelSpec(resize=resize, crop=None, decoder=decoder, **more)


def difference(data: bytes, resize: Any) -> float:
    """Mean absolute difference of scaled from exact decoding, in grey levels."""
    both = [prepare(data, spec(resize, decoder))[0].astype(float) for decoder in ("scaled", "exact")]
    return float(np.abs(both[0] - both[1]).mean())


@pytest.fixture(scope="module")
def large(photo: Image.Image, encode: Any) -> bytes:
    """A JPEG of 1201 x 901: no scale divides it."""
    rng = np.random.default_rng(5)
    big = photo.resize((1201, 901), Image.Resampling.BICUBIC)
    grain = np.asarray(big).astype(int) + rng.integers(-12, 13, (901, 1201, 3))
    return encode(Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)), "JPEG", quality=90)


@pytest.mark.parametrize(
    ("resize", "scale"),
    [(901, 1), (226, 1), (225, 2), (113, 2), (112, 4), (57, 4), (56, 8), (20, 8), ((100, 301), 1), ((100, 200), 2)],
)
def test_the_smallest_scale_that_is_still_twice_as_large(large: bytes, resize: Any, scale: int) -> None:
    """From four times too large on; the smaller ratio of the two sides counts."""
    made = decode(large, spec(resize))
    assert made.image.size == (-(-1201 // scale), -(-901 // scale))
    assert (made.width, made.height) == (1201, 901)
    exact = decode(large, spec(resize, "exact"))
    assert exact.image.size == (1201, 901)


@pytest.mark.parametrize("resize", [224, 112, 56, (50, 100)])
def test_is_near_to_exact_decoding(large: bytes, resize: Any) -> None:
    """Well under 2 of 255 on average, and of the same size."""
    assert prepare(large, spec(resize))[0].shape == prepare(large, spec(resize, "exact"))[0].shape
    assert difference(large, resize) < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_and_rounded_sizes(large: bytes, encode: Any, orientation: int) -> None:
    """Scaled first, then turned: the part that libjpeg rounded up is at another edge then."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(io.BytesIO(large)) as image:
        data = encode(image, "JPEG", quality=92, exif=exif)
    for resize in (56, (112, 56)):
        assert difference(data, resize) < 1
        made, facts = prepare(data, spec(resize))
        assert (facts.width, facts.height) == ((1201, 901) if orientation < 5 else (901, 1201))
        assert made.shape == prepare(data, spec(resize, "exact"))[0].shape


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_grey_and_progressive(large: bytes, encode: Any, mode: str, progressive: bool) -> None:
    """Scaled as well."""
    with Image.open(io.BytesIO(large)) as image:
        data = encode(image.convert(mode), "JPEG", quality=90, progressive=progressive)
    assert decode(data, spec(100)).image.size == (301, 226)
    assert difference(data, 100) < 1


def test_never_where_it_would_change_more(large: bytes, encode: Any) -> None:
    """Not for CMYK, not without antialias, not for other formats."""
    with Image.open(io.BytesIO(large)) as image:
        cmyk, png = encode(image.convert("CMYK"), "JPEG"), encode(image, "PNG", compress_level=1)
    assert decode(cmyk, spec(50)).image.size == (1201, 901)
    assert decode(png, spec(50)).image.size == (1201, 901)
    assert decode(large, spec(50, filter="nearest")).image.size == (1201, 901)
    assert decode(large, spec(50, antialias=False)).image.size == (1201, 901)


def photographs(folder: Path, count: int) -> list[bytes]:
    with tarfile.open(folder / "imagenet_photos" / "images.tar") as archive:
        files = [member for member in archive if member.isfile()][:: 400 // count]
        return [archive.extractfile(member).read() for member in files]  # type: ignore[union-attr]


@pytest.mark.parametrize("left", [2.0, 2.7, 3.9])
def test_real_photographs(boda_data: Path, left: float) -> None:
    """At the worst ratios: at most 2 of 255 on average over photographs."""
    differences = []
    for data in photographs(boda_data, 40):
        with Image.open(io.BytesIO(data)) as image:
            short = min(image.size)
        for scale in (2, 4):
            side = int(short / scale / left)
            assert decode(data, spec(side)).image.size != decode(data, spec(side, "exact")).image.size
            differences.append(difference(data, side))
    assert np.mean(differences) < 1.2


def test_twelve_megapixels(boda_data: Path, encode: Any) -> None:
    """Real photographs side by side on 12 megapixels, to the usual side: under 1 of 255."""
    sheet = Image.new("RGB", (4000, 3000))
    tiles = [Image.open(io.BytesIO(data)) for data in photographs(boda_data, 50)]
    for place in range(16 * 12):
        sheet.paste(tiles[place % len(tiles)], (place % 16 * 250, place // 16 * 250))
    data = encode(sheet, "JPEG", quality=90)
    for side in (224, 256):
        assert difference(data, side) < 1


def test_is_the_same_every_time(large: bytes) -> None:
    """No state is left behind."""
    first: Pixels = prepare(large, spec(56))[0]
    prepare(large, spec(224))
    np.testing.assert_array_equal(first, prepare(large, spec(56))[0])
