"""Predicted against true numbers, with the band that the intervals promise."""

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.pictures.drawing import Axis, Drawing, bulk, curve, spanning
from boda.pictures.wording import breadth, number, share

Numbers = npt.NDArray[np.float64]

_LEFT, _TOP, _SIDE = 76, 34, 340
_POINTS = 1500
"""Up to so many rows each is a dot; beyond, hexagons are shaded by how many rows they hold."""
_ACROSS = 34
"""Hexagons from left to right."""
_SHADES = 12


def scatter(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    name: str,
    unit: str = "",
    low: npt.ArrayLike | None = None,
    high: npt.ArrayLike | None = None,
    level: float = 0.9,
) -> bytes:
    """Draw predictions over the true values on equal axes, with the line where both agree.

    With intervals the band is where the true value of a prediction should lie, and rows whose true value lies outside
    their own interval are drawn in the other colour. A few values far off everything else do not squeeze the rest:
    they lie outside the frame and are counted under the axis.

    Args:
        truth: (n,) finite.
        predicted: (n,) finite; best from rows that the head was not fitted on.
        name: of the target.
        unit: of the target, for the axes.
        low: (n,) lower ends of the intervals.
        high: (n,) upper ends of the intervals.
        level: the share of rows that the intervals are to cover.

    Returns:
        One SVG file.

    Raises:
        Refused: no rows, different lengths, values that are not finite, or only one end of the intervals.
    """
    columns = _checked([truth, predicted] if low is None or high is None else [truth, predicted, low, high])
    if (low is None) is not (high is None):
        raise Refused("scatter: intervals need both ends, low and high")
    true, said = columns[:2]
    least, most = bulk(np.concatenate([true, said]))
    x = spanning(least, most, _LEFT, _LEFT + _SIDE, room=0.02)
    y = Axis(x.low, x.high, _TOP + _SIDE, _TOP)
    seen = (true >= x.low) & (true <= x.high) & (said >= y.low) & (said <= y.high)
    inside = (columns[2] <= true) & (true <= columns[3]) if len(columns) == 4 else np.ones(len(true), np.bool_)
    drawing = Drawing(_LEFT + _SIDE + 28, _TOP + _SIDE + (50 if seen.all() else 68), _words(true, said, name))
    measured = f"{name} ({unit})" if unit else name
    drawing.across(x, _TOP, _TOP + _SIDE, f"True {measured}")
    drawing.upright(y, _LEFT, _LEFT + _SIDE, f"Predicted {measured}")
    if len(columns) == 4:
        _draw_band(drawing, x, y, *columns[1:])
    if seen.sum() <= _POINTS:
        _draw_points(drawing, x.of(true[seen]), y.of(said[seen]), inside[seen])
    else:
        _draw_hexagons(drawing, x.of(true[seen]), y.of(said[seen]))
    drawing.line((x(x.low), y(y.low), x(x.high), y(y.high)), colour="ink", width=1.2, dashed=True)
    _draw_legend(drawing, inside, level, banded=len(columns) == 4, dotted=bool(seen.sum() <= _POINTS))
    if not seen.all():
        far = f"{number(int((~seen).sum()))} of {number(len(seen))} rows lie outside this frame"
        drawing.text(_LEFT + _SIDE / 2, _TOP + _SIDE + 58, far, anchor="middle", colour="soft", size=12)
    return drawing.svg()


def _checked(columns: list[npt.ArrayLike]) -> list[Numbers]:
    """All columns as (n,) float64, of one length and finite."""
    arrays = [np.asarray(column, np.float64) for column in columns]
    if arrays[0].ndim != 1 or not len(arrays[0]) or any(array.shape != arrays[0].shape for array in arrays):
        raise Refused(f"scatter: shapes {', '.join(str(a.shape) for a in arrays)}; all must be one row of equal length")
    for array in arrays:
        if not np.isfinite(array).all():
            raise Refused(f"scatter: row {int(np.flatnonzero(~np.isfinite(array))[0])} is not finite; leave it out")
    return arrays


def _words(true: Numbers, said: Numbers, name: str) -> str:
    off = number(float(np.median(np.abs(said - true))))
    return f"Predicted against true {name} of {len(true):,} rows; half of the predictions are within {off} of the truth"


