"""FITS: stretches against astropy's own, upside, extensions, cubes, NaN."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.pixels.stretch import parse_stretch, stretch_values
from boda.unreadable import BadImage

fits = pytest.importorskip("astropy.io.fits")


def spec(stretch: str | None = None) -> PixelSpec:
    return PixelSpec(resize=None, crop=None, stretch=stretch)


def written(*units: Any) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(units)).writeto(file)
    return file.getvalue()


def verdict(data: bytes, stretch: str | None = None) -> str:
    with pytest.raises(BadImage) as caught:
        prepare(data, spec(stretch))
    return str(caught.value)


SKY = np.random.default_rng(8).normal(100, 30, (20, 30)).astype(np.float32)


@pytest.mark.parametrize("curve", ["linear", "asinh", "log"])
def test_stretches_are_those_of_astropy(curve: str) -> None:
    """astropy.visualization with its defaults, to a rounding."""
    visualization = pytest.importorskip("astropy.visualization")
    theirs = {"linear": "LinearStretch", "asinh": "AsinhStretch", "log": "LogStretch"}[curve]
    values = np.linspace(-50, 1500, 4000).reshape(40, 100)
    interval = visualization.ManualInterval(20, 900)
    expected = 255 * getattr(visualization, theirs)()(interval(values))
    made, warnings = stretch_values(values, parse_stretch(f"{curve}:20,900"))
    assert np.abs(made - expected).max() <= 0.5001
    assert warnings == ()


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pictures are stretched a few rows at a time."""
    whole = stretch_values(SKY, parse_stretch("asinh:0,200"))[0]
    monkeypatch.setattr("boda.pixels.stretch._ROWS_VALUES", 70)
    np.testing.assert_array_equal(stretch_values(SKY, parse_stretch("asinh:0,200"))[0], whole)


def test_needs_a_stretch() -> None:
    """Floats and 16 bits have no black and white; the reason says how to name them."""
    assert verdict(written(fits.PrimaryHDU(SKY))).startswith("pixels/needs_stretch")
    assert "linear:" in verdict(written(fits.PrimaryHDU(SKY)))
    assert verdict(written(fits.PrimaryHDU(SKY.astype(np.int16)))).startswith("pixels/needs_stretch")


def test_8_bits_need_none_and_the_first_row_is_the_lowest() -> None:
    """As Pillow and DS9 show it."""
    values = np.arange(60, dtype=np.uint8).reshape(6, 10)
    data = written(fits.PrimaryHDU(values))
    made, facts = prepare(data, spec())
    np.testing.assert_array_equal(made[..., 0], values[::-1])
    assert (facts.format, facts.width, facts.height, facts.frames) == ("FITS", 10, 6, 1)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(made[..., 1], np.asarray(image))


def test_unsigned_16_bits_are_read_with_their_offset() -> None:
    """BZERO = 32768."""
    values = np.linspace(0, 65535, 60).astype(np.uint16).reshape(6, 10)
    made = prepare(written(fits.PrimaryHDU(values)), spec("linear:0,65535"))[0]
    np.testing.assert_array_equal(made[::-1, :, 0], np.round(values / 257))


def test_the_first_image_of_several_units() -> None:
    """An empty primary unit and a table are passed over; a compressed image is an image."""
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))])
    values = np.arange(600, dtype=np.uint8).reshape(20, 30)
    for unit in (fits.ImageHDU(values), fits.CompImageHDU(values)):
        made = prepare(written(fits.PrimaryHDU(), table, unit), spec())[0]
        np.testing.assert_array_equal(made[::-1, :, 2], values)
    assert verdict(written(fits.PrimaryHDU(), table)).startswith("identify/not_an_image")


def test_an_extension_alone() -> None:
    """The bytes of one unit of a file are a picture too."""
    values = np.arange(60, dtype=np.uint8).reshape(6, 10)
    whole = written(fits.PrimaryHDU(), fits.ImageHDU(values))
    np.testing.assert_array_equal(prepare(whole[2880:], spec())[0][::-1, :, 0], values)


def test_a_cube_is_a_stack_of_frames() -> None:
    """The first one is taken."""
    cube = np.arange(3 * 60, dtype=np.uint8).reshape(3, 6, 10)
    made, facts = prepare(written(fits.PrimaryHDU(cube)), spec())
    np.testing.assert_array_equal(made[::-1, :, 0], cube[0])
    assert facts.frames == 3


def test_row_14_nan() -> None:
    """Under 5 % become black and are counted; from 5 % on it is refused."""
    values = SKY.copy()
    values[0, :29] = np.nan
    made, facts = prepare(written(fits.PrimaryHDU(values)), spec("linear:50,150"))
    assert (made[-1, :29] == 0).all()
    assert facts.warnings == (f"nan_filled:{29 / 600:.4f}",)
    values[0, 29] = np.nan
    assert verdict(written(fits.PrimaryHDU(values)), "linear:50,150").startswith("pixels/not_finite")
    assert verdict(written(fits.PrimaryHDU(values * np.nan))).startswith("pixels/needs_stretch")


def test_infinities_are_black_and_white() -> None:
    """A saturated star is white."""
    values = SKY.copy()
    values[0, 0], values[0, 1] = np.inf, -np.inf
    for curve in ("linear", "asinh", "log"):
        made = prepare(written(fits.PrimaryHDU(values)), spec(f"{curve}:50,150"))[0]
        assert made[-1, :2, 0].tolist() == [255, 0]


def test_cut_and_huge_files() -> None:
    """Told by the header."""
    data = written(fits.PrimaryHDU(np.zeros((100, 100), np.float32)))
    assert verdict(data[:20_000], "linear:0,1").startswith("decode/truncated")
    assert verdict(data[:1000], "linear:0,1").startswith("decode/")
    huge = data.replace(b"NAXIS1  =                  100", b"NAXIS1  =              9000000")
    assert verdict(huge, "linear:0,1").startswith("decode/too_many_pixels")


def test_without_astropy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says what to install."""
    for name in [name for name in sys.modules if name.split(".")[0] == "astropy"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert verdict(b"SIMPLE  =                    T").startswith("identify/needs_plugin")
    assert "boda[fits]" in verdict(b"SIMPLE  =                    T")
