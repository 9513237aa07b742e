"""Rows stand under one another, each with its title, as wide as the widest."""

import numpy as np
from PIL import Image

from boda.pictures.rows import Row, rows_sheet, titled
from boda.pictures.sheet import Tile


def tile(level: int) -> Tile:
    return Tile(Image.new("RGB", (40, 40), (level, 0, 0)), (f"{level}", "a key"))


def test_tiles_stand_in_their_rows_in_order():
    """Reds of 150 to 190 in the first row, 230 in the second."""
    rows = [Row("first", [tile(150), tile(170), tile(190)]), Row("second", [tile(230)])]
    colours = np.asarray(rows_sheet(rows, side=40, title="one line\nand another")).astype(int)
    sheet = np.where(colours[..., 1] == 0, colours[..., 0], 0)
    seen = []
    for level in (150, 170, 190, 230):
        ys, xs = np.nonzero(sheet == level)
        assert len(ys) >= 40 * 40 * 0.9
        seen.append((np.median(ys), np.median(xs)))
    assert seen[0][1] < seen[1][1] < seen[2][1] and seen[0][0] == seen[2][0] < seen[3][0] and seen[3][1] == seen[0][1]


def test_more_tiles_than_columns_take_more_lines():
    """Three columns of 40 and their margins, however many tiles there are."""
    sheet = rows_sheet([Row("many", [tile(10)] * 7)], columns=3, side=40)
    assert sheet.width == 560, "wide enough for words"
    assert sheet.height > rows_sheet([Row("few", [tile(10)] * 3)], columns=3, side=40).height + 80


def test_words_take_the_lines_they_need():
    """A long title pushes the picture down, and nothing of it is lost at its end."""
    picture = Image.new("RGB", (100, 50), (0, 0, 255))
    short, long = (titled(picture, "word " * count) for count in (3, 60))
    assert short.width == 560 and long.height >= short.height + 2 * 17
    for one in (short, long):
        blue = np.asarray(one)[..., 2].astype(int) - np.asarray(one)[..., 0] > 200
        assert blue.sum() == 100 * 50 and blue[-50:, :100].all()
    assert titled(picture, "").height == 50
