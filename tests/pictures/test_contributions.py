"""Bars of a decision begin where the one before ended, and nothing is left out of the sum."""

import pytest

from boda.errors import Refused
from boda.pictures.contributions import contributions_picture
from drawn import HOSTILE, Drawn

NAMES = ["image", "rooms", "area", "zip code"]
VALUES = [0.5, -1.5, 2.0, 0.25]


def bars(drawn: Drawn) -> list[tuple[str, float, float]]:
    return [(box["class"], float(box["x"]), float(box["width"])) for box in drawn.boxes]


def test_each_bar_begins_where_the_one_before_ended():
    """The largest first; orange goes right, blue left."""
    drawn = Drawn(contributions_picture(NAMES, VALUES, 10.0, 11.25, "log price"))
    (c1, x1, w1), (c2, x2, w2), (c3, x3, w3), (c4, x4, w4) = bars(drawn)
    assert (c1, c2, c3, c4) == ("main", "other", "main", "main")
    assert x2 + w2 == pytest.approx(x1 + w1, abs=0.2)
    assert x3 == pytest.approx(x2, abs=0.2)
    assert x4 == pytest.approx(x3 + w3, abs=0.2)
    assert w1 / w3 == pytest.approx(4, rel=0.01) and w2 / w4 == pytest.approx(6, rel=0.01)
    assert {"+2.00", "−1.50", "+0.50", "+0.25", "10.00", "11.25", "log price", "average", "score"} <= set(drawn.texts)
    assert drawn.texts.index("area") < drawn.texts.index("rooms") < drawn.texts.index("image")


def test_what_the_parts_do_not_explain_is_a_bar():
    """Its value is the score less the base less their sum; rounding is none."""
    drawn = Drawn(contributions_picture(NAMES, VALUES, 10.0, 12.0, "log price"))
    assert "not explained" in drawn.texts and "+0.75" in drawn.texts
    assert len(bars(drawn)) == 5
    assert len(bars(Drawn(contributions_picture(NAMES, VALUES, 10.0, 11.25 + 1e-9, "log price")))) == 4


def test_many_parts_end_in_one_for_the_others():
    """The smallest are added up, and the sum stays."""
    drawn = Drawn(
        contributions_picture([f"n{i}" for i in range(40)], list(range(1, 41)), 0.0, 820.0, "points", most=10)
    )
    assert len(bars(drawn)) == 10
    assert "31 others together" in drawn.texts and "+496" in drawn.texts
    assert "not explained" not in drawn.texts


def test_figures_have_one_precision_that_hides_no_part():
    """Base and score that round alike are told apart; a part too small for it keeps its own signs."""
    parts = contributions_picture(["area", "rooms"], [0.06, -0.00001], 13.0, 13.05999, "log price")
    assert {"13.0000", "+0.0600", "−1×10⁻⁵", "13.0600"} <= set(Drawn(parts).texts)
    dollars = contributions_picture(["area"], [120_000.4], 300_000.0, 420_000.4, "dollars")
    assert {"300,000", "+120,000", "420,000"} <= set(Drawn(dollars).texts)


def test_zeros_and_a_single_part_are_drawn():
    """Nothing moved the score, and it says so."""
    drawn = Drawn(contributions_picture(["image"], [0.0], 1.0, 1.0, "logit"))
    assert len(bars(drawn)) == 1
    assert "0" in drawn.texts


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    """The drawing stays well-formed."""
    assert Drawn(contributions_picture([name], [1.0], 0.0, 1.0, name, base_name=name)).words


def test_numbers_that_do_not_belong_are_refused():
    """More names than values, none, or one that is not finite."""
    for names, values in ((["a"], []), ([], []), (["a"], [float("nan")])):
        with pytest.raises(Refused, match="contributions"):
            contributions_picture(names, values, 0.0, 1.0, "logit")
