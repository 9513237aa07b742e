"""Candidates side by side: a point with its interval each, the baseline, and what they cost."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from boda.errors import Refused
from boda.pictures.drawing import Axis, Drawing, spanning
from boda.pictures.wording import ABSENT, breadth, fitted, interval, meaningful, metric_name, number, share

_ROW, _TOP, _PLOT, _NAME = 25, 40, 250, 290

Candidates = Sequence[Mapping[str, Any]]


def comparison(
    candidates: Candidates,
    *,
    metric: str,
    higher_is_better: bool = True,
    baseline: float | None = None,
    line: str = "baseline",
    level: float = 0.9,
    ranked: bool = True,
) -> bytes:
    """Draw one line a candidate, best on top, over one axis.

    Args:
        candidates: each `name` and `value` and, where known, `low`, `high`, `to_best` (with the `low` and `high` of a
            paired difference), `width` (features) and `seconds`. One without a value comes last, with a dash.
        metric: what the values are, a key such as `spearman` or words with a unit.
        higher_is_better: which end of the axis is on top.
        baseline: of the trivial predictor, drawn as a line through all.
        line: what the baseline is called.
        level: of the intervals.
        ranked: False keeps the order given.

    Returns:
        One SVG file.

    Raises:
        Refused: no candidate has a value.
    """
    metric = metric_name(metric)
    valued = [one for one in candidates if _finite(one.get("value"))]
    if not valued:
        raise Refused("comparison: no candidate has a value, so there is nothing to draw")
    if ranked:
        valued = sorted(valued, key=lambda one: -one["value"] if higher_is_better else one["value"])
    rows = [*valued, *(one for one in candidates if not _finite(one.get("value")))]
    columns = _columns(rows, level)
    left = min(_NAME, max(breadth(str(one["name"]), 13) for one in rows)) + 24
    foot = _TOP + _ROW * len(rows)
    ends = [left + _PLOT + 26 + sum(wide for _, wide, _ in columns[:place]) for place in range(len(columns) + 1)]
    drawing = Drawing(ends[-1] + 4, foot + 52, _words(valued, metric))
    axis = _axis(valued, baseline, left)
    drawing.across(axis, _TOP - 8, foot, metric)
    if baseline is not None and math.isfinite(baseline):
        drawing.line((axis(baseline), _TOP - 8, axis(baseline), foot), colour="ink", width=1.4, dashed=True)
        drawing.text(axis(baseline), _TOP - 14, line, anchor=axis.side(baseline), colour="soft", size=12)
    for place, one in enumerate(rows):
        middle = _TOP + (place + 0.5) * _ROW
        drawing.text(left - 12, middle + 4, fitted(str(one["name"]), _NAME), anchor="end")
        _draw_span(drawing, axis, one, middle)
    for (heading, _, cells), end in zip(columns, ends[1:], strict=True):
        drawing.text(end - 8, _TOP - 14, heading, anchor="end", colour="soft", size=12)
        for place, cell in enumerate(cells):
            drawing.text(end - 8, _TOP + (place + 0.5) * _ROW + 4, cell, anchor="end", size=12.5)
    return drawing.svg()


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _words(valued: Candidates, metric: str) -> str:
    said = ", ".join(f"{one['name']} {number(one['value'])}" for one in valued[:5])
    return f"{metric} of {len(valued)} candidates: {said}{' …' if len(valued) > 5 else ''}"


def _columns(rows: Candidates, level: float) -> list[tuple[str, float, list[str]]]:
    """(heading, pixels, a text each row) of what is known of any candidate."""
    known = [meaningful(one["low"], one["high"]) for one in rows if _spanned(one)]
    decimals = max(known, default=None)
    columns = [("value", [number(one.get("value"), decimals=decimals) for one in rows])]
    if known:
        cells = [interval(one.get("low"), one.get("high"), decimals=decimals) for one in rows]
        columns.append((f"{share(level)} interval", cells))
    costs = [key for key in ("width", "seconds") if any(one.get(key) is not None for one in rows)]
    if any(one.get("to_best") for one in rows):
        columns.append(("to the best", [_behind(one.get("to_best") or {}) for one in rows]))
    columns += [(key, [number(one.get(key)) for one in rows]) for key in costs]
    return [(head, max(breadth(text, 12.5) for text in [head, *cells]) + 16, cells) for head, cells in columns]


def _behind(difference: Mapping[str, Any]) -> str:
    """The paired difference to the best; the best itself has none."""
    low, high = difference.get("low"), difference.get("high")
    return ABSENT if low == high else interval(low, high)


def _spanned(one: Mapping[str, Any]) -> bool:
    """Whether a candidate has an interval."""
    return _finite(one.get("low")) and _finite(one.get("high"))


def _axis(valued: Candidates, baseline: float | None, left: float) -> Axis:
    ends = [one[key] for one in valued for key in ("value", "low", "high") if _finite(one.get(key))]
    ends += [baseline] if baseline is not None and math.isfinite(baseline) else []
    return spanning(min(ends), max(ends), left, left + _PLOT, room=0.06)


def _draw_span(drawing: Drawing, axis: Axis, one: Mapping[str, Any], middle: float) -> None:
    if not _finite(one.get("value")):
        return
    if _spanned(one):
        drawing.line((axis(one["low"]), middle, axis(one["high"]), middle), colour="main", width=2.4)
    drawing.dots(np.array([axis(one["value"])]), np.array([middle]), size=9)
