"""Curves of deletion and insertion are drawn over one scale, each with what it is measured against."""

import numpy as np
import pytest

from boda.errors import Refused
from boda.pictures.deletion_curves import Panel, Traced, curves_picture
from drawn import HOSTILE, Drawn

SHARES = np.linspace(0, 1, 11)


def panels(name="Grad-CAM"):
    band = {"low": 0.4 - 0.3 * SHARES, "high": 0.6 - 0.3 * SHARES}
    falling = [
        Traced(name, SHARES, np.exp(-5 * SHARES), "0.20"),
        Traced("centre first", SHARES, 1 - SHARES, "0.50"),
        Traced("random places", SHARES, 0.5 - 0.3 * SHARES, "0.35 (0.25 to 0.45)", **band),
    ]
    rising = [Traced(one.name, SHARES, one.values[::-1], one.area) for one in falling]
    return [Panel("Deletion: lower is better", falling), Panel("Insertion: higher is better", rising)]


def test_curves_have_the_shape_of_their_values():
    """First the map's, over both other ones; the same value has the same height in both panels."""
    drawn = Drawn(curves_picture(panels(), unit="softmax"))
    falling, rising = (path.points for path in drawn.paths if path.colour == "main-line" and len(path.points) == 11)
    assert (np.diff(falling[:, 0]) > 0).all() and (np.diff(falling[:, 1]) > 0).all()
    assert (np.diff(rising[:, 1]) < 0).all()
    assert falling[0, 1] == pytest.approx(rising[-1, 1])
    assert falling[-1, 0] < rising[0, 0]


def test_bands_hold_their_curve():
    """The interval of random places is an area around them."""
    drawn = Drawn(curves_picture(panels(), unit="softmax"))
    (band,) = [path.points for path in drawn.paths if path.opacity < 1]
    line = next(path.points for path in drawn.paths if path.dashed and len(path.points) == 11)
    upper, lower = band[:11], band[11:][::-1]
    assert (upper[:, 1] < line[:, 1]).all() and (line[:, 1] < lower[:, 1]).all()


def test_every_curve_is_named_with_its_area():
    """In each panel, and in the words for those who do not see it."""
    drawn = Drawn(curves_picture(panels(), unit="softmax"))
    for name in ("Grad-CAM", "centre first", "random places", "share of the image"):
        assert drawn.texts.count(name) == 2
    assert {"0.20", "0.35 (0.25 to 0.45)", "softmax", "Deletion: lower is better"} <= set(drawn.texts)
    assert "Grad-CAM from 1 to 0.00674" in drawn.words


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    """The drawing stays well-formed."""
    assert Drawn(curves_picture(panels(name), unit=name)).size[0] > 600


def test_a_curve_that_does_not_move_is_drawn():
    """A score of 0 all along."""
    flat = Panel("Deletion", [Traced("CAM", SHARES, np.zeros(11))])
    assert Drawn(curves_picture([flat], unit="logit")).size[0] < 500


def test_what_cannot_be_drawn_is_refused():
    """No panels, too many curves, arrays of different lengths, NaN."""
    good = Traced("a", SHARES, SHARES)
    for bad in ([], [Panel("x", [])], [Panel("x", [good] * 5)]):
        with pytest.raises(Refused, match="1 to 4 curves"):
            curves_picture(bad, unit="logit")
    for curve in (Traced("a", SHARES, SHARES[1:]), Traced("a", SHARES, SHARES * np.nan)):
        with pytest.raises(Refused, match="curve 'a'"):
            curves_picture([Panel("x", [curve])], unit="logit")
