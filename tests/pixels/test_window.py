"""A map lands where the pixels were, whatever a spec did to them."""

from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from boda.errors import Refused
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.pixels.window import Window, placed, window

SPECS = {
    "short side, then crop": PixelSpec(resize=32, crop=(28, 28)),
    "crop as large as the short side": PixelSpec(resize=32, crop=(32, 32)),
    "crop wider than high": PixelSpec(resize=40, crop=(20, 37)),
    "squashed": PixelSpec(resize=(24, 40), crop=None),
    "squashed, then cropped": PixelSpec(resize=(41, 40), crop=(30, 23)),
    "cropped alone": PixelSpec(resize=None, crop=(30, 47)),
    "padded": PixelSpec(resize=20, crop=(48, 65)),
    "as it is": PixelSpec(resize=None, crop=None),
    "short side alone": PixelSpec(resize=27, crop=None),
    "sampled": PixelSpec(resize=32, crop=(28, 28), filter="bilinear", antialias=False),
    "lanczos": PixelSpec(resize=33, crop=(28, 28), filter="lanczos"),
    "nearest": PixelSpec(resize=36, crop=(32, 32), filter="nearest"),
}
SMOOTH = {name: spec for name, spec in SPECS.items() if spec.filter != "nearest"}
LENGTHS = st.integers(14, 160)


