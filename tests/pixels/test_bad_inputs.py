"""What becomes of every kind of file, row by row of the table of bad inputs; the files are crafted here."""

import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from boda.pixels.prepare import Facts, prepare
from boda.pixels.spec import PixelSpec
from boda.unreadable import BadImage

SPEC = PixelSpec(resize=64, crop=(56, 56))
AS_IT_IS = PixelSpec(resize=None, crop=None)


def verdict(data: bytes, spec: PixelSpec = SPEC) -> str:
    """`stage/code` of bytes that cannot be used."""
    with pytest.raises(BadImage) as caught:
        prepare(data, spec)
    return f"{caught.value.unreadable.stage}/{caught.value.unreadable.code}"


def reason(data: bytes, spec: PixelSpec = SPEC) -> str:
    with pytest.raises(BadImage) as caught:
        prepare(data, spec)
    return caught.value.unreadable.reason


def pixels(data: bytes, spec: PixelSpec = AS_IT_IS) -> np.ndarray:
    return prepare(data, spec)[0].astype(int)


def facts(data: bytes, spec: PixelSpec = SPEC) -> Facts:
    return prepare(data, spec)[1]


def png_of(header: bytes, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand: IHDR, other chunks, one IDAT."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    parts = [chunk(b"IHDR", header), *(chunk(*one) for one in chunks), chunk(b"IDAT", zlib.compress(rows, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def header(width: int, height: int, depth: int, colour: int) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def test_row_1_empty() -> None:
    """Zero bytes."""
    assert verdict(b"") == "read/empty"


@pytest.mark.parametrize("percent", [1, 10, 50, 90, 99])
@pytest.mark.parametrize("progressive", [False, True])
def test_row_2_cut_jpeg(photo: Image.Image, encode: Any, percent: int, progressive: bool) -> None:
    """Never grey filling; the reason says how many bytes are there."""
    whole = encode(photo, "JPEG", quality=90, progressive=progressive)
    cut = whole[: len(whole) * percent // 100]
    assert verdict(cut) == "decode/truncated"
    assert f"{len(cut)} " in reason(cut)


def test_row_3_jpeg_without_its_end_mark(photo: Image.Image, encode: Any) -> None:
    """The last two bytes are missing."""
    assert verdict(encode(photo, "JPEG")[:-2]) == "decode/truncated"


@pytest.mark.parametrize("name", ["PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "SGI", "QOI"])
@pytest.mark.parametrize("percent", [30, 60])
def test_row_4_cut_files(photo: Image.Image, encode: Any, name: str, percent: int) -> None:
    """Every format, where most of it is missing."""
    whole = encode(photo, name)
    assert verdict(whole[: len(whole) * percent // 100]) == "decode/truncated"


def test_row_4_damaged_png(photo: Image.Image, encode: Any) -> None:
    """Image data that no longer unpacks."""
    whole = bytearray(encode(photo, "PNG"))
    at = whole.index(b"IDAT") + 40
    whole[at : at + 60] = bytes(60)
    assert verdict(bytes(whole)) == "decode/corrupt"


def test_row_5_flipped_bits_that_decode(photo: Image.Image, encode: Any) -> None:
    """Nobody can tell."""
    whole = bytearray(encode(photo, "JPEG", quality=95))
    whole[len(whole) * 3 // 4] ^= 1
    assert facts(bytes(whole)).format == "JPEG"


@pytest.mark.parametrize("data", [b"hello, this is text", b"<!DOCTYPE html><html>", bytes(500), b"BMW and P2P", b"P2P"])
def test_row_6_not_an_image(data: bytes) -> None:
    """Text, HTML, zeros, and words that begin like a format."""
    assert verdict(data) == "identify/not_an_image"
    assert repr(data[:16]) in reason(data)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "QOI", "SGI"])
def test_row_7_and_26_the_content_decides(photo: Image.Image, encode: Any, name: str) -> None:
    """There is no name to go by; every format of the list is read."""
    made = facts(encode(photo, name))
    assert (made.format, made.width, made.height, made.frames) == (name, 120, 90, 1)


def test_row_7_ico_gives_its_largest_picture(photo: Image.Image, encode: Any) -> None:
    """Several sizes in one file."""
    made = facts(encode(photo.resize((64, 64)), "ICO", sizes=[(16, 16), (48, 48), (32, 32)]))
    assert (made.width, made.height) == (48, 48)


def test_row_8_rubbish_after_the_end(photo: Image.Image, encode: Any) -> None:
    """A megabyte behind the end mark changes nothing."""
    whole = encode(photo, "JPEG")
    np.testing.assert_array_equal(pixels(whole + bytes(range(256)) * 4096), pixels(whole))


@pytest.mark.parametrize("limit", [Image.MAX_IMAGE_PIXELS, None])
def test_row_9_bomb(monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    """30000 x 30000 in a small file is refused from the header, also where Pillow's limit was lifted."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    bomb = png_of(header(30_000, 30_000, 1, 0), bytes(1000))
    tracemalloc.start()
    try:
        assert verdict(bomb) == "decode/too_many_pixels"
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_row_10_large_picture() -> None:
    """144 million pixels are a camera, not a bomb."""
    row = b"\0" + bytes([0xF0]) * 1500
    made = prepare(png_of(header(12_000, 12_000, 1, 0), row * 12_000), SPEC)[1]
    assert (made.width, made.height) == (12_000, 12_000)


def test_row_10_no_memory(photo: Image.Image, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the worker's limit is reached, that is the verdict."""

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "resize", fail)
    assert verdict(encode(photo, "PNG")) == "decode/memory_limit"


def test_row_11_huge_text_chunk() -> None:
    """A text that unpacks to 200 MB is refused before it is unpacked."""
    text = b"note\0\0" + zlib.compress(bytes(200_000_000), 1)
    assert verdict(png_of(header(2, 2, 8, 0), b"\0ab\0cd", (b"zTXt", text))) == "identify/header_limit"


@pytest.mark.parametrize("name", ["PNG", "TIFF", "JPEG2000"])
def test_row_12_sixteen_bits(encode: Any, name: str) -> None:
    """Value / 257, not clipped."""
    values = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    made = pixels(encode(Image.fromarray(values), name, **({"irreversible": False} if name == "JPEG2000" else {})))
    expected = np.round(values / 257).astype(int)
    np.testing.assert_array_equal(made, np.repeat(expected[..., None], 3, -1))


def test_row_12_big_endian_tiff(encode: Any) -> None:
    """The same values in the other byte order."""
    values = np.linspace(0, 65535, 64).astype(">u2").reshape(8, 8)
    big = encode(Image.frombytes("I;16B", (8, 8), values.tobytes()), "TIFF")
    np.testing.assert_array_equal(pixels(big)[..., 0], np.round(values / 257))


def test_row_12_range_of_a_12_bit_camera(encode: Any) -> None:
    """`range` names the values that become 0 and 255; beyond them it is cut."""
    values = np.linspace(0, 6000, 64).astype(np.uint16).reshape(8, 8)
    spec = PixelSpec(resize=None, crop=None, range=(0, 4095))
    expected = np.floor(np.clip(values / 4095, 0, 1) * 255 + 0.5)
    np.testing.assert_array_equal(pixels(encode(Image.fromarray(values), "PNG"), spec)[..., 2], expected)


@pytest.mark.parametrize("maximum", [65535, 4095, 1000])
@pytest.mark.parametrize("plain", [False, True])
def test_row_12_pgm_says_its_own_maximum(maximum: int, plain: bool) -> None:
    """Its maximum is white; `range` speaks of the values in the file all the same."""
    values = np.linspace(0, maximum, 64).astype(">u2").reshape(8, 8)
    body = " ".join(map(str, values.ravel())).encode() if plain else values.tobytes()
    data = b"P%d 8 8 %d\n" % (2 if plain else 5, maximum) + body
    np.testing.assert_array_equal(pixels(data)[..., 0], np.floor(values / maximum * 255 + 0.5))
    half = PixelSpec(resize=None, crop=None, range=(0, maximum / 2))
    expected = np.clip(values / (maximum / 2), 0, 1) * 255
    assert np.abs(pixels(data, half)[..., 0] - expected).max() <= 0.51


def test_row_12_sixteen_bit_colour_with_range_and_a_transparent_colour() -> None:
    """Pillow reads the upper bytes; the transparent colour and the range follow."""
    rows = b"\0" + struct.pack(">12H", 0x1234, 0x2345, 0x3456, 0, 0x0800, 0x1000, 0, 0, 0, 0xFFFF, 0x0400, 0x0FFF)
    data = png_of(header(4, 1, 16, 2), rows, (b"tRNS", struct.pack(">3H", 0x1234, 0x2345, 0x3456)))
    assert pixels(data)[0].tolist() == [[255, 255, 255], [0, 8, 16], [0, 0, 0], [255, 4, 15]]
    spread = pixels(data, PixelSpec(resize=None, crop=None, range=(0, 4096)))[0]
    assert spread.tolist()[0] == [255, 255, 255]
    assert np.abs(spread[1:] - [[0, 128, 255], [0, 0, 0], [255, 64, 255]]).max() <= 17


def test_row_12_transparent_grey_of_sixteen_bits() -> None:
    """One value is transparent: white."""
    rows = b"\0" + struct.pack(">3H", 0, 1000, 65535)
    data = png_of(header(3, 1, 16, 0), rows, (b"tRNS", struct.pack(">H", 1000)))
    assert pixels(data)[0, :, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_row_13_numbers_without_black_and_white(encode: Any, kind: type) -> None:
    """Refused without a stretch, with a hint of the limits; right with one."""
    values = np.linspace(0, 1000, 64).reshape(8, 8).astype(kind)
    data = encode(Image.fromarray(values), "TIFF")
    assert verdict(data) == "pixels/needs_stretch"
    assert "linear:0,1000" in reason(data)
    made = pixels(data, PixelSpec(resize=None, crop=None, stretch="linear:0,1000"))
    assert np.abs(made[..., 1] - values.astype(float) * 0.255).max() <= 0.51


def test_row_14_nan_in_a_float_tiff(encode: Any) -> None:
    """Under 5 % become the low limit and are counted; else refused."""
    values = np.full((10, 10), 5.0, np.float32)
    values[0, :4] = np.nan
    spec = PixelSpec(resize=None, crop=None, stretch="linear:0,10")
    made, known = prepare(encode(Image.fromarray(values), "TIFF"), spec)
    assert made[0, :5, 0].tolist() == [0, 0, 0, 0, 128]
    assert known.warnings == ("nan_filled:0.0400",)
    values[0, 4] = np.nan
    assert verdict(encode(Image.fromarray(values), "TIFF"), spec) == "pixels/not_finite"


@pytest.mark.parametrize(("name", "tolerance"), [("TIFF", 1), ("JPEG", 3)])
def test_row_15_cmyk(photo: Image.Image, encode: Any, name: str, tolerance: int) -> None:
    """Equal to the RGB original, on average within 3 grey levels; Adobe's JPEGs are inverted, the pixels are not."""
    options = {"quality": 97, "subsampling": 0} if name == "JPEG" else {}
    made = pixels(encode(photo.convert("CMYK"), name, **options))
    assert np.abs(made - np.asarray(photo).astype(int)).mean() <= tolerance


def test_row_16_grey_one_bit_palette(photo: Image.Image, encode: Any) -> None:
    """All as RGB."""
    for image in (photo.convert("L"), photo.convert("1"), photo.quantize(40)):
        made = pixels(encode(image, "PNG"))
        np.testing.assert_array_equal(made, np.asarray(image.convert("RGB")))


class TestRow17Transparency:
    """Over white, by the closed form."""

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    @pytest.mark.parametrize("name", ["PNG", "TIFF"])
    def test_alpha(self, photo: Image.Image, encode: Any, mode: str, name: str) -> None:
        """value x alpha + white x (1 - alpha)."""
        image = photo.convert(mode)
        image.putalpha(Image.linear_gradient("L").resize(photo.size))
        colour = np.asarray(image.convert("RGBA")).astype(float)
        share = colour[..., 3:] / 255
        expected = colour[..., :3] * share + 255 * (1 - share)
        assert np.abs(pixels(encode(image, name)) - expected).max() <= 0.51

    @pytest.mark.parametrize("transparent", [3, bytes([0, 128, 255, 64])])
    def test_palette(self, encode: Any, transparent: Any) -> None:
        """One transparent entry, or an alpha for each."""
        palette = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30]
        image = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8)).copy()
        image.putpalette(palette)
        alpha = [255, 255, 255, 0] if transparent == 3 else list(transparent)
        share = np.array(alpha)[:, None] / 255
        expected = np.array(palette).reshape(4, 3) * share + 255 * (1 - share)
        made = pixels(encode(image, "PNG", transparency=transparent))[0]
        assert np.abs(made - expected).max() <= 0.51

    def test_transparent_colour_of_rgb_and_grey(self, encode: Any) -> None:
        """tRNS of images without a palette."""
        colour = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
        assert pixels(encode(colour, "PNG", transparency=(1, 2, 3)))[0].tolist() == [[255] * 3, [4, 5, 6]]
        grey = Image.fromarray(np.array([[7, 8]], np.uint8))
        assert pixels(encode(grey, "PNG", transparency=8))[0, :, 0].tolist() == [7, 255]

    def test_colours_hidden_under_transparency_do_not_show(self, encode: Any) -> None:
        """Red at alpha 0 is white."""
        assert pixels(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), "WEBP", lossless=True)).min() == 255


class TestRow18Orientation:
    """EXIF 1 to 8."""

    TURNS = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
    def test_lossless_files_are_equal(self, photo: Image.Image, encode: Any, name: str, orientation: int) -> None:
        """All eight give the same pixels and the same size."""
        upright = np.asarray(photo)
        stored = np.ascontiguousarray(self.TURNS.get(orientation, lambda a: a)(upright))
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encode(Image.fromarray(stored), name, exif=exif, **({"lossless": True} if name == "WEBP" else {}))
        made, known = prepare(data, AS_IT_IS)
        np.testing.assert_array_equal(made, upright)
        assert (known.width, known.height) == (120, 90)

    @pytest.mark.parametrize("value", [0, 9, 99, 65535])
    def test_row_19_values_that_mean_nothing(self, photo: Image.Image, encode: Any, value: int) -> None:
        """As if there were none."""
        exif = Image.Exif()
        exif[0x0112] = value
        np.testing.assert_array_equal(pixels(encode(photo, "PNG", exif=exif)), np.asarray(photo))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_row_19_rubbish_exif(photo: Image.Image, encode: Any, exif: bytes) -> None:
    """As if there were none."""
    np.testing.assert_array_equal(pixels(encode(photo, "JPEG", exif=exif)), pixels(encode(photo, "JPEG")))


def test_row_19_26_megabytes_of_exif(photo: Image.Image, encode: Any) -> None:
    """It is read over."""
    exif = b"Exif\0\0II*\0\x08\0\0\0" + bytes(26_000_000)
    np.testing.assert_array_equal(pixels(encode(photo, "WEBP", lossless=True, exif=exif)), np.asarray(photo))


def test_row_21_rubbish_icc(photo: Image.Image, encode: Any) -> None:
    """Unconverted, with a warning that is counted."""
    made, known = prepare(encode(photo, "PNG", icc_profile=b"rubbish" * 40), AS_IT_IS)
    assert known.warnings == ("icc_ignored",)
    np.testing.assert_array_equal(made, np.asarray(photo))


def test_row_21_profile_of_another_space(photo: Image.Image, encode: Any) -> None:
    """A Lab profile in an RGB file."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    made, known = prepare(encode(photo, "PNG", icc_profile=lab), AS_IT_IS)
    assert known.warnings == ("icc_ignored",)
    np.testing.assert_array_equal(made, np.asarray(photo))


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF", "MPO", "AVIF"])
def test_row_22_first_frame(photo: Image.Image, encode: Any, name: str) -> None:
    """The first of three frames, and how many there are."""
    others = [Image.new("RGB", photo.size, "blue"), Image.new("RGB", photo.size, "green")]
    made, known = prepare(encode(photo, name, save_all=True, append_images=others), AS_IT_IS)
    assert known.frames == 3
    assert np.abs(made.astype(int) - np.asarray(photo)).mean() < 12


def test_row_22_a_broken_later_frame_does_not_matter(photo: Image.Image, encode: Any) -> None:
    """The first frame is whole."""
    whole = encode(photo, "GIF", save_all=True, append_images=[Image.new("RGB", photo.size, "blue")] * 2)
    first = len(encode(photo, "GIF"))
    known = prepare(whole[: first + 30], AS_IT_IS)[1]
    assert 1 <= known.frames <= 3


def test_row_23_one_pixel(encode: Any) -> None:
    """Enlarged."""
    made, known = prepare(encode(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"), SPEC)
    assert (known.width, known.height) == (1, 1)
    assert (made == [9, 8, 7]).all()


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1)])
def test_row_24_extreme_shape(encode: Any, size: tuple[int, int]) -> None:
    """Cropped before it is resized, with a warning; memory stays small."""
    spec = PixelSpec(resize=256, crop=(224, 224))
    made, known = prepare(encode(Image.new("RGB", size, (5, 6, 7)), "PNG"), spec)
    assert made.shape == (224, 224, 3)
    assert (made == [5, 6, 7]).all()
    assert known.warnings == ("extreme_shape",)


def test_row_25_one_colour(encode: Any) -> None:
    """Is an image."""
    assert pixels(encode(Image.new("RGB", (40, 30)), "JPEG"), SPEC).max() == 0


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def test_row_27_heic_without_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    assert verdict(HEIC) == "identify/needs_plugin"
    assert "pillow-heif" in reason(HEIC)
    assert "boda[heif]" in reason(HEIC)


def test_row_27_heic_with_the_plugin(photo: Image.Image, encode: Any) -> None:
    """Decoded; a broken one is a broken image."""
    heif = pytest.importorskip("pillow_heif")
    from io import BytesIO

    file = BytesIO()
    heif.from_pillow(photo).save(file, quality=95)
    made, known = prepare(file.getvalue(), AS_IT_IS)
    assert (known.format, known.width, known.height) == ("HEIF", 120, 90)
    assert np.abs(made.astype(int) - np.asarray(photo)).mean() < 6
    assert verdict(HEIC).startswith("decode/")
    assert verdict(file.getvalue()[:1000]) == "decode/truncated"


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<svg/>",
        b"%PDF-1.7\n%abc",
    ],
)
def test_row_28_drawings(data: bytes) -> None:
    """SVG and PDF describe shapes."""
    assert verdict(data) == "identify/not_a_raster_image"


def test_row_29_eps_never_starts_ghostscript(monkeypatch: pytest.MonkeyPatch, photo: Image.Image, encode: Any) -> None:
    """Pillow could, and must not."""
    eps = encode(photo, "EPS")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("started a program"))
    assert verdict(eps) == "identify/not_an_image"


@pytest.mark.parametrize("name", ["TGA", "PCX", "DDS", "XBM"])
def test_formats_not_on_the_list_are_not_tried(photo: Image.Image, encode: Any, name: str) -> None:
    """Each decoder less is less to attack."""
    image = photo.convert("1") if name == "XBM" else photo
    assert verdict(encode(image, name)) == "identify/not_an_image"


def test_12_bit_jpeg_says_so(photo: Image.Image, encode: Any) -> None:
    """It is an image, which this Pillow cannot read."""
    data = bytearray(encode(photo, "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 4] = 12
    assert verdict(bytes(data)) == "decode/corrupt"
    assert "12-bit" in reason(bytes(data))


def test_text_chunks_of_a_photograph_are_read_over(photo: Image.Image, encode: Any) -> None:
    """Ordinary metadata is no reason for anything."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 10_000)
    np.testing.assert_array_equal(pixels(encode(photo, "PNG", pnginfo=info)), np.asarray(photo))