def _draw_band(drawing: Drawing, x: Axis, y: Axis, said: Numbers, low: Numbers, high: Numbers) -> None:
    """Where the truth of a prediction should lie: its interval, laid across at the height of the prediction.

    Widths may differ from row to row; the band takes their medians over neighbouring predictions.
    """
    parts = [part for part in np.array_split(np.argsort(said, kind="stable"), 24) if len(part)]
    middles = [np.median(said[part]) for part in parts]
    heights = np.linspace(y.low, y.high, 120)
    below = np.interp(heights, middles, [np.median((said - low)[part]) for part in parts])
    above = np.interp(heights, middles, [np.median((high - said)[part]) for part in parts])
    left, right = (x.of(np.clip(edge, x.low, x.high)) for edge in (heights - below, heights + above))
    rows = y.of(heights)
    outline = [*zip(left, rows, strict=True), *zip(right[::-1], rows[::-1], strict=True)]
    drawing.path(curve(outline) + "z", colour="soft", opacity=0.16)


def _draw_points(drawing: Drawing, x: Numbers, y: Numbers, inside: npt.NDArray[np.bool_]) -> None:
    size, opacity = (7.0, 0.85) if len(x) < 200 else (4.5, 0.6)
    drawing.dots(x[inside], y[inside], size=size, opacity=opacity)
    drawing.dots(x[~inside], y[~inside], colour="other", size=size, opacity=opacity)


def _draw_hexagons(drawing: Drawing, x: Numbers, y: Numbers) -> None:
    """Hexagons shaded by the logarithm of how many rows lie in them."""
    wide = _SIDE / _ACROSS
    centres, counts = hexagons(x - _LEFT, y - _TOP, wide)
    levels = np.minimum(np.ceil(_SHADES * np.log1p(counts) / np.log1p(counts.max())).astype(int), _SHADES)
    half, rise = wide / 2, wide / np.sqrt(12)
    shape = f"l{half:.2f} {rise:.2f}v{2 * rise:.2f}l-{half:.2f} {rise:.2f}l-{half:.2f}-{rise:.2f}v-{2 * rise:.2f}z"
    for level in range(1, _SHADES + 1):
        tops = centres[levels == level] + (_LEFT, _TOP - 2 * rise)
        path = "".join(f"M{left:.1f} {top:.1f}{shape}" for left, top in tops)
        if path:
            drawing.path(path, opacity=level / _SHADES)
    words = f"1 to {number(int(counts.max()))} rows"
    drawing.text(_LEFT + _SIDE, 20, words, anchor="end", colour="soft", size=12)
    begin = _LEFT + _SIDE - breadth(words, 12) - 66
    for place, level in enumerate((1, 5, 9, 12)):
        drawing.box((begin + 15 * place, 10), (15, 12), opacity=level / _SHADES)


def hexagons(x: Numbers, y: Numbers, wide: float) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Count points in hexagons that stand on a corner; each point belongs to the nearest centre.

    Args:
        x: (n,).
        y: (n,).
        wide: of a hexagon, and the distance between neighbouring centres.

    Returns:
        Centres (h, 2) of the hexagons that hold a point, and their counts (h,).
    """
    tall = wide * np.sqrt(3)  # two rows of hexagons; the odd rows are shifted by half a hexagon
    even = np.stack([np.round(x / wide) * wide, np.round(y / tall) * tall], axis=1)
    odd = np.stack([(np.floor(x / wide) + 0.5) * wide, (np.floor(y / tall) + 0.5) * tall], axis=1)
    points = np.stack([x, y], axis=1)
    nearer = ((points - even) ** 2).sum(axis=1) <= ((points - odd) ** 2).sum(axis=1)
    places = np.where(nearer[:, None], even, odd)
    keys = np.round(places / (wide / 2, tall / 2)).astype(np.int64)
    found, counts = np.unique(keys, axis=0, return_counts=True)
    return found * np.array([wide / 2, tall / 2]), counts.astype(np.int64)


def _draw_legend(drawing: Drawing, inside: npt.NDArray[np.bool_], level: float, *, banded: bool, dotted: bool) -> None:
    if not banded:
        return
    drawing.box((_LEFT, 10), (20, 12), colour="soft", opacity=0.16)
    outside = float(1 - inside.mean())
    if dotted:
        drawing.text(_LEFT + 26, 20, f"{share(level)} intervals", colour="soft", size=12)
        drawing.dots(np.array([_LEFT + 140.0]), np.array([16.0]), colour="other", size=6)
        drawing.text(_LEFT + 150, 20, f"outside its own: {share(outside)}", colour="soft", size=12)
    else:
        drawing.text(_LEFT + 26, 20, f"{share(level)}; {share(outside)} outside", colour="soft", size=12)
