"""The picture of a likeness: heat where places add, lines between places that belong together."""

import numpy as np

from boda.pictures.likeness import Alike, draw_likeness

GREY = np.full((40, 40, 3), 128, np.uint8)


def drawn(first, second, pairs=(), images=(GREY, GREY)):
    row = Alike("Likeness", np.asarray(first, float), np.asarray(second, float), pairs)
    return np.asarray(draw_likeness(images, ("a.png", "두 번째\n.png"), [row]), np.int64)


def colour(sheet):
    """(orange, blue) masks, below the images as they are."""
    below = sheet[420:]
    return below[..., 0] - below[..., 2] > 80, below[..., 2] - below[..., 0] > 80


def test_what_adds_is_orange_and_what_takes_away_blue_where_it_is():
    """A quarter above left of the first adds; a quarter below right of the second takes away."""
    orange, blue = colour(drawn([[1, 0], [0, 0]], [[0, 0], [0, -1]]))
    half = orange.shape[1] // 2
    ys, xs = np.nonzero(orange)
    assert xs.max() < half / 1.5 and ys.max() - ys.min() < 182
    ys, xs = np.nonzero(blue)
    assert xs.min() > half
    assert 150 * 150 < blue.sum() < 190 * 190


def test_both_images_of_a_row_have_one_scale():
    """Half the share is a paler colour, not the same one."""
    sheet = drawn([[1]], [[0.5]])[600]
    left, right = sheet[150], sheet[600]
    assert left[0] - left[2] > right[0] - right[2] > 30


def test_lines_join_places():
    """One for each pair, in colours of their own; a picture without pairs has none between the images."""
    gap = slice(390, 420)
    without = drawn([[1, 0], [0, 0]], [[0, 0], [0, 1]])
    pairs = [((0, 0), (1, 1)), ((1, 0), (0, 1))]
    joined = drawn([[1, 0], [0, 0]], [[0, 0], [0, 1]], pairs)
    changed = (joined[450:, gap] != without[450:, gap]).any(axis=-1)
    assert changed.any(axis=0).all()
    assert len(np.unique(joined[450:, gap].reshape(-1, 3), axis=0)) == 3  # paper and two lines


def test_images_of_any_shape_and_heat_of_nothing():
    """Wide and tall ones, maps of different sizes, zeros everywhere: no colour and no error."""
    images = (np.zeros((20, 60, 3), np.uint8), np.full((300, 100, 3), 255, np.uint8))
    sheet = drawn(np.zeros((2, 6)), np.zeros((9, 3)), (), images)
    orange, blue = colour(sheet)
    assert not orange.any() and not blue.any()
