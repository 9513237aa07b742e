"""The confusion matrix: which class was taken for which, as counts and as shares of the true class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.pictures.drawing import Colour, Drawing, squares
from boda.pictures.wording import breadth, fitted, number, share

_WRITTEN = 12
"""Up to so many classes, cells carry their figures; beyond, they are shades alone."""
_NAME = 132
"""The longest name in pixels."""
_SHADES = 16


def confusion(truth: npt.ArrayLike, predicted: npt.ArrayLike, names: Sequence[str]) -> bytes:
    """Draw how often each class was predicted for each true class.

    A row is a true class, a column a predicted one; the shade of a cell is its share of the row. With few classes each
    cell says that share and the count under it; with many, faint shades are raised (the square root of the share) so
    that rare mistakes are seen.

    Args:
        truth: (n,) integers, places in `names`.
        predicted: (n,) integers, places in `names`.
        names: (k,) of the classes.

    Returns:
        One SVG file.

    Raises:
        Refused: no rows, different lengths, or a value that is no place in `names`.
    """
    counts = _counted(truth, predicted, len(names))
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    written = len(names) <= _WRITTEN
    cell, size = (58 if len(names) <= 8 else 46, 12.5) if written else (max(9, min(24, 560 // len(names))), 0.0)
    label = size or min(12.0, max(8.0, cell - 1.0))
    longest = min(_NAME, max(breadth(name, label) for name in names) + 4)
    corner = (longest + 42, longest * (0.72 if written else 1) + 52)
    side = cell * len(names)
    tail = max(58.0, longest * 0.72 - cell / 2 + 14) if written else 16
    right = corner[0] + max(side + tail, 250 if written else 360)
    drawing = Drawing(right, corner[1] + side + (16 if written else 46), _words(counts, names))
    _name_sides(drawing, names, corner, cell, label, longest, slanted=written)
    if written:
        _write_cells(drawing, counts, shares, corner, cell)
        _write_totals(drawing, totals, (corner[0] + side + 8, corner[1]), cell)
    else:
        _shade_cells(drawing, shares, corner, cell)
        _draw_ramp(drawing, (corner[0], corner[1] + side + 20))
    return drawing.svg()


def _counted(truth: npt.ArrayLike, predicted: npt.ArrayLike, k: int) -> npt.NDArray[np.int64]:
    """(k, k) rows of each true class (down) and predicted class (across)."""
    true, said = np.asarray(truth), np.asarray(predicted)
    if true.ndim != 1 or true.shape != said.shape or not len(true):
        raise Refused(f"confusion: {true.shape} true and {said.shape} predicted classes; both must be one row each")
    for places in (true, said):
        if not np.issubdtype(places.dtype, np.integer) or places.min() < 0 or places.max() >= k:
            raise Refused(f"confusion: classes must be whole numbers from 0 to {k - 1}, the places of the names")
    return np.bincount(true.astype(np.int64) * k + said, minlength=k * k).reshape(k, k).astype(np.int64)


def _words(counts: npt.NDArray[np.int64], names: Sequence[str]) -> str:
    right = np.trace(counts) / counts.sum()
    wrong = counts - np.diag(np.diag(counts))
    said = f"Confusion matrix of {len(names)} classes: {share(right)} of {counts.sum():,} rows on the diagonal"
    if not wrong.any():
        return said
    true, taken = divmod(int(wrong.argmax()), len(names))
    return f"{said}; most often {names[true]} was taken for {names[taken]} ({wrong.max():,} rows)"


def _name_sides(
    drawing: Drawing,
    names: Sequence[str],
    corner: tuple[float, float],
    cell: float,
    size: float,
    longest: float,
    *,
    slanted: bool,
) -> None:
    """Names left of the rows and above the columns; above they lean where there is room for it."""
    left, top = corner
    side = cell * len(names)
    for place, name in enumerate(names):
        short, middle = fitted(name, longest, size), (place + 0.5) * cell
        drawing.text(left - 8, top + middle + size * 0.35, short, anchor="end", size=size)
        drawing.text(left + middle + size * 0.35, top - 8, short, size=size, turned=-45 if slanted else -90)
    drawing.text(left, 18, "Predicted →", colour="soft")
    drawing.text(18, top + min(side, 60), "← True", colour="soft", turned=-90)


def _write_cells(
    drawing: Drawing,
    counts: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
    corner: tuple[float, float],
    cell: float,
) -> None:
    every = [(corner[0] + x * cell + 1, corner[1] + y * cell + 1) for y, x in np.ndindex(counts.shape)]
    drawing.path(squares(every, cell - 2), colour="rule", opacity=0.35)
    for row, column in np.argwhere(counts):
        x, y = corner[0] + column * cell, corner[1] + row * cell
        count, part = int(counts[row, column]), float(shares[row, column])
        drawing.path(squares([(x + 1, y + 1)], cell - 2), opacity=max(part, 0.03))
        middle, colour = x + cell / 2, ink_on(part)
        drawing.text(
            middle, y + cell / 2 - 1, share(part), anchor="middle", colour=colour, size=13 if cell > 50 else 11.5
        )
        drawing.text(middle, y + cell / 2 + 14, number(count), anchor="middle", colour=colour, size=10.5)


def ink_on(opacity: float) -> Colour:
    """The colour of words that stays readable on the main colour laid over the paper, in light and in dark.

    In the middle the shade is light enough for dark words in both schemes.
    """
    return "ink" if opacity < 0.55 else "dark" if opacity < 0.81 else "paper"


def _write_totals(drawing: Drawing, totals: npt.NDArray[np.int64], corner: tuple[float, float], cell: float) -> None:
    drawing.text(corner[0], corner[1] - 8, "rows", colour="soft", size=12)
    for row, total in enumerate(totals):
        drawing.text(corner[0], corner[1] + (row + 0.5) * cell + 4, number(int(total)), colour="soft", size=12)


def _shade_cells(drawing: Drawing, shares: npt.NDArray[np.float64], corner: tuple[float, float], cell: float) -> None:
    """All cells of one shade are one path, in units of a cell; neighbours in a row are one stroke."""
    side = cell * len(shares)
    drawing.box(corner, (side, side), colour="rule", opacity=0.35)
    levels = np.ceil(np.sqrt(shares) * _SHADES).astype(int)
    levels[shares < 0.004] = 0  # less than one row in 250 would not be seen
    for level in range(1, _SHADES + 1):
        path = "".join(f"M{x} {y}h{length}" for y, x, length in _runs(levels == level))
        if path:
            drawing.path(path, opacity=level / _SHADES, stroke=1, scale=(corner[0], corner[1] + cell / 2, cell))


def _runs(marked: npt.NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """(row, first column, length) of each run of marked cells in (k, k)."""
    edges = np.diff(np.pad(marked.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    begins, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return [(int(y), int(x), int(stop - x)) for (y, x), (_, stop) in zip(begins, ends, strict=True)]


def _draw_ramp(drawing: Drawing, corner: tuple[float, float]) -> None:
    """What the shades mean."""
    x, y = corner
    for part in (0.01, 0.05, 0.2, 0.5, 1.0):
        drawing.box((x, y), (16, 12), colour="rule", opacity=0.35)
        drawing.box((x, y), (16, 12), opacity=float(np.sqrt(part)))
        drawing.text(x + 20, y + 10, share(part), colour="soft", size=11)
        x += 60
    drawing.text(x, y + 10, "of the true class", colour="soft", size=11)
