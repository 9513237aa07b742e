"""How a target is spread: every row is in a bar or counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.pictures.histogram import bars, histogram
from drawn import HOSTILE, Drawn


def heights(svg: bytes) -> np.ndarray:
    return np.array([float(box["height"]) for box in Drawn(svg).boxes])


def test_whole_numbers_get_a_bar_each():
    """Seven votes 0 to 6, each as high as it is frequent."""
    svg = histogram(np.repeat(np.arange(7), [10, 20, 40, 80, 40, 20, 10]), name="votes")
    np.testing.assert_allclose(heights(svg) / heights(svg).max(), np.array([1, 2, 4, 8, 4, 2, 1]) / 8, atol=0.01)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80), st.floats(-1e9, 1e9))
def test_any_numbers_can_be_drawn(values, baseline):
    """Constants, extremes and single values all give a picture within its frame."""
    drawn = Drawn(histogram(values, name="x", baseline=baseline))
    assert drawn.boxes
    for box in drawn.boxes:
        assert 0 <= float(box["x"]) <= float(box["x"]) + float(box["width"]) <= drawn.size[0]


def test_the_baseline_is_said():
    """What the trivial predictor says is a dashed line with its value."""
    drawn = Drawn(histogram([1.0, 2.0, 3.5], name="score", unit="points", baseline=2.1667))
    assert any(path.dashed for path in drawn.paths)
    assert {"baseline says 2.17", "score (points)", "Rows"} <= set(drawn.texts)


def test_far_values_are_counted():
    """One value of 10^10 does not make one bar of the rest, and is said."""
    values = np.append(np.random.default_rng(0).normal(size=2000), 1e10)
    drawn = Drawn(histogram(values, name="x"))
    assert len(drawn.boxes) > 10
    assert any("rows lie outside this frame" in text for text in drawn.texts)


@pytest.mark.parametrize("values", [[], [np.nan], [[1.0]]])
def test_no_numbers_are_refused(values):
    """There is nothing to draw, or a row would be hidden."""
    with pytest.raises(Refused, match="histogram of 'x'"):
        histogram(values, name="x")


def test_classes_come_most_first_with_their_shares():
    """Bars are as long as classes are frequent, and the baseline's class is marked."""
    drawn = Drawn(bars([{"name": "rare", "count": 25}, {"name": "common", "count": 75}], baseline="common"))
    assert drawn.texts == ["common", "75  (75 %) baseline", "rare", "25  (25 %)"]
    wide = [float(box["width"]) for box in drawn.boxes]
    assert wide[0] == pytest.approx(3 * wide[1])
    assert [box["class"] for box in drawn.boxes] == ["soft", "main"]


def test_of_many_classes_the_rest_is_said():
    """24 bars and a line for the others."""
    drawn = Drawn(bars([{"name": f"{i}", "count": 200 - i} for i in range(100)]))
    assert len(drawn.boxes) == 24
    assert drawn.texts[-1] == "and 76 more classes, 101 to 176 rows each"


def test_hostile_classes_are_text():
    """Names come from users."""
    drawn = Drawn(bars([{"name": name, "count": 1} for name in HOSTILE]))
    assert "나선은하" in drawn.texts


def test_no_rows_are_refused():
    """Classes that nobody has are no picture."""
    with pytest.raises(Refused, match="no class has a row"):
        bars([{"name": "a", "count": 0}])
