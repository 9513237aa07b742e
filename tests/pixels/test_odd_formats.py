"""Every file of the collection of odd formats: its verdict or its size, and its pixels where something else knows."""

import csv
import io
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boda.pixels.prepare import Facts, prepare, prepare_each
from boda.pixels.spec import PixelSpec
from boda.unreadable import BadImage, Unreadable

SPEC = PixelSpec(resize=64, crop=(56, 56))
AS_IT_IS = PixelSpec(resize=None, crop=None)

BAD = {
    "zero_bytes.jpg": "read/empty",
    "html_named_jpg.jpg": "identify/not_an_image",
    "text_named_png.png": "identify/not_an_image",
    "._photo.jpg": "identify/not_an_image",
    "Thumbs.db": "identify/not_an_image",
    "rgba.psd": "identify/not_an_image",
    "hopper.xbm": "identify/not_an_image",
    "svg_picture.svg": "identify/not_a_raster_image",
    "decompression_bomb.gif": "decode/too_many_pixels",
    "ultrahdr.jpg": "decode/truncated",
    "truncated_jpeg.jpg": "decode/truncated",
    "truncated_image.png": "decode/truncated",
    "truncated_end_chunk.png": "decode/truncated",
    "corrupted.heic": "decode/truncated",
    "broken.png": "decode/corrupt",
    "broken_data_stream.png": "decode/corrupt",
    "xc1n0g08.png": "decode/corrupt",
    "xdtn0g01.png": "decode/corrupt",
    "monkey12.jpg": "decode/corrupt",
    "hopper_webp.tif": "decode/corrupt",
    "hopper_naxis_zero.fits": "decode/corrupt",  # says it has no axes, and holds no extension
    "hopper.pfm": "pixels/needs_stretch",
    "m13.fits": "pixels/needs_stretch",
}
"""Files that cannot be used. Each other file gives pixels, of the size and frames that the list has, upright."""

UPRIGHT = {"rot1mir1.avif": (640, 427)} | {
    f"{shape}_{i}.jpg": size
    for shape, size in (("Landscape", (300, 200)), ("Portrait", (200, 300)))
    for i in range(1, 9)
}
FOUND_OUT_LATER = {
    "RGB_8__128x128.heif": ((128, 128), 1),
    "RGBA_10__29x100.heif": ((29, 100), 1),
    "zPug_3.heic": ((64, 64), 3),
}
"""Formats of which the list does not know the size."""


@pytest.fixture(scope="module")
def odd(boda_data: Path) -> dict[str, bytes]:
    """The bytes of each file, by its name."""
    folder = boda_data / "odd_formats"
    files = {str(p.relative_to(folder / "files")): p.read_bytes() for p in (folder / "files").rglob("*") if p.is_file()}
    with tarfile.open(folder / "odd_names.tar") as archive:
        for member in archive:
            files[member.name] = archive.extractfile(member).read()  # type: ignore[union-attr]
    return files


