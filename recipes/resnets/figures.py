"""Pictures as figures 1, 6 and 7 of the paper, as PNG: errors over steps, and how strongly layers respond."""

import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from matplotlib.figure import Figure

History = Sequence[Mapping[str, float]]
"""Of each epoch `step`, `train_error` and `validation_error`, here of the test images."""

_COLOURS = ("#c9a227", "#2f8f83", "#2b5fa8", "#b4371f", "#6b4f9e", "#555555")


def errors(histories: Mapping[str, Mapping[str, History]]) -> bytes:
    """As figure 6: a panel a group of networks, training error dashed, test error drawn through; all axes equal.

    Args:
        histories: of networks by name, in groups by name.
    """
    figure, panels = _panels(len(histories))
    for axes, (title, group) in zip(panels, histories.items(), strict=True):
        for (name, history), colour in zip(group.items(), cycle(_COLOURS), strict=False):
            _line(axes, history, "train_error", colour, dashed=True)
            _line(axes, history, "validation_error", colour, label=name)
        axes.set_title(f"{title}: test (dashed: training)", loc="left", fontsize=11)
    return _finished(figure, panels, _most(one for group in histories.values() for one in group.values()))


def apart(histories: Mapping[str, History]) -> bytes:
    """As figure 1: training error on the left, test error on the right, on the same axes."""
    figure, panels = _panels(2)
    parts = (("train_error", "training error"), ("validation_error", "test error"))
    for axes, (score, title) in zip(panels, parts, strict=True):
        for (name, history), colour in zip(histories.items(), cycle(_COLOURS), strict=False):
            _line(axes, history, score, colour, label=name)
        axes.set_title(title, loc="left", fontsize=11)
    return _finished(figure, panels, _most(histories.values()))


def responses(deviations: Mapping[str, Mapping[str, float]]) -> bytes:
    """As figure 7: the standard deviation of each layer's responses, above in their order, below by magnitude.

    Args:
        deviations: of layers in order, by network. Residual networks are drawn through, plain ones (named `plain-20`)
            dashed.
    """
    figure = Figure(figsize=(8.4, 6.4), dpi=110, layout="constrained")
    for place, (title, ordered) in enumerate((("layer", False), ("layer, sorted by magnitude", True)), 1):
        axes = figure.add_subplot(2, 1, place)
        for (name, layers), colour in zip(deviations.items(), cycle(_COLOURS), strict=False):
            values = sorted(layers.values(), reverse=True) if ordered else list(layers.values())
            style = "--" if name.startswith("plain") else "-"
            axes.plot(range(1, len(values) + 1), values, style, color=colour, linewidth=1.5, label=name)
        axes.set_xlabel(title)
        axes.set_ylabel("standard deviation")
        axes.set_ylim(bottom=0)
        _plain(axes)
        if place == 1:
            axes.legend(frameon=False, ncols=2)
    return _png(figure)


def _panels(count: int) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(4.8 * count, 3.8), dpi=110, layout="constrained")
    panels: list[Any] = []
    for place in range(count):
        shared = {"sharex": panels[0], "sharey": panels[0]} if panels else {}
        panels.append(figure.add_subplot(1, count, place + 1, **shared))
    return figure, panels


def _line(axes: Any, history: History, score: str, colour: str, *, dashed: bool = False, label: str = "") -> None:
    steps, values = [row["step"] for row in history], [100 * row[score] for row in history]
    style, width = ("--", 1.1) if dashed else ("-", 1.8)
    mark = "o" if len(history) < 20 else ""
    axes.plot(steps, values, style, color=colour, linewidth=width, marker=mark, markersize=3, label=label or None)


def _most(histories: Any) -> float:
    """The upper end of the error axis: 20 %, as in the paper, unless a network ends above."""
    ends = [100 * max(history[-1]["train_error"], history[-1]["validation_error"]) for history in histories]
    return 20.0 if max(ends) < 18 else 100.0


def _finished(figure: Figure, panels: Sequence[Any], most: float) -> bytes:
    for axes in panels:
        axes.set_xlabel("steps")
        _plain(axes)
        axes.legend(frameon=False)
    panels[0].set_ylabel("error, %")
    panels[0].set_ylim(0, most)
    return _png(figure)


def _plain(axes: Any) -> None:
    axes.grid(color="#e6e6e3", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)


def _png(figure: Figure) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", metadata={"Software": None})
    return made.getvalue()
