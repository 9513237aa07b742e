"""Colours of a heat map mean what its legend says."""

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image, ImageDraw

from boda.errors import Refused
from boda.pictures.heat import Scale, heated, legend, limits_of, overlay, ramp, remark, sized
from boda.pixels.window import Window

GREY = np.full((30, 41, 3), 100, np.uint8)
UNDER = 40 + 0.7 * 100
YELLOW, PURPLE = (np.rint(255 * np.array(colormaps["viridis"](end)[:3])) for end in (1.0, 0.0))
ORANGE, BLUE = np.array([230, 97, 1]), np.array([0, 114, 178])


def drawn(heat, limits, *, signed=False, image=GREY, **options) -> np.ndarray:
    placed = np.broadcast_to(np.asarray(heat, np.float32), image.shape[:2])
    return np.asarray(overlay(image, placed, limits=limits, signed=signed, **options)).astype(int)


@pytest.mark.parametrize(
    ("value", "colour", "hides"), [(2.0, YELLOW, 1), (9.0, YELLOW, 1), (0.0, PURPLE, 0.4), (-3.0, PURPLE, 0.4)]
)
@pytest.mark.parametrize("opacity", [0.0, 0.5, 1.0])
def test_the_limits_have_the_ends_of_viridis(value, colour, hides, opacity):
    """Mixed with the grey image, the highest as the opacity says, the lowest less; values beyond look like them."""
    seen = drawn(value, (0, 2), opacity=opacity)[5, 5]
    assert np.abs(seen - (opacity * hides * colour + (1 - opacity * hides) * UNDER)).max() <= 1


def test_what_the_network_did_not_see_is_dark_and_grey():
    """Darker than anything under heat, without a hue."""
    placed = np.zeros((30, 41), np.float32)
    placed[:, :9] = np.nan
    colourful = np.broadcast_to(np.array([200, 40, 90], np.uint8), (30, 41, 3))
    outside = drawn(placed, (0, 1), image=colourful)[3, 3]
    grey = Image.new("RGB", (1, 1), (200, 40, 90)).convert("L").getpixel((0, 0))
    assert outside.tolist() == [round(0.4 * grey)] * 3


def test_signed_zero_is_the_image_alone_and_both_signs_have_their_colour():
    """Orange adds, blue takes away, and between them nothing is mixed in."""
    for limits in ((-2, 2), (-0.5, 2)):
        assert drawn(0.0, limits, signed=True, opacity=1.0)[5, 5].tolist() == [round(UNDER)] * 3
        assert np.abs(drawn(2.0, limits, signed=True, opacity=1.0)[5, 5] - ORANGE).max() <= 1
        assert np.abs(drawn(-2.0, limits, signed=True, opacity=1.0)[5, 5] - BLUE).max() <= 1
        assert np.abs(drawn(1.0, limits, signed=True, opacity=1.0)[5, 5] - (ORANGE + UNDER) / 2).max() <= 1


def test_other_colours_can_be_asked_for():
    """Any of matplotlib's, signed or not."""
    red = 255 * np.array(colormaps["RdBu_r"](1.0)[:3])
    assert np.abs(drawn(1.0, (-1, 1), signed=True, opacity=1.0, colours="RdBu_r")[5, 5] - red).max() <= 1
    assert drawn(0.0, (-1, 1), signed=True, colours="RdBu_r")[5, 5].tolist() == [round(UNDER)] * 3
    bright = 255 * np.array(colormaps["inferno"](1.0)[:3])
    assert np.abs(drawn(1.0, (0, 1), opacity=1.0, colours="inferno")[5, 5] - bright).max() <= 1


def test_the_crop_has_a_frame_that_hides_no_heat():
    """Just outside of it; no frame where all was seen or nothing was."""
    placed = np.full((30, 41), np.nan, np.float32)
    placed[:, 10:30] = 1
    seen = drawn(placed, (0, 1), opacity=1.0)
    assert (seen[:, [9, 30]] == 240).all()
    assert np.abs(seen[:, 10:30] - YELLOW).max() <= 1
    assert (seen[:, :9] == 40).all()
    assert not (drawn(1.0, (0, 1)) == 240).all(axis=2).any()
    assert not (drawn(np.nan, (0, 1)) == 240).all(axis=2).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 2), (101, 77)])
@pytest.mark.parametrize("signed", [False, True])
def test_it_is_as_large_as_its_image(size, signed):
    """At odd sizes too."""
    image = np.zeros((*size, 3), np.uint8)
    assert drawn(0.5, (0, 1), image=image, signed=signed).shape == (*size, 3)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0, np.nan, np.inf])
def test_maps_without_anything_to_see_are_drawn_and_said(value, signed):
    """Constant ones and those without a number: no error, no warning, and a sentence."""
    heat = np.full((30, 41), value, np.float32)
    limits = limits_of([heat], signed)
    assert drawn(heat, limits, signed=signed).shape == GREY.shape
    assert legend(limits, "logit", signed, 100).height == 100
    assert remark(heat) == (
        "the same everywhere: " + f"{value:.0f}".replace("-", "−") if np.isfinite(value) else "no value anywhere"
    )
    assert remark(np.arange(4.0)) == ""


