"""The reliability curve: how often a class came true that was given a certain probability."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from boda.errors import Refused
from boda.pictures.drawing import Axis, Colour, Drawing, curve
from boda.pictures.wording import number

_LEFT, _TOP, _SIDE, _LOW = 76, 34, 320, 64

Bins = Sequence[Mapping[str, Any]]
_Point = tuple[float, float, float, float, int]
"""Said, came true, both ends of its interval, in per cent; rows."""


def reliability(after: Bins, before: Bins = ()) -> bytes:
    """Draw the share that came true over the probability that was said, bin by bin, and the rows in each bin.

    Args:
        after: bins, each `said` (mean probability, 0 to 1) and `happened`: `value` (share that came true, 0 to 1),
            its interval `low` and `high`, and `rows`. Bins without rows are left out.
        before: the same before calibration.

    Returns:
        One SVG file.

    Raises:
        Refused: no bin holds a row.
    """
    bins, earlier = _points(after), _points(before)
    if not bins:
        raise Refused("reliability: no bin holds a row, so there is no curve to draw")
    foot = _TOP + _SIDE
    x, y = Axis(0, 100, _LEFT, _LEFT + _SIDE), Axis(0, 100, foot, _TOP)
    drawing = Drawing(_LEFT + _SIDE + 22, foot + _LOW + 66, _words(bins))
    drawing.across(x, _TOP, foot + 14 + _LOW, "Probability that was said (%)")
    drawing.upright(y, _LEFT, _LEFT + _SIDE, "Share that came true (%)")
    drawing.line((x(0), y(0), x(100), y(100)), colour="ink", width=1.2, dashed=True)
    if earlier:
        _draw_curve(drawing, x, y, earlier, "soft")
    _draw_curve(drawing, x, y, bins, "main")
    _draw_counts(drawing, x, bins, foot + 14)
    _draw_legend(drawing, both=bool(earlier))
    return drawing.svg()


def _points(bins: Bins) -> list[_Point]:
    found = []
    for part in bins:
        happened = part["happened"]
        if happened["rows"]:
            shares = (part["said"], happened["value"], happened["low"], happened["high"])
            said, true, low, high = (100.0 * share for share in shares)
            found.append((said, true, low, high, int(happened["rows"])))
    return sorted(found)


def _words(points: Sequence[_Point]) -> str:
    rows = sum(point[4] for point in points)
    gap = sum(count * abs(said - true) for said, true, _, _, count in points) / rows
    return f"Reliability curve of {rows:,} rows: said and true probability differ by {gap:.1f} points on average"


def _draw_curve(drawing: Drawing, x: Axis, y: Axis, points: Sequence[_Point], colour: Colour) -> None:
    places = np.array([(x(said), y(true)) for said, true, *_ in points])
    drawing.path(curve(map(tuple, places)), colour=colour, stroke=1.8, opacity=0.7)
    for said, _, low, high, _ in points:
        drawing.line((x(said), y(low), x(said), y(high)), colour=colour, width=1.6)
    drawing.dots(places[:, 0], places[:, 1], colour=colour, size=7)


def _draw_counts(drawing: Drawing, x: Axis, points: Sequence[_Point], top: float) -> None:
    """Rows a bin as bars, each as wide as the space to its neighbours allows."""
    most = max(point[4] for point in points)
    said = [x(point[0]) for point in points]
    wide = max(3.0, min([16.0, *(right - left - 2 for left, right in pairwise(said))]))
    drawing.line((x.start, top + _LOW, x.end, top + _LOW))
    for left, (*_, count) in zip(said, points, strict=True):
        tall = max(1.0, (_LOW - 6) * count / most)
        drawing.box((left - wide / 2, top + _LOW - tall), (wide, tall), opacity=0.75)
    drawing.text(_LEFT - 7, top + 12, number(most), anchor="end", colour="soft", size=12)
    drawing.text(_LEFT - 7, top + _LOW, "0", anchor="end", colour="soft", size=12)
    drawing.text(16, top + _LOW / 2, "Rows", anchor="middle", turned=-90)


def _draw_legend(drawing: Drawing, *, both: bool) -> None:
    if both:
        drawing.dots(np.array([_LEFT + 6.0]), np.array([16.0]), size=8)
        drawing.text(_LEFT + 16, 20, "calibrated", colour="soft", size=12)
        drawing.dots(np.array([_LEFT + 106.0]), np.array([16.0]), colour="soft", size=8)
        drawing.text(_LEFT + 116, 20, "as learned", colour="soft", size=12)
