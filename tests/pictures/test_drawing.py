"""A drawing is one well-formed picture that is readable in light and in dark."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from boda.pictures.confusion import ink_on
from boda.pictures.drawing import COLOURS, Axis, Drawing, bulk, spanning
from drawn import HOSTILE, Drawn

SCHEMES = pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])


def linear(colour: str) -> np.ndarray:
    """Hex to linear light."""
    part = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG 2 contrast of two colours in linear light."""
    first, second = (float(colour @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return max(first, second) / min(first, second)


@SCHEMES
@pytest.mark.parametrize("colour", ["ink", "soft", "main", "other"])
def test_words_and_marks_stand_out(scheme, colour):
    """Contrast with the paper is at least 4.5 (WCAG AA) in both schemes."""
    assert contrast(linear(COLOURS[colour][scheme]), linear(COLOURS["paper"][scheme])) >= 4.5


@SCHEMES
def test_words_on_shades_stand_out(scheme):
    """On every shade that a share can have, its figure stays readable."""
    paper, main = (
        np.array([int(COLOURS[name][scheme][i : i + 2], 16) for i in (1, 3, 5)]) for name in ("paper", "main")
    )
    for part in np.linspace(0, 1, 101):
        mixed = "#" + "".join(f"{round(sign):02x}" for sign in paper + part * (main - paper))
        assert contrast(linear(COLOURS[ink_on(part)][scheme]), linear(mixed)) >= 4, part


@SCHEMES
@pytest.mark.parametrize(
    "seen",
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ],
    ids=["protanopia", "deuteranopia", "tritanopia"],
)
def test_marks_are_told_apart_by_every_eye(scheme, seen):
    """Both mark colours stay far apart as the colour-blind see them (Machado et al., IEEE TVCG 15(6), 2009)."""
    main, other = (
        np.clip(np.array(seen) @ linear(COLOURS[name][scheme]), 0, 1) ** (1 / 2.2) for name in ("main", "other")
    )
    assert np.abs(main - other).max() > 0.25


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_only_text(name):
    """Tags, quotes, bidi signs, control signs and stray bytes of a name stay within its text."""
    drawing = Drawing(100, 50, name)
    drawing.text(1, 2, name)
    drawn = Drawn(drawing.svg())
    assert [part.tag.rpartition("}")[2] for part in drawn.root.iter()] == ["svg", "style", "rect", "text"]
    assert drawn.texts == [drawn.words]
    assert drawn.words.isprintable()


def test_both_schemes_are_inside():
    """A drawing follows the reader's scheme and has its own paper."""
    svg = Drawing(10, 10, "nothing").svg().decode()
    assert "prefers-color-scheme:dark" in svg
    assert '<rect class="paper"' in svg


def test_the_same_strokes_are_the_same_bytes():
    """Nothing of the moment goes into a drawing."""

    def draw() -> bytes:
        drawing = Drawing(90, 90, "same")
        drawing.across(Axis(0, 1, 10, 80), 10, 60, "x")
        return drawing.svg()

    assert draw() == draw()


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_are_round_and_on_the_axis(low, width, most):
    """Ticks lie on the axis in equal steps, with labels of their own."""
    axis = Axis(low, low + width, 0, 100)
    assume(axis.high > axis.low)
    ticks = axis.ticks(most)
    values = [value for value, _ in ticks]
    assert len(ticks) <= most + 1
    assert all(axis.low - 1e-6 * width <= value <= axis.high + 1e-6 * width for value in values)
    assert (
        len({round(b - a, 9) for a, b in itertools.pairwise(values)}) <= 1
        or width > 1e3
        or np.ptp(np.diff(values)) < 1e-6
    )
    assert len({text for _, text in ticks}) == len(ticks) or width < 1e-4 * abs(low)


@given(st.floats(-1e12, 1e12))
def test_one_value_alone_still_has_an_axis(value):
    """A constant gets a range around it."""
    axis = spanning(value, value, 0, 100)
    assert axis.low < value < axis.high
    assert axis.ticks()


def test_a_value_of_ten_to_the_tenth_does_not_squeeze_the_rest():
    """The range to show is that of the bulk; without far values it is that of all."""
    values = np.random.default_rng(0).normal(size=1000)
    assert bulk(values) == (values.min(), values.max())
    low, high = bulk(np.append(values, 1e10))
    assert -5 < low < -2
    assert 2 < high < 5
