"""The picture of a transfer: with a start and without one, task by task, on matching axes."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

Curves = Mapping[str, npt.NDArray[np.float64]]
"""(s, e) of each seed after each epoch, by name: from scratch first, then with a start."""

_COLOURS = ("#6a655d", "#b4371f")


def transfer_picture(panels: Mapping[str, tuple[Curves, Curves]]) -> bytes:
    """A row for each task, training on the left and validation on the right, on the same axes within a row.

    Args:
        panels: training and validation curves by what is drawn, as `mean squared error`.

    Returns:
        One PNG file. Thin lines are seeds, thick ones their mean; the dashed line is where training from scratch ends.
    """
    figure = Figure(figsize=(9.6, 3.6 * len(panels)), dpi=110, layout="constrained")
    for row, (what, parts) in enumerate(panels.items()):
        first: Any = None
        for column, (part, curves) in enumerate(zip(("training", "validation"), parts, strict=True)):
            shared = {"sharex": first, "sharey": first} if first is not None else {}
            axes = figure.add_subplot(len(panels), 2, 2 * row + column + 1, **shared)
            first = first or axes
            _draw(axes, curves)
            axes.set_title(f"{what}: {part}", loc="left", fontsize=11)
            axes.set_xlabel("epochs of this task")
        first.set_yscale("log")
        first.yaxis.set_major_formatter(_short)
        first.yaxis.set_minor_formatter(_short)
        first.legend(frameon=False)
    made = io.BytesIO()
    figure.savefig(made, format="png", metadata={"Software": None})
    return made.getvalue()


def _short(value: float, _place: int | None) -> str:
    """1, 2 and 5 of each decade; labels of all ten would touch."""
    return f"{value:g}" if f"{value:.0e}"[0] in "125" else ""


def _draw(axes: Any, curves: Curves) -> None:
    for (name, values), colour in zip(curves.items(), _COLOURS, strict=True):
        epochs = np.arange(1, values.shape[1] + 1)
        for one in values:
            axes.plot(epochs, one, color=colour, linewidth=0.6, alpha=0.5)
        mean = values.mean(axis=0)
        mark = "o" if len(mean) < 20 else ""
        axes.plot(epochs, mean, color=colour, linewidth=1.9, marker=mark, markersize=3, label=name)
    scratch = next(iter(curves.values())).mean(axis=0)
    axes.axhline(scratch[-1], color=_COLOURS[0], linewidth=0.9, linestyle="--")
    axes.grid(color="#e6e6e3", linewidth=0.7, which="both")
    axes.spines[["top", "right"]].set_visible(False)
