"""A picture of a map shows its points in their colours, paler where they are in doubt."""

import io

import numpy as np
import pytest
from PIL import Image

from boda.pictures import map_colours
from boda.pictures.map_picture import MARK, Doubt, map_picture
from drawn import HOSTILE


def opened(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.info["Software"] == MARK
        return np.asarray(picture.convert("RGB"), np.int64)


def near(pixels: np.ndarray, colour: str, within: int = 40) -> int:
    """How many pixels are of about this colour."""
    wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return int((np.abs(pixels - wanted).sum(axis=2) < within).sum())


def test_groups_have_their_colours_and_doubt_makes_pale():
    """Two groups of equal size; of the one in doubt few pixels have its full colour."""
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.normal(0, 1, (40, 2)), rng.normal(30, 1, (40, 2))]).astype(np.float32)
    colours = map_colours.by_name("kind", ["a"] * 40 + ["b"] * 40)
    sure = Doubt("doubt", np.repeat([0.0, 1.0], 40).astype(np.float32), pale=True, end=("low", "high"))
    plain = opened(map_picture(places, colours, title="t", words=["w"]))
    pale = opened(map_picture(places, colours, title="t", words=["w"], doubt=sure))
    first, second = colours.palette[:2]
    assert near(plain, first) > 300
    assert near(plain, second) > 300
    assert near(pale, second) < 0.5 * near(plain, second)
    assert near(pale, first) > 0.8 * near(plain, first)
    assert pale.shape[1] > 1.5 * plain.shape[1]


def test_three_dimensions_are_three_fields():
    """Side by side."""
    rng = np.random.default_rng(1)
    flat, deep = (rng.normal(size=(30, dims)).astype(np.float32) for dims in (2, 3))
    widths = [opened(map_picture(one, map_colours.plain(30), title="t", words=[])).shape[1] for one in (flat, deep)]
    assert widths[1] > 2.5 * widths[0]


@pytest.mark.parametrize("name", [*HOSTILE, "$x^2$", "\\frac", ""])
def test_any_name_can_be_drawn(name):
    """Letters that no font has, formulas that are none; no warning."""
    places = np.random.default_rng(2).normal(size=(4, 2)).astype(np.float32)
    colours = map_colours.by_name(name, [name, name, None, "other"])
    behind = np.zeros((3, 2), np.float32)
    opened(map_picture(places, colours, title=name, words=[name], marked=np.arange(4) == 1, behind=behind))


def test_legends_count_names_and_scales_leave_out_the_far_ends():
    """The most frequent names get colours, others one together; numbers get a scale, and NaN a colour of its own."""
    names = [f"{i % 20}" for i in range(200)] + ["0", None]
    found = map_colours.by_name("digit", names)
    kept = [int(name) for _, name, _ in found.legend[:-2]]
    assert kept == sorted(kept)
    assert sum(count for _, _, count in found.legend) == len(names)
    assert found.legend[-1][1] == "no name"
    assert "other names" in found.legend[-2][1]
    assert found.legend[0][1:] == ("0", 11)
    values = np.append(np.linspace(0, 1, 500), [1e6, np.nan])
    scale = map_colours.by_number("size", values)
    assert scale.scale[1] < 2
    assert (scale.index[-2], scale.index[-1]) == (63, 64)
    assert map_colours.by_number("none", np.full(3, np.nan)).index.tolist() == [64] * 3
    assert map_colours.by_name("none", [None, None]).legend[-1][2] == 2


def test_names_that_look_like_numbers_and_are_none_stay_names():
    """Whole numbers by their value, then what only begins like one."""
    found = map_colours.by_name("code", ["10", "--5", "-2", "-", "9"])
    assert [name for _, name, _ in found.legend] == ["-2", "9", "10", "-", "--5"]
