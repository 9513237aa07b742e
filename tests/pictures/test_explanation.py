"""A sheet of explanations keeps rows, columns and scales apart, and says what it cannot show."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import ImageDraw

from boda.errors import Refused
from boda.pictures.explanation import Mapped, Row, explanation_sheet
from boda.pictures.heat import Scale
from boda.pixels.window import Window
from drawn import HOSTILE

ONE = Scale((0.0, 1.0), "logit", signed=False, opacity=1.0)
SIGNED = Scale((-2.0, 2.0), "log odds", signed=True)


@pytest.fixture
def written(monkeypatch):
    """Words as they are drawn on a sheet, with where."""
    words: dict[str, list[tuple[float, float]]] = {}
    plain = ImageDraw.ImageDraw.text

    def text(self, xy, text, *args, **options):
        words.setdefault(text, []).append(tuple(xy))
        return plain(self, xy, text, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return words


def row(name="a.png", *maps, size=(40, 60), lines=()):
    image = np.full((*size, 3), 100, np.uint8)
    return Row(name, image, Window(0, 0, size[1], size[0]), maps or (Mapped("Grad-CAM", np.eye(2), ONE),), lines)


def test_a_column_with_one_scale_has_it_once_and_says_so(written):
    """Above the maps, with both ends."""
    explanation_sheet([row("a"), row("b"), row("c")])
    assert len(written["Grad-CAM"]) == 1
    assert "logit; one scale" in written
    assert len(written["0"]) == len(written["1"]) == 1


def test_maps_with_scales_of_their_own_have_them_each_and_say_so(written):
    """Under each map."""
    other = Mapped("Grad-CAM", np.eye(2), Scale((0.0, 5.0), "logit", signed=False))
    explanation_sheet([row("a"), row("b", other)])
    assert "logit; each its own scale" in written
    assert len(written["0"]) == 2
    assert {"1", "5"} <= set(written)


def test_what_is_said_of_a_column_is_never_cut(written):
    """A long unit and what the values are go over as many lines as they take, above all maps."""
    unit, about = "score before the softmax per unit of normalised input", "mean sizes over 4 x 4 places; ends cut"
    maps = [Mapped("gradient", np.eye(2), Scale((0.0, top), unit, signed=False, about=about)) for top in (1.0, 5.0)]
    explanation_sheet([row("a", maps[0]), row("b", maps[1])], side=160)
    said = f"{unit}; each its own scale; {about}"
    lines = sorted((place[0][1], text) for text, place in written.items() if text in said and len(text) > 1)
    assert " ".join(text for _, text in lines) == said and len(lines) > 3
    assert all(upper + 15 < lower for (upper, _), (lower, _) in pairwise(lines))
    assert lines[-1][0] + 15 < written["a"][0][1]


def test_the_scale_of_a_column_lies_under_what_is_said_of_it(written):
    """And above the maps."""
    scale = Scale(
        (0.0, 7.0), "logit", signed=False, about="averages over 4 x 4 places; colours end at the 99 % quantile"
    )
    explanation_sheet([row(name, Mapped("gradient", np.eye(2), scale)) for name in "ab"], side=160)
    ((_, end),) = written["7"]
    (last,) = [place[0][1] for text, place in written.items() if text.endswith("quantile")]
    assert last + 15 < end and end + 15 < written["a"][0][1] - 60


def test_a_signed_scale_shows_where_zero_is(written):
    """Between its ends."""
    explanation_sheet([row("a", Mapped("gradient", np.eye(2), SIGNED))])
    (low,), (zero,), (high,) = written["−2"], written["0"], written["2"]
    assert low[0] < zero[0] < high[0]
    assert zero[0] - low[0] == pytest.approx(high[0] - zero[0])


def test_rows_go_down_and_columns_to_the_right(written):
    """Names under the images, checks under their maps, none over another."""
    maps = [Mapped(name, np.eye(2), ONE, (f"{name} check",)) for name in ("first", "second")]
    sheet = explanation_sheet([row("a", *maps, size=(60, 40)), row("b", *maps, size=(30, 90))], side=200)
    assert written["a"][0][1] + 60 < written["b"][0][1] < sheet.height
    assert written["a"][0][0] < written["first check"][0][0] < written["second check"][0][0] < sheet.width
    assert written["first check"][0][0] == written["first"][0][0]


def test_the_map_is_over_its_image():
    """Yellow at both ends of the diagonal, purple beside it, to the right of the image."""
    sheet = np.asarray(explanation_sheet([row(size=(50, 50))], side=100)).astype(int)[:152]  # without its scale
    yellow = (sheet[..., 0] > 220) & (sheet[..., 2] < 80)
    ys, xs = np.nonzero(yellow)
    assert xs.min() == 14 + 100 + 12
    assert xs.max() - xs.min() == ys.max() - ys.min() == 99


def test_a_map_that_could_not_be_made_says_why(written):
    """In its place; the other maps are drawn."""
    absent = Mapped("attention", None, None, reason="a CNN has none")
    sheet = explanation_sheet([row("a", absent, Mapped("Grad-CAM", np.eye(2), ONE))], side=200)
    assert "a CNN has none" in written
    assert sheet.width == 2 * 14 + 3 * 200 + 2 * 12


def test_a_map_with_nothing_to_see_is_said_to_be_so(written):
    """Not left to be read from its colour."""
    explanation_sheet([row("a", Mapped("Grad-CAM", np.zeros((3, 3)), Scale((0.0, 0.0), "logit", signed=False)))])
    assert "the same everywhere: 0" in written


def test_long_names_are_cut_and_long_checks_are_wrapped(written):
    """Names to one line with an ellipsis; of checks nothing is lost."""
    check = "deletion 0.21, random places 0.35, the centre 0.29, in all 64 images"
    maps = Mapped("Grad-CAM", np.eye(2), ONE, (check,))
    explanation_sheet([row("a_very_long_name_of_an_image_in_a_folder_of_a_folder.jpeg", maps)], side=160)
    (cut,) = [text for text in written if text.startswith("a_very")]
    assert "…" in cut and cut.endswith(".jpeg")
    assert check not in written
    assert " ".join(text for text in written if text in check and len(text) > 8) == check


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_drawn(name):
    """Also where the font lacks it."""
    assert explanation_sheet([row(name, Mapped(name, np.eye(2), ONE, (name,), name))], title=name).width > 400


def test_small_images_are_enlarged_and_frames_show_the_crop():
    """28 pixels become 224; the part that was not seen is dark in the map, and framed in the image."""
    image = np.full((28, 28, 3), 100, np.uint8)
    one = Row("a", image, Window(7, 0, 21, 28), (Mapped("Grad-CAM", np.ones((2, 2)), ONE),))
    sheet = np.asarray(explanation_sheet([one], side=240)).astype(int)
    dark = (sheet == 40).all(axis=2)
    assert (dark.sum(axis=1) > 100).sum() == 224
    assert (sheet[:, 14 + 55] == 240).all(axis=1).sum() >= 224


def test_rows_of_other_methods_or_none_are_refused():
    """One column is one method."""
    with pytest.raises(Refused, match="same methods"):
        explanation_sheet([])
    with pytest.raises(Refused, match="same methods"):
        explanation_sheet([row("a"), row("b", Mapped("CAM", np.eye(2), ONE))])
