"""A decision with numbers: from where a score begins, step by step, to what the image and each number made of it."""

import math
from collections.abc import Sequence

from boda.errors import Refused
from boda.pictures.drawing import Colour, Drawing, spanning
from boda.pictures.wording import breadth, fitted, meaningful, number

_ROW, _TOP, _PLOT, _NAME, _BAR = 27, 22, 340, 260, 14
_ROUNDING = 1e-6


def contributions_picture(
    names: Sequence[str],
    values: Sequence[float],
    base: float,
    score: float,
    unit: str,
    *,
    base_name: str = "average",
    score_name: str = "score",
    most: int = 14,
) -> bytes:
    """Draw a bar for each part of a score, the largest first, each beginning where the one before ended.

    Orange moved it up, blue down. What the parts leave unexplained is a bar of its own and never hidden.

    Args:
        names: (m,) of the parts: the image, each number.
        values: (m,) how far each moved the score, in its unit.
        base: where the score begins: what is said where nothing is known of the image or its numbers.
        score: where it ends.
        unit: of all of them.
        base_name: what the beginning is called.
        score_name: what the end is called.
        most: bars; the smallest parts beyond are added up as one.

    Returns:
        One SVG file.

    Raises:
        Refused: names and values differ in number, or a value is not finite.
    """
    if len(names) != len(values) or not names or not all(map(math.isfinite, [*values, base, score])):
        raise Refused(f"contributions: {len(names)} names need as many finite values, a base and a score")
    parts = _parts(names, values, base, score, most)
    ends = [base]
    for _, value in parts:
        ends.append(ends[-1] + value)
    labels = [base_name, *(name for name, _ in parts), score_name]
    left = min(_NAME, max(breadth(name, 13) for name in labels)) + 24
    foot = _TOP + _ROW * len(labels)
    decimals = _decimals(min(ends), max(ends))
    moved = [_moved(value, decimals) for _, value in parts]
    said = ", ".join(f"{name} {text}" for (name, _), text in zip(parts, moved, strict=True))
    words = f"{score_name} {number(score, decimals=decimals)} {unit}, from {number(base, decimals=decimals)}: {said}"
    drawing = Drawing(left + _PLOT + 92, foot + 50, words)
    axis = spanning(min(ends), max(ends), left, left + _PLOT, room=0.06)
    drawing.across(axis, _TOP - 6, foot, unit)
    for place, name in enumerate(labels):
        drawing.text(left - 12, _middle(place) + 4.5, fitted(name, _NAME), anchor="end")
    for place, end in enumerate(ends):
        drawing.line((axis(end), _middle(place) + _BAR / 2, axis(end), _middle(place + 1) - _BAR / 2), colour="soft")
    for place, ((_, value), text) in enumerate(zip(parts, moved, strict=True), 1):
        colour: Colour = "main" if value > 0 else "other"
        start, end = sorted((axis(ends[place - 1]), axis(ends[place])))
        drawing.box((start, _middle(place) - _BAR / 2), (max(end - start, 1.5), _BAR), colour=colour)
        drawing.text(left + _PLOT + 84, _middle(place) + 4.5, text, anchor="end", colour=colour)
    for place, value in ((0, base), (len(labels) - 1, score)):
        drawing.line((axis(value), _middle(place) - 9, axis(value), _middle(place) + 9), colour="ink", width=3)
        text = number(value, decimals=decimals)
        drawing.text(left + _PLOT + 84, _middle(place) + 4.5, text, anchor="end")
    return drawing.svg()


def _middle(place: int) -> float:
    return _TOP + (place + 0.5) * _ROW


def _parts(
    names: Sequence[str], values: Sequence[float], base: float, score: float, most: int
) -> list[tuple[str, float]]:
    """Name and value of each bar: the largest first, then the others as one, then what is missing to the score."""
    ranked = sorted(zip(names, map(float, values), strict=True), key=lambda part: -abs(part[1]))
    kept, rest = (ranked, []) if len(ranked) <= most else (ranked[: most - 1], ranked[most - 1 :])
    if rest:
        kept = [*kept, (f"{len(rest)} others together", math.fsum(value for _, value in rest))]
    missing = score - base - math.fsum(values)
    size = max(abs(base), abs(score), *map(abs, values))
    return [*kept, ("not explained", missing)] if abs(missing) > _ROUNDING * size else list(kept)


def _decimals(low: float, high: float) -> int:
    """So many that the parts are read to three signs of their sum's range; none where that is a large number."""
    few = meaningful(low, high)
    return min(6, few + 1) if few else 0


def _moved(value: float, decimals: int) -> str:
    text = number(value, decimals=decimals if round(value, decimals) else None)
    return f"+{text}" if value > 0 else text