def file_of(upright: np.ndarray, orientation: int, form: str = "PNG", **options) -> bytes:
    """The file of a camera that was held so: its pixels turned away, its EXIF saying how to turn them back."""
    swapped = upright.swapaxes(0, 1)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: swapped,
        6: np.rot90(upright, 1),
        7: swapped[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    into = BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(into, form, exif=exif, **options)
    return into.getvalue()


def laid_back(upright: np.ndarray, spec: PixelSpec, orientation: int, form: str = "PNG", **options) -> np.ndarray:
    """(h, w, 3): through a file and `prepare` to the network's pixels, and those as maps over the image again."""
    pixels, facts = prepare(file_of(upright, orientation, form, **options), spec)
    size = (facts.width, facts.height)
    assert size == upright.shape[1::-1]
    where = window(spec, size)
    return np.stack([placed(pixels[..., c].astype(np.float32), where, size) for c in range(3)], axis=-1)


def places(spec: PixelSpec, size: tuple[int, int]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Along x and y: the visible part of the image, and pixels of it to one of the network's, at least 1."""
    where = window(spec, size)
    rows, columns = prepare(file_of(np.zeros((size[1], size[0], 3), np.uint8), 1), spec)[0].shape[:2]
    along = ((where.left, where.right, columns, size[0]), (where.top, where.bottom, rows, size[1]))
    across, down = ((max(0, low), min(n, high), max(1, (high - low) / count)) for low, high, count, n in along)
    return across, down


def check_mark(spec: PixelSpec, size: tuple[int, int], orientation: int, x: float, y: float) -> bool:
    """A bright spot, `x` and `y` of the way through what the network sees, comes back where it was; False: no room."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    middle, reach = [], []
    for (low, high, unit), share in zip(places(spec, size), (x, y), strict=True):
        half = int(np.ceil(unit))
        first, last = low + 2 * unit + half, high - 2 * unit - half - 1
        if first >= last:
            return False
        middle.append(int(first + share * (last - first)))
        reach.append((half, unit))
    (x, y), ((across, x_unit), (down, y_unit)) = middle, reach
    image[y - down : y + down + 1, x - across : x + across + 1] = 255
    back = np.nan_to_num(laid_back(image, spec, orientation).mean(axis=2))
    assert back.max() > 100
    assert abs(back.sum(axis=0) @ (np.arange(size[0]) + 0.5) / back.sum() - (x + 0.5)) < x_unit
    assert abs(back.sum(axis=1) @ (np.arange(size[1]) + 0.5) / back.sum() - (y + 0.5)) < y_unit
    return True


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", SPECS)
def test_a_marked_spot_comes_back_where_it_was(name, orientation):
    """Through every geometry and every way to hold a camera, a spot at the lower left of an odd, wide image."""
    assert check_mark(SPECS[name], (101, 67), orientation, 0.1, 0.9)


@given(st.sampled_from(sorted(SPECS)), LENGTHS, LENGTHS, st.integers(1, 8), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_a_marked_spot_comes_back_from_images_of_any_shape(name, width, height, orientation, x, y):
    """Within one pixel of the network, or of the image where those are larger."""
    assume(check_mark(SPECS[name], (width, height), orientation, x, y))


@given(st.sampled_from(sorted(SMOOTH)), LENGTHS, LENGTHS, st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_an_image_that_says_where_it_is_comes_back_as_it_was(name, width, height, orientation):
    """Red grows to the right, green downwards: to a sixth of a pixel of the network and rounding, everywhere inside."""
    red, green = (np.arange(n) * 255 / max(1, n - 1) for n in (width, height))
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.rint(red)[None], np.rint(green)[:, None]
    back = laid_back(image, SMOOTH[name], orientation)
    inside = []
    for (low, high, unit), n in zip(places(SMOOTH[name], (width, height)), (width, height), strict=True):
        middles = np.arange(n) + 0.5
        inside.append((middles > low + 4 * unit) & (middles < high - 4 * unit))
        assume(inside[-1].any())
    (_, _, x_unit), (_, _, y_unit) = places(SMOOTH[name], (width, height))
    part = np.ix_(inside[1], inside[0])
    assert np.abs(back[..., 0][part] - red[None, inside[0]]).max() < 1.6 + x_unit / 6 * 255 / width
    assert np.abs(back[..., 1][part] - green[inside[1], None]).max() < 1.6 + y_unit / 6 * 255 / height


@pytest.mark.parametrize("size", [(3, 400), (400, 3)])
def test_shapes_that_are_cropped_before_they_are_resized_come_back_too(size):
    """Their windows are those of the whole way."""
    long = np.rint(np.linspace(0, 255, max(size)))
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[...] = (long[:, None] if size[1] == 400 else long[None])[..., None]
    spec = PixelSpec(resize=32, crop=(24, 24))
    back = laid_back(image, spec, 1)
    seen = np.isfinite(back)
    assert 2 <= seen[..., 0].any(axis=int(size[1] == 400)).sum() <= 3
    assert np.abs(back - image)[seen].max() < 1.6
    assert window(spec, size).right - window(spec, size).left == pytest.approx(2.25, abs=1e-3)


@pytest.mark.parametrize("orientation", [1, 6, 7])
def test_a_spot_of_a_jpeg_that_was_decoded_smaller_comes_back(orientation):
    """libjpeg's eighth of an odd size is the same picture: to a quarter of a pixel of the network."""
    image = np.zeros((1103, 1605, 3), np.uint8)
    image[300:360, 1000:1070] = 255
    spec = PixelSpec(resize=64, crop=(56, 56))
    back = np.nan_to_num(laid_back(image, spec, orientation, "JPEG", quality=95).mean(axis=2))
    back[back < 20] = 0
    unit = 1103 / 64
    assert abs(back.sum(axis=0) @ (np.arange(1605) + 0.5) / back.sum() - 1035) < unit / 4
    assert abs(back.sum(axis=1) @ (np.arange(1103) + 0.5) / back.sum() - 330) < unit / 4


def test_where_the_network_did_not_look_there_is_no_number():
    """A spot beside the crop does not reach the network, and lies on NaN; the crop itself has none."""
    image = np.zeros((60, 200, 3), np.uint8)
    image[20:30, 10:20] = 255
    spec = PixelSpec(resize=30, crop=(30, 30))
    back = laid_back(image, spec, 1)[..., 0]
    assert np.nanmax(back) == 0
    assert np.isnan(back[20:30, 10:20]).all()
    assert np.isfinite(back[:, 70:130]).all()
    assert np.isnan(back[:, :70]).all() and np.isnan(back[:, 130:]).all()


def test_a_pixel_was_seen_if_its_middle_was():
    """Of four pixels: across those from 0.4 to 3.4, down those from 0.6 to 3.5."""
    seen = np.isfinite(placed(np.ones((2, 2)), Window(0.4, 0.6, 3.4, 3.5), (4, 4)))
    assert seen.any(axis=0).tolist() == [True, True, True, False]
    assert seen.any(axis=1).tolist() == [False, True, True, False]


def test_padding_makes_the_window_larger_than_the_image():
    """20 pixels in a crop of 50: 15 on each side are black and belong to no pixel of the image."""
    assert window(PixelSpec(resize=None, crop=(50, 50)), (20, 20)) == Window(-15, -15, 35, 35)


@pytest.mark.parametrize(("shape", "size"), [((7, 7), (50, 41)), ((3, 5), (5, 3)), ((1, 1), (4, 3)), ((2, 9), (9, 90))])
def test_enlarged_maps_equal_torch(shape, size):
    """Bilinear, corners not aligned."""
    heat = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    coarse = torch.from_numpy(heat)[None, None]
    expected = torch.nn.functional.interpolate(coarse, size=size[::-1], mode="bilinear", align_corners=False)[0, 0]
    ours = placed(heat, Window(0, 0, *size), size)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("shape", [(7, 9), (64, 64), (300, 200)])
def test_larger_windows_and_finer_maps_equal_pillow(shape):
    """A part of the map, read through Pillow's triangle, where the window reaches over the image."""
    heat = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    seen, (width, height) = Window(-7.25, -2.5, 52.5, 44), (40, 33)
    across, down = shape[1] / (seen.right - seen.left), shape[0] / (seen.bottom - seen.top)
    box = (7.25 * across, 2.5 * down, (width + 7.25) * across, (height + 2.5) * down)
    expected = Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR, box)
    np.testing.assert_allclose(placed(heat, seen, (width, height)), np.asarray(expected), atol=1e-5)


def test_a_place_without_a_number_has_none_in_the_image_either():
    """It does not spread further than the pixels that read it."""
    heat = np.ones((4, 4), np.float32)
    heat[0, 0] = np.nan
    back = placed(heat, Window(0, 0, 16, 16), (16, 16))
    assert np.isnan(back[:4, :4]).all()
    np.testing.assert_allclose(np.stack([back[6:], back[:, 6:].T]), 1, atol=1e-6)


def test_a_map_that_is_none_is_refused():
    """Several maps at once, or no places."""
    with pytest.raises(Refused, match=r"takes \(y, x\)"):
        placed(np.zeros((2, 3, 3), np.float32), Window(0, 0, 4, 4), (4, 4))
    with pytest.raises(Refused, match="cannot be laid"):
        placed(np.zeros((0, 3), np.float32), Window(0, 0, 4, 4), (4, 4))
