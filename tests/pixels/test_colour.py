"""Colour against closed forms: profiles, sRGB under other names, Lab, CMYK."""

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from boda.pixels.colour import to_srgb
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec

AS_IT_IS = PixelSpec(resize=None, crop=None)
SRGB_TO_XYZ = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
WIDE_TO_XYZ = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])


def profile(to_xyz: np.ndarray, gamma: float, space: bytes = b"RGB ") -> bytes:
    """A version 2 display profile by hand: primaries (adapted to D50) and one gamma; grey has the gamma alone."""

    def xyz(values: Any) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"a test"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + bytes(80)
    tags = [(b"desc", description), (b"wtpt", xyz([0.9642, 1.0, 0.8249]))]
    if space == b"GRAY":
        tags += [(b"kTRC", curve)]
    else:
        tags += [(name, xyz(to_xyz[:, i])) for i, name in enumerate([b"rXYZ", b"gXYZ", b"bXYZ"])]
        tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags:
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    data = struct.pack(">I", len(tags)) + table + body
    head = struct.pack(">I4sI4s4s4s", 128 + len(data), b"lcms", 0x02100000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    return (head + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0") + data


def srgb_levels(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: linear light to levels."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_row_20_wide_gamut_becomes_srgb(photo: Image.Image, encode: Any) -> None:
    """Equal to the matrices and curves of the two spaces, within rounding."""
    data = encode(photo, "PNG", icc_profile=profile(WIDE_TO_XYZ, 563 / 256))
    made, facts = prepare(data, AS_IT_IS)
    linear = (np.asarray(photo) / 255) ** (563 / 256)
    expected = srgb_levels(linear @ (np.linalg.inv(SRGB_TO_XYZ) @ WIDE_TO_XYZ).T)
    assert np.abs(made - expected).max() <= 2
    assert np.abs(made.astype(int) - np.asarray(photo)).max() > 10
    assert facts.warnings == ()


def test_grey_profile(photo: Image.Image, encode: Any) -> None:
    """A grey file with a gamma of 1.8."""
    grey = photo.convert("L")
    made, facts = prepare(encode(grey, "PNG", icc_profile=profile(SRGB_TO_XYZ, 1.8, b"GRAY")), AS_IT_IS)
    assert np.abs(made[..., 0] - srgb_levels((np.asarray(grey) / 255) ** 1.8)).max() <= 2
    assert facts.warnings == ()


def test_grey_file_with_the_profile_of_a_colour_space(photo: Image.Image, encode: Any) -> None:
    """Common in the wild; taken as colour."""
    grey = photo.convert("L")
    data = encode(grey, "PNG", icc_profile=profile(WIDE_TO_XYZ, 1.8))
    made, facts = prepare(data, AS_IT_IS)
    assert np.abs(made[..., 0] - srgb_levels((np.asarray(grey) / 255) ** 1.8)).max() <= 2
    assert facts.warnings == ()


def test_transparent_picture_with_a_profile(photo: Image.Image, encode: Any) -> None:
    """Colour first, then over white."""
    clear = photo.convert("RGBA")
    clear.putalpha(128)
    icc = profile(WIDE_TO_XYZ, 2.2)
    solid = prepare(encode(photo, "PNG", icc_profile=icc), AS_IT_IS)[0].astype(float)
    made = prepare(encode(clear, "PNG", icc_profile=icc), AS_IT_IS)[0]
    assert np.abs(made - (solid * 128 + 255 * 127) / 255).max() <= 1


def test_srgb_under_any_name_is_not_applied(photo: Image.Image, encode: Any) -> None:
    """A profile that moves nothing costs nothing: the pixels are those of the file."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made, facts = prepare(encode(photo, "PNG", icc_profile=icc), AS_IT_IS)
    np.testing.assert_array_equal(made, np.asarray(photo))
    assert facts.warnings == ()
    photo = photo.copy()
    photo.info["icc_profile"] = icc
    assert to_srgb(photo, AS_IT_IS)[0].tobytes() == photo.tobytes()


def test_a_name_does_not_make_a_profile_srgb(photo: Image.Image, encode: Any) -> None:
    """What counts is what it does."""
    icc = profile(WIDE_TO_XYZ, 2.2).replace(b"a test", b"sRGB  ")
    made = prepare(encode(photo, "PNG", icc_profile=icc), AS_IT_IS)[0]
    assert np.abs(made.astype(int) - np.asarray(photo)).max() > 10


def test_lab(encode: Any) -> None:
    """CIE 1976 under D50, by its closed form."""
    rng = np.random.default_rng(3)
    lab = np.stack([rng.integers(100, 220, 64), *rng.integers(-20, 20, (2, 64))], -1).reshape(8, 8, 3)
    as_bytes = lab.astype(np.int16).astype(np.uint8)  # a and b are signed
    made = prepare(encode(Image.frombytes("LAB", (8, 8), as_bytes.tobytes()), "TIFF"), AS_IT_IS)[0]
    fy = (lab[..., 0] * 100 / 255 + 16) / 116
    xyz = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], -1) ** 3 * [0.9642, 1, 0.8249]
    wrong = np.abs(made - srgb_levels(xyz @ np.linalg.inv(SRGB_TO_XYZ).T))
    assert wrong.mean() < 0.5
    assert wrong.max() < 5


@pytest.mark.parametrize("mode", ["YCbCr", "CMYK", "I;16", "RGBA", "LA", "1", "P", "L"])
def test_every_mode_becomes_rgb(photo: Image.Image, mode: str) -> None:
    """And keeps its size."""
    image = photo.convert("L").convert(mode) if mode in ("I;16", "LA", "1") else photo.convert(mode)
    made, warnings = to_srgb(image, AS_IT_IS)
    assert (made.mode, made.size, warnings) == ("RGB", photo.size, ())
