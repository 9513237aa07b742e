"""Colours of the points of a map, by names or by numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NAMED = (
    *("#4c78a8", "#f58518", "#54a24b", "#e45756", "#b279a2", "#72b7b2", "#d8a600", "#ff9da6", "#8c6239", "#3d3d9e"),
    *("#7fb800", "#a3195b"),
)
"""Told apart on light and on dark paper; the most frequent names get the first."""
PLAIN, OTHER = "#4c78a8", "#9b9a94"
_STEPS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Colours:
    """A colour for each point, and what it means."""

    title: str
    """What they are of; "" where they mean nothing."""
    palette: tuple[str, ...]
    """#rrggbb."""
    index: npt.NDArray[np.int64]
    """(n,): of each point, in the palette."""
    texts: tuple[str, ...]
    """(n,): what is known of each point, as it is read; "" where nothing is."""
    legend: tuple[tuple[str, str, int], ...] = ()
    """Colour, name and points of each name."""
    scale: tuple[float, float] | None = None
    """Of numbers: what the first and the last colour but one mean; the last is for points without a number."""


def plain(n: int) -> Colours:
    """All points alike."""
    return Colours("", (PLAIN,), np.zeros(n, np.int64), ("",) * n)


def by_name(title: str, names: Sequence[str | None]) -> Colours:
    """A colour for each of the most frequent names, and one for all others.

    Args:
        title: what the names are of.
        names: (n,); None where there is none.
    """
    found, counts = np.unique([name for name in names if name is not None] or [""], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    kept = sorted((str(found[place]) for place in order[: len(NAMED)]), key=_natural)
    numbers = {name: place for place, name in enumerate(kept)}
    index = np.array([len(kept) if name is None else numbers.get(name, len(kept)) for name in names], np.int64)
    told = np.bincount(index, minlength=len(kept) + 1)
    legend = [(NAMED[place], name, int(told[place])) for place, name in enumerate(kept) if told[place]]
    missing = sum(name is None for name in names)
    if told[-1] > missing:
        legend.append((OTHER, f"{len(found) - len(kept):,} other names", int(told[-1]) - missing))
    if missing:
        legend.append((OTHER, "no name", missing))
    texts = tuple("" if name is None else name for name in names)
    return Colours(title, (*NAMED[: len(kept)], OTHER), index, texts, tuple(legend))


def _natural(name: str) -> tuple[bool, float, str]:
    """Whole numbers by their value, then other names."""
    return (False, float(name), name) if name.removeprefix("-").isdecimal() else (True, 0.0, name)


def by_number(title: str, values: npt.NDArray[np.float64]) -> Colours:
    """From dark blue for the lowest to yellow for the highest; a few values far off do not use up the scale.

    Args:
        title: what the numbers are of.
        values: (n,); NaN where there is none.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    known = np.isfinite(values)
    low, high = (float(one) for one in np.quantile(values[known], [0.01, 0.99])) if known.any() else (0.0, 1.0)
    shares = (np.where(known, values, low) - low) / (high - low if high > low else 1.0)
    index = np.where(known, np.clip(shares * _STEPS, 0, _STEPS - 1).astype(np.int64), _STEPS)
    palette = tuple(to_hex(colormaps["viridis"](step / (_STEPS - 1))) for step in range(_STEPS))
    texts = tuple(f"{value:.4g}" if is_known else "" for value, is_known in zip(values, known, strict=True))
    legend = ((OTHER, "no number", int((~known).sum())),) if not known.all() else ()
    return Colours(title, (*palette, OTHER), index, texts, legend, (low, high))
