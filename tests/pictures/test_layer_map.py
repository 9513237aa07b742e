"""Images lie where the map has them, and none covers another."""

import numpy as np
from PIL import Image

from boda.pictures import map_colours
from boda.pictures.layer_map import pictured_map

CORNERS = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float32)


def levels(values) -> list[Image.Image]:
    return [Image.new("RGB", (20, 20), (value, value, value)) for value in values]


def middle_of(sheet: Image.Image, level: int) -> tuple[float, float]:
    ys, xs = np.nonzero((np.asarray(sheet) == level).all(axis=2))
    assert len(ys) >= 15 * 15
    return float(np.median(ys)), float(np.median(xs))


def test_images_lie_at_their_places():
    """Right is right and up is up."""
    sheet = pictured_map(CORNERS, levels([40, 60, 80, 120]), map_colours.plain(4), title="four", size=300, side=20)
    lower_left, lower_right, upper_left, upper_right = (middle_of(sheet, level) for level in (40, 60, 80, 120))
    assert lower_left[0] == lower_right[0] > upper_left[0] + 200
    assert lower_left[1] == upper_left[1] < upper_right[1] - 200


def test_none_covers_another():
    """Of two at one place the first is drawn; the others where there is room; one without a picture is a dot."""
    places = np.concatenate([CORNERS, CORNERS[:1] + 0.1])
    colours = map_colours.by_name("kind", ["a", "b", "a", None, "b"])
    sheet = pictured_map(places, [*levels([40, 60, 80]), None, *levels([200])], colours, title="", size=300, side=20)
    middle_of(sheet, 40)
    assert not (np.asarray(sheet) == 200).all(axis=2).any()
    assert sheet.height > 300 + 31, "there is a legend"


def test_points_on_one_spot_are_drawn():
    """Also where all rows have one place."""
    sheet = pictured_map(np.zeros((3, 2), np.float32), levels([40, 60, 80]), map_colours.plain(3), title="x", size=100)
    middle_of(sheet, 40)