def test_limits_leave_one_value_in_a_hundred_beyond():
    """Of all maps together; of the sizes of values, on both sides, where they are signed."""
    heat = np.random.default_rng(0).normal(size=(4, 30, 25))
    sizes = np.sort(np.abs(heat).ravel())
    assert limits_of(np.abs(heat), signed=False) == (0.0, sizes[-30])
    assert limits_of(heat, signed=True) == (-sizes[-30], sizes[-30])
    values = np.sort(heat.ravel())
    assert limits_of(heat, signed=False) == (values[29], values[-30])
    with_gap = [heat[0], np.full((3, 2), np.nan), heat[1:]]
    assert limits_of(with_gap, signed=True) == limits_of(heat, signed=True)


def test_a_coarse_map_reaches_its_largest_value():
    """Of 7 x 7 places none is cut off."""
    heat = np.random.default_rng(1).random((7, 7))
    assert limits_of([heat], signed=False) == (0.0, heat.max())


def test_one_value_far_off_does_not_use_up_the_colours_and_a_lone_one_is_still_seen():
    """1 of 900 places a thousand times larger than the rest; 1 of 900 that is not 0."""
    heat = np.ones((30, 30))
    heat[0, 0] = 1000
    assert limits_of([heat], signed=False) == (0.0, 1.0)
    assert limits_of([heat - 1], signed=False) == (0.0, 999.0)
    assert limits_of([1 - heat], signed=True) == (-999.0, 999.0)


def test_no_maps_and_no_numbers_have_no_limits():
    """Both are 0 then."""
    assert limits_of([], signed=True) == limits_of([np.full((2, 2), np.nan)], signed=False) == (0.0, 0.0)


@pytest.fixture
def written(monkeypatch):
    """Words as they are drawn."""
    words: list[str] = []
    plain = ImageDraw.ImageDraw.text

    def text(self, xy, text, *args, **options):
        words.append(text)
        return plain(self, xy, text, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return words


def test_a_legend_has_ticks_at_round_values_in_the_unit(written):
    """From bottom to top, evenly."""
    picture = np.asarray(legend((0, 1), "log odds", False, 220))
    assert written == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "log odds"]
    rows = np.flatnonzero((picture[:, 20] == 20).all(axis=1))
    assert len(rows) == 6
    assert np.ptp(np.diff(rows)) <= 1
    assert rows[0] < 10 and rows[-1] > 210


@pytest.mark.parametrize(
    ("limits", "signed", "first", "unit"),
    [
        ((-0.5, 2), True, "−2", "logit"),
        ((0, 3e-7), False, "0", "10⁻⁷ logit"),
        ((0, 4e9), False, "0", "10⁹ logit"),
        ((0, 0), False, "0", "logit"),
    ],
)
def test_a_legend_of_any_size_of_value_can_be_read(written, limits, signed, first, unit):
    """Signed ones reach as far on both sides; tiny and huge ones put their power of ten into the unit."""
    legend(limits, "logit", signed, 160)
    assert written[0] == first
    assert written[-1] == unit
    assert len(set(written)) == len(written)


def test_a_legend_shows_the_colours_of_the_map():
    """Its ends and its middle are what the map is over a middle grey."""
    middle = np.full((30, 41, 3), 128, np.uint8)
    for signed, limits in ((False, (0.0, 2.0)), (True, (-2.0, 2.0))):
        bar = np.asarray(legend(limits, "", signed, 120))[:, 8].astype(int)
        for row, value in ((8, limits[1]), (60, sum(limits) / 2), (111, limits[0])):
            assert np.abs(bar[row] - drawn(value, limits, signed=signed, image=middle)[5, 5]).max() <= 5
    assert (np.ptp(ramp(Scale((-1, 1), "", signed=True), 3)[1]) == 0).all()


def test_what_makes_no_sense_is_refused():
    """Shapes, limits, opacities, names, heights."""
    with pytest.raises(Refused, match="place it first"):
        overlay(GREY, np.zeros((7, 7), np.float32), limits=(0, 1), signed=False)
    with pytest.raises(Refused, match="the lower first"):
        drawn(0.0, (1, 0))
    with pytest.raises(Refused, match="finite"):
        drawn(0.0, (0, np.nan))
    with pytest.raises(Refused, match="opacity=2"):
        drawn(0.0, (0, 1), opacity=2)
    with pytest.raises(Refused, match=r"no colour map .ni\\\\nce."):
        drawn(0.0, (0, 1), colours="ni\nce")
    with pytest.raises(Refused, match="give it 60"):
        legend((0, 1), "logit", False, 20)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1000, 700), (300, 210)), ((28, 28), (280, 280)), ((200, 100), (200, 100)), ((1, 90), (3, 270))],
)
def test_pictures_are_fitted_and_small_ones_enlarged_by_whole_numbers(size, expected):
    """A pixel of a small image is a square."""
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = sized(image, 300)
    assert picture.size == expected
    if size[0] < 100:
        times = expected[0] // size[0]
        np.testing.assert_array_equal(np.asarray(picture)[::times, ::times], image)


def test_heat_of_a_shown_picture_lies_where_it_does_in_the_image():
    """The right half of the crop of a wide image, shown at a third of its size."""
    image = np.full((90, 300, 3), 100, np.uint8)
    picture, over = heated(
        image, np.array([[0.0, 1.0]]), Window(105, 0, 195, 90), Scale((0, 1), "", signed=False), side=100
    )
    assert picture.size == over.size == (100, 30)
    hot = np.asarray(over).astype(int)
    assert hot[15, 62, 0] > hot[15, 38, 0] + 80
    assert (hot[15, :34] == 40).all()
