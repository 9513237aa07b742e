"""The reliability curve shows each bin where it belongs."""

import numpy as np
import pytest

from boda.errors import Refused
from boda.evaluation.reliability import reliability_of
from boda.pictures.reliability import reliability
from drawn import Drawn


def bins(*points: tuple[float, float, int]) -> list[dict]:
    return [
        {"said": said, "happened": {"value": true, "low": true - 0.05, "high": true + 0.05, "rows": rows}}
        for said, true, rows in points
    ]


def test_dots_lie_where_said_meets_happened():
    """A bin on the diagonal is a dot on the dashed line; one above came true more often than said."""
    drawn = Drawn(reliability(bins((0.2, 0.2, 10), (0.5, 0.7, 20), (0.9, 0.9, 30))))
    (x1, y1), (x2, _) = next(path.points for path in drawn.paths if path.dashed)
    side = x2 - x1
    said = (drawn.dots("main") - (x1, 0))[:, 0] / side
    true = (y1 - drawn.dots("main")[:, 1]) / side
    np.testing.assert_allclose(said, [0.2, 0.5, 0.9], atol=0.001)
    np.testing.assert_allclose(true, [0.2, 0.7, 0.9], atol=0.001)


def test_bars_are_as_high_as_their_rows():
    """The fullest bin has the highest bar, the others their part of it, and its count is said."""
    drawn = Drawn(reliability(bins((0.2, 0.2, 500), (0.5, 0.5, 1000), (0.9, 0.9, 2000))))
    heights = np.array([float(box["height"]) for box in drawn.boxes])
    np.testing.assert_allclose(heights / heights.max(), [0.25, 0.5, 1], atol=0.01)
    assert "2,000" in drawn.texts


def test_both_curves_are_named():
    """Before and after have a legend; one curve alone needs none."""
    one, two = bins((0.5, 0.5, 9)), bins((0.5, 0.8, 9))
    assert {"calibrated", "as learned"} <= set(Drawn(reliability(one, two)).texts)
    assert "as learned" not in Drawn(reliability(one)).texts


def test_bins_that_the_evaluation_writes_are_drawn():
    """Its JSON goes in as it is, and the words agree with its calibration error."""
    rng = np.random.default_rng(0)
    said = rng.random(800)
    record = reliability_of(said, rng.random(800) < said**2).as_json()
    drawn = Drawn(reliability(record["bins"]))
    assert len(drawn.dots("main")) == 10
    assert f"{100 * record['error']:.1f} points" in drawn.words


def test_empty_bins_are_left_out_and_none_is_refused():
    """A bin without rows has no share; without any there is no curve."""
    empty = {"said": 0.5, "happened": {"value": None, "low": None, "high": None, "rows": 0}}
    assert len(Drawn(reliability([empty, *bins((0.4, 0.5, 3))])).dots("main")) == 1
    with pytest.raises(Refused, match="no bin holds a row"):
        reliability([empty])
