"""Quality: pictures that are blurred, dark, bright, flat, tiny or of an odd shape, each by one number and a limit.

Every limit is absolute at first. Where more than a fifth of a collection lies beyond it, that is how the collection is
(galaxies are dark, old scans are blurred), and the limit moves to what is unusual there: 3.5 robust deviations beyond
the median. Size and shape are compared with the collection's own as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Fault: TypeAlias = Literal["blurred", "dark", "bright", "low contrast", "tiny", "odd shape"]

BLURRED = 0.6
"""Blur effect above which a picture is; of 400 photographs 2 % were, of the same blurred by two pixels all."""
DARK, BRIGHT = 60.0, 200.0
"""Of 255: 95 % of pixels darker than this, or lighter."""
CONTRAST = 40.0
"""Of 255, between the darkest and lightest 5 % of pixels."""
TINY = 64
"""Short side, in pixels."""
LONG = 3.0
"""Times longer than wide, or wider than long."""

COMMON = 0.2
"""Share of a collection beyond a limit that makes it a trait of the collection."""
UNUSUAL = 3.5
"""Robust deviations from the median."""
SMALLER, LONGER = 4.0, 2.0
"""Times smaller (by side), and times longer, than the median of the collection."""

_ROBUST = 1.4826
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Faults:
    """The rows with one fault among n."""

    fault: Fault
    rows: npt.NDArray[np.int64]
    """The worst first."""
    values: Floats
    """(n,) of every row; NaN where it is not known."""
    limit: float
    told_by: str
    """The number and its limit, in words."""
    note: str = ""
    """Where the limit moved: why."""

    def reason(self, row: int) -> str:
        """What is wrong with this row."""
        return _REASONS[self.fault].format(self.values[row], self.limit)


def faults(measured: Mapping[str, Floats]) -> list[Faults]:
    """Every fault, those without rows too.

    Args:
        measured: (n,) each, NaN where not known: `blur` (0..1), `low` and `high` (5 % of pixels are darker, lighter;
            0..255), `width` and `height` in pixels.
    """
    low, high = measured["low"], measured["high"]
    short = np.minimum(measured["width"], measured["height"])
    shape = np.maximum(measured["width"], measured["height"]) / short
    side = np.sqrt(measured["width"] * measured["height"])
    dark = _beyond("dark", high, -1, DARK)
    bright = _beyond("bright", low, 1, BRIGHT)
    contrast = np.where((high < DARK) | (low > BRIGHT), np.nan, high - low)  # these are listed as what they are
    return [
        _beyond("blurred", measured["blur"], 1, BLURRED),
        dark,
        bright,
        _beyond("low contrast", contrast, -1, CONTRAST),
        _beyond("tiny", short, -1, TINY, also=side < _median(side) / SMALLER),
        _beyond("odd shape", shape, 1, LONG, also=shape > _median(shape) * LONGER),
    ]


def _beyond(
    fault: Fault, values: Floats, way: Literal[-1, 1], limit: float, also: npt.NDArray[np.bool_] | None = None
) -> Faults:
    """Rows whose value is above (way 1) or below (-1) the limit, or which are also meant."""
    known = values[np.isfinite(values)] * way
    note, told = "", _TOLD[fault].format(limit)
    if len(known) and (share := float(np.mean(known > limit * way))) > COMMON:
        middle = float(np.median(known))
        moved = way * (middle + UNUSUAL * _ROBUST * float(np.median(np.abs(known - middle))))
        limit = max(0.0, max(limit * way, moved * way) * way)  # none of these numbers is ever below 0
        note = (
            f"{100 * share:.0f} % of the images are beyond that, so it is how they are; listed are those beyond "
            f"{limit:.3g}, which is unusual among them"
        )
    with np.errstate(invalid="ignore"):
        found = values * way > limit * way
    if also is not None:
        found |= also & np.isfinite(values)
    rows = np.flatnonzero(found)
    order = np.argsort(-values[rows] * way, kind="stable")
    return Faults(fault, rows[order].astype(np.int64), values, limit, told, note)


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


_TOLD: dict[Fault, str] = {
    "blurred": "blur effect above {:g}: another blur would take little away",
    "dark": "95 % of the pixels are darker than {:g} of 255",
    "bright": "95 % of the pixels are lighter than {:g} of 255",
    "low contrast": "less than {:g} of 255 between the darkest and the lightest 5 % of the pixels",
    "tiny": f"the short side is below {{:g}} pixels, or the image {SMALLER:g} times smaller than the median here",
    "odd shape": f"more than {{:g}} times as long as wide, or {LONGER:g} times as long as the median here",
}
_REASONS: dict[Fault, str] = {
    "blurred": "blur effect {:.2f}, limit {:.2f}",
    "dark": "95 % of its pixels are darker than {:.0f} of 255, limit {:.0f}",
    "bright": "95 % of its pixels are lighter than {:.0f} of 255, limit {:.0f}",
    "low contrast": "{:.0f} of 255 between dark and light, limit {:.0f}",
    "tiny": "its short side has {:.0f} pixels, limit {:.0f}",
    "odd shape": "{:.1f} times as long as wide, limit {:.1f}",
}
