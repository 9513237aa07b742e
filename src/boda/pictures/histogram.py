"""How a target is spread: a number as a histogram, classes as bars, each with its trivial baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.pictures.drawing import Axis, Drawing, bulk, spanning
from boda.pictures.wording import breadth, fitted, number, share

_LEFT, _TOP, _WIDE, _TALL = 76, 34, 380, 200
_BINS = 40
_ROW, _NAME, _BAR, _MOST = 25, 200, 240, 24


def histogram(values: npt.ArrayLike, *, name: str, unit: str = "", baseline: float | None = None) -> bytes:
    """Draw how many rows have which value of a number.

    A few values far off all others are left out of the frame and counted under it.

    Args:
        values: (n,) finite. Few whole numbers get a bar each.
        name: of the target.
        unit: of the target, for the axis.
        baseline: what the trivial predictor says of every row.

    Returns:
        One SVG file.

    Raises:
        Refused: no rows, or values that are not finite.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise Refused(f"histogram of {name!r}: needs one row of finite numbers, not shape {numbers.shape}")
    least, most = bulk(numbers)
    inside = numbers[(numbers >= least) & (numbers <= most)]
    counts, edges = np.histogram(inside, _edges(inside))
    low, high = float(edges[0]), float(edges[-1])
    if baseline is not None:
        low, high = min(low, baseline), max(high, baseline)
    x = spanning(low, high, _LEFT, _LEFT + _WIDE, room=0.01)
    y = Axis(0, float(counts.max()) * 1.04, _TOP + _TALL, _TOP)
    middle = number(float(np.median(numbers)))
    said = f"Histogram of {name}: {len(numbers):,} rows from {number(numbers.min())} to {number(numbers.max())}"
    far = len(numbers) - len(inside)
    drawing = Drawing(_LEFT + _WIDE + 28, _TOP + _TALL + (68 if far else 50), f"{said}, median {middle}")
    drawing.across(x, _TOP, _TOP + _TALL, f"{name} ({unit})" if unit else name)
    drawing.upright(y, _LEFT, _LEFT + _WIDE, "Rows", most=4)
    for count, left, right in zip(counts, x.of(edges[:-1]), x.of(edges[1:]), strict=True):
        if count:
            drawing.box((left + 0.5, y(count)), (max(1.0, right - left - 1), y(0) - y(count)))
    if baseline is not None:
        drawing.line((x(baseline), _TOP - 6, x(baseline), _TOP + _TALL), colour="ink", width=1.4, dashed=True)
        words = f"baseline says {number(baseline)}"
        drawing.text(x(baseline), _TOP - 12, words, anchor=x.side(baseline), colour="soft", size=12)
    if far:
        words = f"{number(far)} of {number(len(numbers))} rows lie outside this frame"
        drawing.text(_LEFT + _WIDE / 2, _TOP + _TALL + 58, words, anchor="middle", colour="soft", size=12)
    return drawing.svg()


def _edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(b + 1,) edges of bins: one around each whole number where these are few, else equal steps (Rice's rule)."""
    low, high = float(values.min()), float(values.max())
    if high - low < _BINS and bool((values == np.round(values)).all()):
        return np.arange(low - 0.5, high + 1)
    if high == low:
        return np.array([low - abs(low) / 2, low + abs(low) / 2])
    return np.linspace(low, high, int(np.clip(2 * np.cbrt(len(values)), 5, _BINS)) + 1)


def bars(classes: Sequence[Mapping[str, Any]], *, baseline: str = "") -> bytes:
    """Draw how many rows each class has, most first.

    Args:
        classes: each `name` and `count` (rows). Of many only the first 24 are drawn, and the rest is said in words.
        baseline: the class that the trivial predictor says of every row; it is marked.

    Returns:
        One SVG file.

    Raises:
        Refused: no class has a row.
    """
    ordered = sorted(classes, key=lambda one: -one["count"])
    total = sum(one["count"] for one in ordered)
    if not total:
        raise Refused("bars: no class has a row, so there is nothing to draw")
    shown, rest = ordered[:_MOST], ordered[_MOST:]
    left = min(_NAME, max(breadth(str(one["name"]), 13) for one in shown)) + 24
    foot = 12 + _ROW * len(shown)
    said = ", ".join(f"{one['name']} {share(one['count'] / total)}" for one in shown[:5])
    words = f"Rows of {len(ordered)} classes: {said}{' …' if len(ordered) > 5 else ''}"
    drawing = Drawing(left + _BAR + 150, foot + (34 if rest else 12), words)
    x = Axis(0, shown[0]["count"], left, left + _BAR)
    for place, one in enumerate(shown):
        top = 12 + place * _ROW
        says = str(one["name"]) == baseline
        drawing.text(left - 12, top + 17, fitted(str(one["name"]), _NAME), anchor="end")
        drawing.box((left, top + 4), (max(1.0, x(one["count"]) - left), _ROW - 8), colour="soft" if says else "main")
        figure = f"{number(one['count'])}  ({share(one['count'] / total)})" + (" baseline" if says else "")
        drawing.text(x(one["count"]) + 8, top + 17, figure, colour="soft", size=12)
    if rest:
        fewest, most = rest[-1]["count"], rest[0]["count"]
        each = number(most) if fewest == most else f"{number(fewest)} to {number(most)}"
        drawing.text(left, foot + 16, f"and {len(rest)} more classes, {each} rows each", colour="soft", size=12)
    return drawing.svg()
