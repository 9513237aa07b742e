"""Drawings: lines, areas and words as one small SVG, readable on light and on dark pages.

They are written here and not by matplotlib's SVG backend, which was tried first: it needs 75 kB for 600 points and
84 kB for a hexbin of 60,000 (here 11 and 24), reads its settings from a global, knows one colour scheme, and warns of
every Hangul syllable that its font lacks; here text stays text, in the fonts of whoever looks.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.keys import shown
from boda.pictures.wording import number

Anchor: TypeAlias = Literal["start", "middle", "end"]
Colour: TypeAlias = Literal["paper", "ink", "soft", "rule", "main", "other", "dark"]

COLOURS: dict[Colour, tuple[str, str]] = {  # on light, on dark; orange and blue are told apart by every kind of eye
    "paper": ("#ffffff", "#1a1c25"),
    "ink": ("#1c1b19", "#eceae4"),
    "soft": ("#6a655d", "#9b9aa3"),
    "rule": ("#e4dfd5", "#343746"),
    "main": ("#a34a1c", "#f0a35e"),
    "other": ("#0072b2", "#6cb8e6"),
    "dark": ("#1c1b19", "#000000"),
}
_FONT = (
    'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans KR","Noto Sans CJK KR","DejaVu Sans",sans-serif'
)


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to pixels, in a straight line."""

    low: float
    high: float
    start: float
    """Where `low` lies, in pixels."""
    end: float
    """Where `high` lies, in pixels."""

    def __call__(self, value: float) -> float:
        """Where a value lies, in pixels."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def of(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Where values (n,) lie, in pixels (n,)."""
        return self.start + (values - self.low) / (self.high - self.low) * (self.end - self.start)

    def side(self, value: float) -> "Anchor":
        """Which end of a word is set over this value so that it stays over the axis."""
        where = (value - self.low) / (self.high - self.low)
        return "start" if where < 0.15 else "end" if where > 0.85 else "middle"

    def ticks(self, most: int = 6) -> list[tuple[float, str]]:
        """Round values on the axis with their labels, at most about `most`."""
        step = round_step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        decimals = next((d for d in range(7) if math.isclose(step, round(step, d), rel_tol=1e-9)), 6)
        return [(place * step, number(place * step, decimals=decimals)) for place in range(first, last + 1)]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`.

    >>> round_step(0.013), round_step(3.0)
    (0.02, 5.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(float(f"{times * power:.6g}") for times in (1, 2, 2.5, 5, 10) if times * power >= least * (1 - 1e-9))


def spanning(low: float, high: float, start: float, end: float, *, room: float = 0.04) -> Axis:
    """An axis over these values with some room at both ends; one value alone gets a range around it."""
    width, size = high - low, max(abs(low), abs(high))
    if width <= max(1e-100, 1e-12 * size):
        width = size if size > 1e-100 else 1.0
        low, high = low - width / 2, high + width / 2
    return Axis(low - room * width, high + room * width, start, end)


def bulk(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The range to show of values (n,): all, or 99 % of them with room where the rest would squeeze it to a third."""
    least, most = float(values.min()), float(values.max())
    low, high = (float(end) for end in np.quantile(values, [0.005, 0.995]))
    if 0 < 3 * (high - low) < most - least:
        room = (high - low) / 4
        least, most = max(least, low - room), min(most, high + room)
    return least, most


class Drawing:
    """A sheet to draw on; later strokes lie on top of earlier ones.

    Args:
        width: in pixels.
        height: in pixels.
        words: what the drawing shows, for those who do not see it.
    """

    def __init__(self, width: float, height: float, words: str) -> None:
        self.width, self.height, self.words = round(width), round(height), words
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: Anchor = "start",
        colour: Colour = "ink",
        size: float = 13,
        turned: float = 0,
    ) -> None:
        """One line, its foot at (x, y), turned by so many degrees around that point."""
        turn = f' transform="rotate({_short(turned)} {_short(x)} {_short(y)})"' if turned else ""
        said = escape(shown(text))
        place = f'x="{_short(x)}" y="{_short(y)}"' + (f' font-size="{_short(size)}"' if size != 13 else "")
        side = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._parts.append(f'<text class="{colour}" {place}{side}{turn}>{said}</text>')

    def line(
        self,
        ends: tuple[float, float, float, float],
        *,
        colour: Colour = "rule",
        width: float = 1,
        dashed: bool = False,
    ) -> None:
        """A straight line from `ends[:2]` to `ends[2:]`."""
        x1, y1, x2, y2 = map(_short, ends)
        self.path(f"M{x1} {y1}L{x2} {y2}", colour=colour, stroke=width, dashed=dashed)

    def box(
        self,
        corner: tuple[float, float],
        size: tuple[float, float],
        *,
        colour: Colour = "main",
        opacity: float = 1,
    ) -> None:
        """A filled rectangle from its upper left corner."""
        place = f'x="{_short(corner[0])}" y="{_short(corner[1])}" width="{_short(size[0])}" height="{_short(size[1])}"'
        self._parts.append(f'<rect class="{colour}" {place}{_opacity(opacity)}/>')

    def path(
        self,
        path: str,
        *,
        colour: Colour = "main",
        opacity: float = 1,
        stroke: float | None = None,
        dashed: bool = False,
        scale: tuple[float, float, float] | None = None,
    ) -> None:
        """An SVG path, filled, or drawn as a line `stroke` wide; `scale` is (left, top, pixels per unit)."""
        kind = f'class="{colour}"' if stroke is None else f'class="{colour}-line" stroke-width="{_short(stroke)}"'
        dashes = ' stroke-dasharray="4 4"' if dashed else ""
        shift = ""
        if scale is not None:
            left, top, unit = map(_short, scale)
            shift = f' transform="translate({left} {top})scale({unit})"'
        self._parts.append(f'<path {kind}{_opacity(opacity)}{dashes}{shift} d="{path}"/>')

    def dots(
        self,
        x: npt.NDArray[np.float64],
        y: npt.NDArray[np.float64],
        *,
        colour: Colour = "main",
        size: float = 5,
        opacity: float = 1,
    ) -> None:
        """Round dots at pixels x (n,), y (n,), `size` across."""
        if len(x):
            marks = "".join(f"M{_short(left)} {_short(top)}h0" for left, top in zip(x, y, strict=True))
            kind = f'class="{colour}-line" stroke-width="{_short(size)}" stroke-linecap="round"'
            self._parts.append(f'<path {kind}{_opacity(opacity)} d="{marks}"/>')

    def across(self, axis: Axis, top: float, bottom: float, label: str) -> None:
        """A horizontal axis under a field from `top` to `bottom`, with rules through the field."""
        for value, text in axis.ticks(max(2, min(6, round(abs(axis.end - axis.start) / 60)))):
            self.line((axis(value), top, axis(value), bottom))
            self.text(axis(value), bottom + 17, text, anchor="middle", colour="soft", size=12)
        self.text((axis.start + axis.end) / 2, bottom + 38, label, anchor="middle")

    def upright(self, axis: Axis, left: float, right: float, label: str, *, most: int = 6) -> None:
        """A vertical axis left of a field from `left` to `right`, with rules through the field."""
        for value, text in axis.ticks(most):
            self.line((left, axis(value), right, axis(value)))
            self.text(left - 7, axis(value) + 4, text, anchor="end", colour="soft", size=12)
        middle = (axis.start + axis.end) / 2
        self.text(16, middle, label, anchor="middle", turned=-90)

    def svg(self) -> bytes:
        """The drawing as one SVG file in UTF-8; the same strokes give the same bytes."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(shown(self.words))}">'
        )
        paper = f'<rect class="paper" width="{self.width}" height="{self.height}" rx="6"/>'
        return "\n".join([head, f"<style>{_style()}</style>", paper, *self._parts, "</svg>\n"]).encode()


def squares(corners: Iterable[tuple[float, float]], side: float) -> str:
    """The path of squares of one size, by their upper left corners.

    >>> squares([(0, 1), (9, 1)], 8)
    'M0 1h8v8h-8zM9 1h8v8h-8z'
    """
    edge = _short(side)
    return "".join(f"M{_short(x)} {_short(y)}h{edge}v{edge}h-{edge}z" for x, y in corners)


def curve(points: Iterable[tuple[float, float]]) -> str:
    """The path through these pixels.

    >>> curve([(0, 1), (2.25, 3)])
    'M0 1L2.2 3'
    """
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def _style() -> str:
    light, dark = (_rules(column) for column in (0, 1))
    return (
        f"text{{font-family:{_FONT};font-variant-numeric:tabular-nums}}svg{{font-size:13px}}"
        f"{light}@media(prefers-color-scheme:dark){{{dark}}}"
    )


def _rules(column: int) -> str:
    return "".join(
        f".{name}{{fill:{pair[column]}}}.{name}-line{{fill:none;stroke:{pair[column]}}}"
        for name, pair in COLOURS.items()
    )


def _opacity(opacity: float) -> str:
    return "" if opacity >= 1 else f' opacity="{opacity:.3g}"'


def _short(value: float) -> str:
    """Pixels to a tenth, without what says nothing."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