@pytest.fixture(scope="module")
def listed(boda_data: Path) -> list[dict[str, str]]:
    """The rows of the list."""
    with (boda_data / "odd_formats" / "files.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def name_of(row: dict[str, str]) -> str:
    return row["file"].removeprefix("files/").removeprefix("odd_names.tar:")


def expected(row: dict[str, str]) -> tuple[tuple[int, int], int]:
    """(width, height) and frames."""
    name = name_of(row)
    if name in FOUND_OUT_LATER:
        return FOUND_OUT_LATER[name]
    width, height = map(int, row["pillow_size"].split("x"))
    return UPRIGHT.get(name, (width, height)), int(row["pillow_frames"])


def test_every_file_has_its_verdict_or_its_size(odd: dict[str, bytes], listed: list[dict[str, str]]) -> None:
    """114 files; nothing is guessed, nothing stops the others."""
    assert len(listed) == len(odd) == 114
    pytest.importorskip("pillow_heif")
    pytest.importorskip("astropy")
    wrong, seen = {}, Counter()
    for row in listed:
        (answer,) = prepare_each(odd[name_of(row)], [SPEC])
        seen[type(answer)] += 1
        if isinstance(answer, Unreadable):
            found, right = f"{answer.stage}/{answer.code}", BAD.get(name_of(row))
        else:
            facts: Facts = answer[1]
            found, right = ((facts.width, facts.height), facts.frames), expected(row)
            assert answer[0].shape == (56, 56, 3)
        if found != right:
            wrong[name_of(row)] = (found, right)
    assert wrong == {}
    assert seen[Unreadable] == len(BAD)


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
@pytest.mark.parametrize("decoder", ["scaled", "exact"])
def test_orientations_are_equal(odd: dict[str, bytes], shape: str, decoder: str) -> None:
    """1 to 8 show the same picture, to the loss of their own compression."""
    spec = PixelSpec(resize=(40, 40), crop=None, decoder=decoder)  # type: ignore[arg-type]
    first, *others = (prepare(odd[f"{shape}_{i}.jpg"], spec)[0].astype(int) for i in range(1, 9))
    for other in others:
        assert np.abs(first - other).mean() < 2


@pytest.mark.parametrize("name", ["16bit.cropped.tif", "hopper_16bit.pgm", "basn0g16.png", "16bit.cropped.jp2"])
def test_sixteen_bits_are_scaled(odd: dict[str, bytes], name: str) -> None:
    """Value / 257, by NumPy."""
    with Image.open(io.BytesIO(odd[name])) as image:
        values = np.asarray(image).astype(float)
    made = prepare(odd[name], AS_IT_IS)[0]
    np.testing.assert_array_equal(made[..., 0], np.floor(values / 257 + 0.5))


@pytest.mark.parametrize(
    "name",
    [
        "basn6a16.png",
        "basn4a08.png",
        "tbbn3p08.png",
        "p_trns_single.png",
        "transparent.png",
        "transparent.webp",
        "transparency.avif",
        "fully_transparent.png",
        "rgba32.bmp",
        "hopper.ico",
        "different_durations.png",
        "iss634.webp",
        "star.avifs",
    ],
)
def test_transparency_is_over_white(odd: dict[str, bytes], name: str) -> None:
    """By the closed form, on what Pillow has as RGBA."""
    with Image.open(io.BytesIO(odd[name])) as image:
        colour = np.asarray(image.convert("RGBA")).astype(float)
    share = colour[..., 3:] / 255
    made = prepare(odd[name], AS_IT_IS)[0]
    assert np.abs(made - (colour[..., :3] * share + 255 * (1 - share))).max() <= 0.51


def test_cmyk_is_not_inverted(odd: dict[str, bytes]) -> None:
    """The picture of Pillow's own tests: red at the upper left, black at the lower right; JPEG and TIFF alike."""
    jpeg = prepare(odd["pil_sample_cmyk.jpg"], AS_IT_IS)[0].astype(int)
    tiff = prepare(odd["tiff_strip_cmyk_jpeg.tif"], AS_IT_IS)[0].astype(int)
    red, green, blue = jpeg[0, 0]
    assert red > 200
    assert max(green, blue) < 60
    assert jpeg[-1, -1].max() < 30
    assert np.abs(jpeg - tiff).mean() < 2


def test_lab_white_is_white(odd: dict[str, bytes]) -> None:
    """L = 100 all over."""
    assert prepare(odd["lab.tif"], AS_IT_IS)[0].min() >= 253


def test_one_picture_in_many_formats(odd: dict[str, bytes]) -> None:
    """The same portrait, from two scans and to the loss of each format."""
    right = prepare(odd["hopper.ppm"], AS_IT_IS)[0].astype(int)
    np.testing.assert_array_equal(prepare(odd["hopper.sgi"], AS_IT_IS)[0], right)
    other = prepare(odd["hopper.qoi"], AS_IT_IS)[0]
    for name in ["hopper_bigtiff.tif", "hopper_lzma.tif", "png_named_jpg.jpg", "hopper.iccprofile.tif"]:
        np.testing.assert_array_equal(prepare(odd[name], AS_IT_IS)[0], other)
    for name in ["hopper.qoi", "hopper.avif", "no_extension", "UPPER.JPG", "jpeg_named_png.png"]:
        assert np.abs(prepare(odd[name], AS_IT_IS)[0] - right).mean() < 6


def test_fits_and_float_files_with_a_stretch(odd: dict[str, bytes]) -> None:
    """A globular cluster with its bright middle, not a black picture; and Pillow's portrait as floats."""
    pytest.importorskip("astropy")
    cluster = prepare(odd["m13.fits"], PixelSpec(resize=None, crop=None, stretch="asinh:100,3600"))[0]
    assert cluster.shape == (300, 300, 3)
    assert cluster[120:180, 120:180].mean() > cluster[:40].mean() + 20
    portrait = prepare(odd["hopper.pfm"], PixelSpec(resize=None, crop=None, stretch="linear:0,255"))[0].astype(int)
    assert np.abs(portrait - prepare(odd["hopper.fits"], AS_IT_IS)[0]).max() <= 1


def test_reasons_do_not_leak_where_a_photograph_was_taken(odd: dict[str, bytes]) -> None:
    """A cut photograph with GPS in its EXIF: the reason has numbers of bytes, and no metadata."""
    data = odd["exif_gps.jpg"][:-40]
    with pytest.raises(BadImage) as caught:
        prepare(data, SPEC)
    assert caught.value.unreadable.reason == f"truncated JPEG: {len(data)} of at least 1075 bytes present"


MUTANTS = 500
SEEDS = [
    "Landscape_6.jpg",
    "hopper_gray.jpg",
    "pil_sample_cmyk.jpg",
    "exif_typeerror.jpg",
    "basn0g16.png",
    "tbbn3p08.png",
    "basi2c08.png",
    "different_durations.png",
    "dispose_bgnd.gif",
    "transparent.webp",
    "hopper.avif",
    "star.avifs",
    "16bit.cropped.jp2",
    "16bit.cropped.tif",
    "hopper_lzma.tif",
    "multipage.tiff",
    "hopper_rle8.bmp",
    "hopper.ico",
    "hopper.qoi",
    "hopper.sgi",
    "hopper.ppm",
    "hopper.pfm",
    "hopper.fits",
    "RGB_8__128x128.heif",
]


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bits flipped, a cut, a deletion or an insertion."""
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 50))
    match int(rng.integers(4)):
        case 0:
            bits = np.frombuffer(data, np.uint8).copy()
            places = rng.integers(len(data), size=int(rng.integers(1, 8)))
            bits[places] ^= np.left_shift(1, rng.integers(8, size=places.size)).astype(np.uint8)
            return bits.tobytes()
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[at + length :]
        case _:
            return data[:at] + rng.bytes(length) + data[at:]


def test_mutants_give_pixels_or_a_mapped_verdict(odd: dict[str, bytes], capfd: pytest.CaptureFixture[str]) -> None:
    """No exception, and none that nobody knew of."""
    rng = np.random.default_rng(20)
    stretched = PixelSpec(resize=32, crop=(28, 28), stretch="linear:0,255")
    verdicts: Counter[str] = Counter()
    for mutant in range(MUTANTS):
        data = mutated(odd[SEEDS[mutant % len(SEEDS)]], rng)
        (answer,) = prepare_each(data, [stretched])
        verdicts[f"{answer.stage}/{answer.code}" if isinstance(answer, Unreadable) else "pixels"] += 1
    assert verdicts.total() == MUTANTS
    assert not [verdict for verdict in verdicts if verdict.endswith(("/other", "/worker_died"))]
    assert verdicts["pixels"] > MUTANTS // 10
    assert verdicts["decode/truncated"] > MUTANTS // 10
    capfd.readouterr()  # libtiff complains on standard error
