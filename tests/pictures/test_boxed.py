"""A box lies where it was found, however large the image is drawn."""

import numpy as np
import pytest

from boda.pictures.exciting import boxed


def yellow(picture) -> np.ndarray:
    colours = np.asarray(picture, np.int64)
    return (colours[..., 0] > 230) & (colours[..., 1] > 180) & (colours[..., 2] < 60)


@pytest.mark.parametrize(("size", "side"), [(16, 160), (160, 160), (320, 160)])
def test_the_box_is_where_it_was(size, side):
    """Enlarged, as it is, and made smaller: rows 1/4 to 1/2, columns 1/2 to 3/4 of the picture."""
    part = size // 4
    picture = boxed(np.full((size, size, 3), 90, np.uint8), side, (part, 2 * part, 2 * part, 3 * part))
    assert picture.size == (160, 160)
    ys, xs = np.nonzero(yellow(picture))
    assert (ys.min(), xs.min()) == (40, 80)
    assert abs(ys.max() - 79) <= 1 and abs(xs.max() - 119) <= 1


def test_a_box_of_all_or_none_is_not_drawn():
    """It would say nothing."""
    pixels = np.full((20, 30, 3), 90, np.uint8)
    for box in (None, (0, 0, 20, 30)):
        picture = boxed(pixels, 60, box)
        assert picture.size == (60, 40) and (np.asarray(picture) == 90).all()


def test_the_thinnest_box_shows():
    """One pixel of a large image made small."""
    assert yellow(boxed(np.full((640, 640, 3), 90, np.uint8), 64, (10, 10, 11, 11))).any()
