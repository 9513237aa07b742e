"""A map as a picture: its points by colour, paler where chance put them, and beside it how far each can be trusted."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.keys import shown
from boda.pictures.map_colours import OTHER, Colours
from boda.pictures.wording import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Floats = npt.NDArray[np.float32]
_INK, _SOFT = "#1c1b19", "#6a655d"
_FONTS = ("DejaVu Sans", "Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Apple SD Gothic Neo", "Malgun Gothic")
_PALEST = 0.25
MARK = "boda map"


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """A number of each point that says how far it can be trusted."""

    title: str
    values: _Floats
    """(n,), NaN where it was not measured."""
    pale: bool
    """Whether points are drawn the paler the higher it is."""
    end: tuple[str, str]
    """What 0 and 1 mean."""


def map_picture(
    places: _Floats,
    colours: Colours,
    *,
    title: str,
    words: Sequence[str],
    doubt: Doubt | None = None,
    marked: npt.NDArray[np.bool_] | None = None,
    behind: _Floats | None = None,
) -> bytes:
    """Draw a map.

    Args:
        places: (n, 2), drawn as one field; or (n, 3), as three, along each axis.
        colours: of the points.
        title: above it.
        words: under it: errors, and what the map does not show.
        doubt: drawn in a field of its own beside a flat map.
        marked: (n,) points with a ring around them.
        behind: (b, 2) or (b, 3) points of another map, drawn small and grey.

    Returns:
        One PNG file.
    """
    from matplotlib.figure import Figure

    pairs = [(0, 1)] if places.shape[1] == 2 else [(0, 1), (0, 2), (2, 1)]
    fields = len(pairs) + (doubt is not None and places.shape[1] == 2)
    keyed = bool(colours.legend or colours.scale)
    width = 4.7 * fields + (2.1 if keyed else 0.1)
    lines = [line for text in words for line in wrap(shown(text), int(width * 15.5))]
    height = 4.7 + 0.45 + 0.19 * len(lines)
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    bottom, top = (0.19 * len(lines) + 0.12) / height, 1 - 0.42 / height
    faces = _faces(colours, doubt)
    for number, axes_of in enumerate(pairs):
        axes = figure.add_axes((4.7 * number / width + 0.004, bottom, 4.6 / width, top - bottom))
        _field(axes, places[:, axes_of], faces, behind if behind is None else behind[:, axes_of], marked)
        if len(pairs) > 1:
            _say(axes, 0.02, 0.01, "seen along " + "zyx"[number], size=8, colour=_SOFT, transform=axes.transAxes)
    if fields > len(pairs) and doubt is not None:
        left = 4.7 / width + 0.004
        _doubted(figure.add_axes((left, bottom, 4.6 / width, top - bottom)), places, doubt, behind)
        bar = figure.add_axes((left + 3.0 / width, 1 - 0.28 / height, 0.9 / width, 0.11 / height))
        bar.imshow(np.arange(64)[None], aspect="auto", cmap=_doubt_map(doubt))
        bar.set_axis_off()
        _say(figure, left + 0.04 / width, 1 - 0.27 / height, doubt.title, size=9, colour=_INK)
        for x, side, text in ((2.95, "right", doubt.end[0]), (3.95, "left", doubt.end[1])):
            _say(figure, left + x / width, 1 - 0.27 / height, text, size=8, colour=_SOFT, ha=side)
    _say(figure, 0.06 / width, 1 - 0.27 / height, fitted(title, 380, 13), size=12, colour=_INK)
    if keyed:
        _key(figure.add_axes(((4.7 * fields + 0.12) / width, bottom, 1.85 / width, top - bottom)), colours)
    for number, line in enumerate(lines):
        _say(figure, 0.06 / width, (0.19 * (len(lines) - number) - 0.08) / height, line, size=8.5, colour=_SOFT)
    made = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in letters that no font here has
        figure.savefig(made, format="png", metadata={"Software": MARK})
    return made.getvalue()


def _faces(colours: Colours, doubt: Doubt | None) -> npt.NDArray[np.float64]:
    """(n, 4) red, green, blue and how opaque."""
    from matplotlib.colors import to_rgba_array

    faces = np.array(to_rgba_array(colours.palette))[colours.index]
    faces[:, 3] = 0.9
    if doubt is not None and doubt.pale:
        faces[:, 3] = 0.9 - (0.9 - _PALEST) * np.nan_to_num(_stretched(doubt.values))
    return faces


def _stretched(values: _Floats) -> _Floats:
    """0 for the lowest twentieth, 1 for the highest: disagreement is seldom near 0 for anybody."""
    if not np.isfinite(values).any():
        return values
    low, high = np.nanquantile(values, [0.05, 0.95])
    stretched: _Floats = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1)
    return stretched


def _field(
    axes: "Axes",
    places: _Floats,
    faces: npt.NDArray[np.float64],
    behind: _Floats | None,
    marked: npt.NDArray[np.bool_] | None,
) -> None:
    size = _size(len(places))
    _bare(axes)
    if behind is not None:
        axes.scatter(behind[:, 0], behind[:, 1], s=_size(len(behind)) * 0.6, c=OTHER, alpha=0.45, linewidths=0)
    order = np.argsort(faces[:, 3], kind="stable")  # who is sure lies on top
    axes.scatter(places[order, 0], places[order, 1], s=size, c=faces[order], linewidths=0)
    if marked is not None and marked.any():
        ringed = places[marked]
        axes.scatter(ringed[:, 0], ringed[:, 1], s=size * 2.2, facecolors="none", edgecolors=_INK, linewidths=0.7)


def _doubted(axes: "Axes", places: _Floats, doubt: Doubt, behind: _Floats | None) -> None:
    _bare(axes)
    known = np.isfinite(doubt.values)
    rest = [one for one in (behind, places[~known]) if one is not None]
    lesser = np.concatenate(rest)
    axes.scatter(lesser[:, 0], lesser[:, 1], s=_size(len(places)) * 0.6, c="#dedbd4", linewidths=0)
    order = np.argsort(doubt.values[known], kind="stable")
    sure = places[known][order]
    axes.scatter(
        sure[:, 0],
        sure[:, 1],
        s=_size(int(known.sum())),
        c=doubt.values[known][order],
        cmap=_doubt_map(doubt),
        vmin=0,
        vmax=1,
        linewidths=0,
    )


def _doubt_map(doubt: Doubt) -> str:
    """Red is doubtful."""
    return "YlOrRd" if doubt.pale else "YlOrRd_r"


def _key(axes: "Axes", colours: Colours) -> None:
    """The legend: names with their colours, or a scale."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    _say(axes, 0.0, 0.96, fitted(colours.title, 150), size=10, colour=_INK)
    height = 0.9
    if colours.scale is not None:
        ramp = axes.inset_axes((0.0, 0.55, 0.09, 0.36))
        ramp.imshow(np.arange(len(colours.palette) - 1)[:, None], aspect="auto", origin="lower", cmap=_ramp(colours))
        ramp.set_axis_off()
        for y, value in ((0.555, colours.scale[0]), (0.885, colours.scale[1])):
            _say(axes, 0.13, y, f"{value:.4g}", size=9, colour=_INK)
        height = 0.48
    for number, (colour, name, count) in enumerate(colours.legend):
        y = height - 0.052 * number
        axes.scatter([0.03], [y + 0.012], s=34, c=colour, linewidths=0)
        _say(axes, 0.09, y, fitted(name, 120, 12), size=9, colour=_INK)
        _say(axes, 1.0, y, f"{count:,}", size=9, colour=_SOFT, ha="right")


def _ramp(colours: Colours) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(list(colours.palette[:-1]))


def _bare(axes: "Axes") -> None:
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color("#e4dfd5")


def _size(n: int) -> float:
    """Of a dot, in square points."""
    return float(np.clip(9000 / max(n, 1), 1.2, 26))


def _say(on: Any, x: float, y: float, text: str, *, size: float, colour: str, **more: Any) -> None:
    on.text(x, y, text, fontsize=size, color=colour, parse_math=False, fontfamily=_families(), **more)


def _families() -> list[str]:
    """The fonts that are there, one with Korean among them where there is any."""
    from matplotlib import font_manager

    there = set(font_manager.get_font_names())
    return [name for name in _FONTS if name in there] or ["DejaVu Sans"]
