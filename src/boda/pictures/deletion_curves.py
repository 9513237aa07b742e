"""Deletion and insertion: what becomes of a score as the hottest places go or come, beside random and centre places."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.keys import shown
from boda.pictures.drawing import Axis, Colour, Drawing, curve, spanning
from boda.pictures.wording import breadth, fitted, number

_LEFT, _TOP, _SIDE, _GAP, _KEY = 78, 44, 300, 84, 21
_STYLES: tuple[tuple[Colour, float, bool], ...] = (
    ("main", 2.6, False),
    ("other", 1.8, False),
    ("soft", 1.8, True),
    ("ink", 1.4, True),
)
"""Colour, width and dashes, in the order of the curves."""
_Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Traced:
    """One order of places, and the score along it."""

    name: str
    """"Grad-CAM", "random places", "centre first"."""
    shares: _Floats
    """(s,) of the image that is gone, or there, 0 to 1, ascending."""
    values: _Floats
    """(s,) the score."""
    area: str = ""
    """The area under it as it is read, with its interval."""
    low: _Floats | None = None
    """(s,) ends of an interval at each share."""
    high: _Floats | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """Curves over one axis."""

    title: str
    """"Deletion: lower is better"."""
    curves: Sequence[Traced]
    """One to four: the map's first, then what it is measured against."""
    across: str = "share of the image"


def curves_picture(panels: Sequence[Panel], *, unit: str) -> bytes:
    """Draw the panels side by side over one scale of the score.

    Args:
        panels: at least one.
        unit: of the score.

    Returns:
        One SVG file.

    Raises:
        Refused: nothing to draw, more than four curves over one axis, or a curve whose arrays differ in length.
    """
    _check(panels)
    drawn = [one for panel in panels for one in panel.curves]
    ends = [part for one in drawn for part in (one.values, one.low, one.high) if part is not None]
    y = spanning(*_range(ends), _TOP + _SIDE, _TOP)
    foot = _TOP + _SIDE + 58
    height = foot + _KEY * max(len(panel.curves) for panel in panels) + 8
    words = "; ".join(f"{panel.title}: {', '.join(_said(one) for one in panel.curves)}" for panel in panels)
    drawing = Drawing(_LEFT + len(panels) * (_SIDE + _GAP) - _GAP + 24, height, words)
    for place, panel in enumerate(panels):
        left = _LEFT + place * (_SIDE + _GAP)
        _draw_panel(drawing, panel, Axis(0, 1, left, left + _SIDE), y, unit if place == 0 else "")
    return drawing.svg()


def _check(panels: Sequence[Panel]) -> None:
    if not panels or not all(1 <= len(panel.curves) <= len(_STYLES) for panel in panels):
        raise Refused(f"curves: each panel takes 1 to {len(_STYLES)} curves, and there must be a panel")
    for one in (one for panel in panels for one in panel.curves):
        lengths = {len(part) for part in (one.shares, one.values, one.low, one.high) if part is not None}
        if len(lengths) != 1 or not np.isfinite(one.values).all():
            raise Refused(
                f"curve {shown(one.name)!r}: shares, values and intervals differ in length, or are not finite"
            )


def _range(parts: Sequence[_Floats]) -> tuple[float, float]:
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def _said(one: Traced) -> str:
    return f"{one.name} from {number(float(one.values[0]))} to {number(float(one.values[-1]))}"


def _draw_panel(drawing: Drawing, panel: Panel, x: Axis, y: Axis, unit: str) -> None:
    drawing.text(x.start, _TOP - 16, fitted(panel.title, _SIDE, 14), size=14)
    drawing.across(x, _TOP, _TOP + _SIDE, panel.across)
    for value, text in y.ticks():
        drawing.line((x.start, y(value), x.end, y(value)))
        drawing.text(x.start - 7, y(value) + 4, text, anchor="end", colour="soft", size=12)
    if unit:
        drawing.text(16, (y.start + y.end) / 2, fitted(unit, _SIDE), anchor="middle", turned=-90)
    for one, (colour, width, dashed) in reversed(list(zip(panel.curves, _STYLES, strict=False))):
        if one.low is not None and one.high is not None:
            there, back = _points(x, y, one.shares, one.high), _points(x, y, one.shares, one.low)
            drawing.path(f"{curve([*there, *reversed(back)])}Z", colour=colour, opacity=0.16)
        drawing.path(curve(_points(x, y, one.shares, one.values)), colour=colour, stroke=width, dashed=dashed)
    for place, (one, (colour, width, dashed)) in enumerate(zip(panel.curves, _STYLES, strict=False)):
        foot = _TOP + _SIDE + 66 + place * _KEY
        drawing.line((x.start, foot - 4, x.start + 26, foot - 4), colour=colour, width=width, dashed=dashed)
        room = _SIDE - 34 - (breadth(one.area, 13) + 10 if one.area else 0)
        drawing.text(x.start + 34, foot, fitted(one.name, room))
        drawing.text(x.end, foot, one.area, anchor="end", colour="soft")


def _points(x: Axis, y: Axis, shares: _Floats, values: _Floats) -> list[tuple[float, float]]:
    return [(x(float(share)), y(float(value))) for share, value in zip(shares, values, strict=True)]
