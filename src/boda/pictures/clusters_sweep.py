"""How stable clusters are for each k, beside what the same method makes of features without groups."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from boda.errors import Refused

_DATA = "#b4371f"
_NULLS = (("#8a8f98", "s", "--"), ("#4a4f58", "^", ":"))


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure by k, with the range in which it was seen."""

    values: Sequence[float | None]
    """(s,); None where there is none."""
    low: Sequence[float | None] = ()
    """(s,), or nothing."""
    high: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of a sweep."""

    title: str
    data: Curve
    nulls: Mapping[str, Curve] = field(default_factory=dict)
    """By what they are: of features without groups."""


def clusters_sweep(
    k: Sequence[str], panels: Sequence[Panel], *, supported: int | None = None, title: str = ""
) -> Image.Image:
    """Draw each figure of a sweep over k with its nulls, on a scale from 0 to 1 (and below, where one lies there).

    Args:
        k: (s,) how many clusters, in words.
        panels: figures, side by side.
        supported: the place among them of the one that is named; it is marked.
        title: above all.

    Raises:
        Refused: nothing to draw.
    """
    if not k or not panels:
        raise Refused("clusters_sweep: there is nothing to draw")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(3.6, 0.45 * len(k) + 2.2) * len(panels), 3.5), dpi=150, layout="constrained")
    for number, panel in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), number)
        if supported is not None:
            axes.axvspan(supported - 0.25, supported + 0.25, color="#f7e8e2", linewidth=0, zorder=0)
        for (name, curve), (colour, mark, line) in zip(panel.nulls.items(), _NULLS, strict=False):
            _draw(axes, curve, colour, name, mark, line)
        _draw(axes, panel.data, _DATA, "these features", "o", "-")
        _frame(axes, k, panel)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    if title:
        figure.suptitle(title, fontsize=11.5, x=0.01, ha="left")
    made = io.BytesIO()
    figure.savefig(made, format="png")
    return Image.open(made).convert("RGB")


def _draw(axes: Any, curve: Curve, colour: str, name: str, mark: str, line: str) -> None:
    """Points joined by a line, each with its range."""
    known = [place for place, value in enumerate(curve.values) if value is not None]
    values = [curve.values[place] for place in known]
    axes.plot(known, values, color=colour, marker=mark, markersize=5, linewidth=1.3, linestyle=line, label=name)
    for place in known:
        low, high = (side[place] if side else None for side in (curve.low, curve.high))
        if low is not None and high is not None:
            axes.vlines(place, low, high, color=colour, linewidth=2.4, alpha=0.5)


def _frame(axes: Any, k: Sequence[str], panel: Panel) -> None:
    drawn = [value for one in (panel.data, *panel.nulls.values()) for part in (one.values, one.low) for value in part]
    axes.set_ylim(min(0.0, *(value for value in drawn if value is not None), 0.0) - 0.03, 1.04)
    axes.set_xlim(-0.6, len(k) - 0.4)
    axes.set_xticks(range(len(k)), k)
    axes.set_xlabel("clusters k")
    axes.set_title(panel.title, loc="left", fontsize=10.5)
    axes.grid(color="#e6e6e3", linewidth=0.7, axis="y")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
