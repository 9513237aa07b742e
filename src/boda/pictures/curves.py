"""Curves of a training run: what training and validation rows scored, epoch by epoch."""

import io
from collections.abc import Mapping, Sequence

from boda.errors import Refused

_TRAINING, _VALIDATION = "#8a8f98", "#b4371f"
_MOST = 3
"""Scores that are drawn, beside each other."""


def curves(history: Sequence[Mapping[str, float]], *, title: str = "", by: str = "epoch") -> bytes:
    """Draw every score that training and validation rows have in common, the loss first.

    Args:
        history: of each epoch `epoch`, `step`, `train_*` and `validation_*`.
        title: above it.
        by: what runs to the right, `epoch` or `step`.

    Returns:
        One PNG file.

    Raises:
        Refused: there is nothing to draw.
    """
    scores = [name.removeprefix("validation_") for name in (history[0] if history else {}) if _is_held(name)][:_MOST]
    if not scores:
        raise Refused("curves: no epoch has ended yet")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(scores), 3.4), dpi=110, layout="constrained")
    steps = [row[by] for row in history]
    for place, name in enumerate(scores):
        axes = figure.add_subplot(1, len(scores), place + 1)
        mark = "o" if len(history) < 40 else ""
        for part, colour in (("train", _TRAINING), ("validation", _VALIDATION)):
            values = [row.get(f"{part}_{name}", float("nan")) for row in history]
            axes.plot(steps, values, color=colour, marker=mark, markersize=3, linewidth=1.6, label=part)
        axes.set_xlabel(by)
        axes.set_title(name, loc="left", fontsize=11)
        axes.set_ylim(bottom=0)
        axes.grid(color="#e6e6e3", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
        if place == 0:
            axes.legend(frameon=False)
    if title:
        figure.suptitle(title, fontsize=12)
    made = io.BytesIO()
    figure.savefig(made, format="png", metadata={"Software": None})
    return made.getvalue()


def _is_held(name: str) -> bool:
    return name.startswith("validation_")
