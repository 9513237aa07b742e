"""Heat over an image: what a map says of each place, in colours that a legend reads back.

The image turns grey, so that every hue is the map's. Maps without sign go through viridis, whose steps look equally
large; signed ones from blue, which takes away, over nothing at 0, to orange, which adds. The hotter, the less of the
image is left. What the network did not see is dark, with a frame around what it saw.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from boda.arrays import Pixels
from boda.errors import Refused
from boda.keys import shown
from boda.pictures.drawing import Axis
from boda.pictures.sheet import fitted, font
from boda.pictures.wording import number
from boda.pixels.window import Window, placed

Limits: TypeAlias = tuple[float, float]
_Floats = npt.NDArray[np.float32]

OPACITY = 0.75
QUANTILE = 0.99
_FAINTEST = 0.4
"""Of the opacity, for the lowest of the colours that are not signed: there the image is of more use than the hue."""
_LEVELS = 255
"""An odd number, so that 0 has the middle one for itself."""
_ADDS, _TAKES = (230.0, 97.0, 1.0), (0.0, 114.0, 178.0)
_BLACK, _CONTRAST = 40.0, 0.7
"""Of the grey image under the heat: what black becomes, and how much of the contrast stays."""
_OUTSIDE, _FRAME = 0.4, (240, 240, 240)
_PAPER, _INK, _FAINT, _EDGE = (255, 255, 255), (20, 20, 20), (110, 110, 110), (150, 150, 150)
_BAR, _LINE = 16, 17


@dataclass(frozen=True, slots=True)
class Scale:
    """What the colours of a map mean.

    Raises:
        Refused: limits or opacity make no sense.
    """

    limits: Limits
    """The values of the first and the last colour; values beyond have these colours too. Where they are signed, the
    larger counts on both sides."""
    unit: str
    signed: bool
    opacity: float = OPACITY
    """0 to 1: how much of the image the highest value hides; 0 hides nothing where it is signed, two fifths of this
    elsewhere."""
    colours: str | None = None
    """A colour map of matplotlib; None: viridis, or blue and orange where it is signed."""
    about: str = ""
    """What has to be known of the values beside their unit, such as what they are averages of."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (np.isfinite(self.limits).all() and self.limits[0] <= self.limits[1]):
            raise Refused(f"limits={self.limits}: two finite numbers, the lower first")
        if not 0 <= self.opacity <= 1:
            raise Refused(f"opacity={self.opacity} must be 0 to 1")

    @property
    def ends(self) -> Limits:
        """The limits, as far from 0 on both sides where they are signed."""
        reach = max(map(abs, self.limits))
        return (-reach, reach) if self.signed else self.limits


def limits_of(maps: Iterable[npt.NDArray[np.floating]], signed: bool) -> Limits:  # noqa: FBT001  # as of a heat
    """The values that the first and the last colour stand for, over all maps given.

    A few places far off do not use up the colours: the last is the 99 % quantile of the values, of their sizes where
    they are signed, as SmoothGrad's authors draw it (Smilkov et al., arXiv:1706.03825); the largest of up to a hundred
    values, and where else only zeros would be left. Values that are not finite do not count.

    Args:
        maps: of any shapes.
        signed: from minus to plus the same, so that 0 lies in the middle; else from 0, or from below where there are
            negative values all the same.

    Returns:
        (low, high), equal where all values are 0 or there is none.
    """
    finite = [np.asarray(one, np.float64)[np.isfinite(one)].ravel() for one in maps]
    values = np.concatenate([np.zeros(0), *finite])
    if not len(values):
        return 0.0, 0.0
    if signed:
        high = _reach(np.abs(values))
        return -high, high
    low = min(0.0, float(np.quantile(values, 1 - QUANTILE, method="lower")))
    return low, max(low, _reach(values))


def _reach(values: npt.NDArray[np.float64]) -> float:
    return float(np.quantile(values, QUANTILE, method="higher")) or float(values.max())


def remark(heat: npt.NDArray[np.floating]) -> str:
    """What is to be said of a map in which there is nothing to see; "" where there is.

    >>> remark(np.zeros((2, 2))), remark(np.eye(2))
    ('the same everywhere: 0', '')
    """
    values = heat[np.isfinite(heat)]
    if not values.size:
        return "no value anywhere"
    low, high = float(values.min()), float(values.max())
    return f"the same everywhere: {number(low)}" if low == high else ""


def overlay(
    image: Pixels,
    placed: _Floats,
    *,
    limits: Limits,
    signed: bool,
    opacity: float = OPACITY,
    colours: str | None = None,
) -> Image.Image:
    """The heat of a map over its image, at the image's own size.

    Args:
        image: (h, w, 3), upright.
        placed: (h, w), NaN where the network did not look.
        limits: of `limits_of`; as of a `Scale`, like all that follows.
        signed: whether 0 is the middle of the colours.
        opacity: of the heat.
        colours: a colour map of matplotlib.

    Raises:
        Refused: shapes, limits, opacity or the name of the colours make no sense.
    """
    if image.ndim != 3 or placed.shape != image.shape[:2]:
        raise Refused(f"a map of shape {placed.shape} does not lie over an image of {image.shape}: place it first")
    scale = Scale(limits, "", signed, opacity, colours)
    tints, weights = _tints(scale)
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)
    known = np.isfinite(placed)
    levels = _levels(np.where(known, placed, 0), scale)
    under = (1 - weights)[levels] * (_BLACK + _CONTRAST * grey)
    mixed = under[..., None] + (weights[:, None] * tints)[levels]
    mixed[~known] = _OUTSIDE * grey[~known, None]
    picture = Image.fromarray(np.rint(mixed).astype(np.uint8))
    _frame(picture, known)
    return picture


def _levels(values: npt.NDArray[np.floating], scale: Scale) -> npt.NDArray[np.uint8]:
    """Values to the numbers of their colours."""
    low, high = scale.ends
    if low == high:
        return np.full(values.shape, _LEVELS // 2 if scale.signed else 0, np.uint8)
    shares = np.clip((values - low) / (high - low), 0, 1)
    levels: npt.NDArray[np.uint8] = np.rint((_LEVELS - 1) * shares).astype(np.uint8)
    return levels


def _tints(scale: Scale) -> tuple[_Floats, _Floats]:
    """(levels, 3) colours, and (levels,) how much each hides of what is under it."""
    away = np.abs(np.linspace(-1, 1, _LEVELS, dtype=np.float32))
    weights = scale.opacity * (away if scale.signed else np.linspace(_FAINTEST, 1, _LEVELS, dtype=np.float32))
    if scale.signed and scale.colours is None:
        takes = np.arange(_LEVELS)[:, None] < _LEVELS // 2
        return np.where(takes, _TAKES, _ADDS).astype(np.float32), weights
    from matplotlib import colormaps

    name = scale.colours or "viridis"
    if name not in colormaps:
        raise Refused(f"no colour map {shown(name)!r}: one of matplotlib's, such as viridis, cividis, inferno, RdBu_r")
    return 255 * colormaps[name](np.linspace(0, 1, _LEVELS))[:, :3].astype(np.float32), weights


def _frame(picture: Image.Image, known: npt.NDArray[np.bool_]) -> None:
    """A line just outside what was seen, where that is not all."""
    rows, columns = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        thick = max(1, round(max(picture.size) / 320))
        outer = (columns[0] - thick, rows[0] - thick, columns[-1] + thick, rows[-1] + thick)
        ImageDraw.Draw(picture).rectangle([int(edge) for edge in outer], outline=_FRAME, width=thick)


def heated(
    image: Pixels, heat: npt.NDArray[np.floating], window: Window, scale: Scale, *, side: int
) -> tuple[Image.Image, Image.Image]:
    """An image and its overlay for a page or a sheet; the map is placed at the size that is shown.

    Args:
        image: (h, w, 3), upright.
        heat: (y, x), of what the network saw.
        window: of the image.
        scale: of the colours.
        side: as of `sized`.
    """
    picture = sized(image, side)
    across, down = (new / old for new, old in zip(picture.size, image.shape[1::-1], strict=True))
    over = overlay(
        np.asarray(picture),
        placed(heat, window.scaled(across, down), picture.size),
        limits=scale.limits,
        signed=scale.signed,
        opacity=scale.opacity,
        colours=scale.colours,
    )
    return picture, over


def sized(image: Pixels, side: int) -> Image.Image:
    """An image (h, w, 3) fitted into `side` pixels each way; small ones are enlarged by a whole number, unsmoothed."""
    picture = Image.fromarray(image)
    times = side // max(picture.size)
    if times > 1:
        return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture


def ramp(scale: Scale, steps: int) -> Pixels:
    """(steps, 3): the colours from the lowest to the highest, as they look over a middle grey."""
    tints, weights = _tints(scale)
    mixed = (1 - weights)[:, None] * (_BLACK + _CONTRAST * 127.5) + weights[:, None] * tints
    low, high = scale.ends
    colours: Pixels = np.rint(mixed[_levels(np.linspace(low, high, steps), scale)]).astype(np.uint8)
    return colours


def legend(
    limits: Limits,
    unit: str,
    signed: bool,  # noqa: FBT001  # as of a heat
    height: int,
    *,
    opacity: float = OPACITY,
    colours: str | None = None,
) -> Image.Image:
    """The colours of a map from bottom to top, with what they mean.

    Args:
        limits: as of the overlay, like all but the height.
        unit: of the values.
        signed: whether 0 is the middle.
        height: of the picture, in pixels; at least 60.
        opacity: of the heat.
        colours: a colour map of matplotlib.

    Raises:
        Refused: it is too low; or as `overlay`.
    """
    if height < 60:
        raise Refused(f"a legend of {height} pixels has no room for its figures: give it 60")
    scale = Scale(limits, unit, signed, opacity, colours)
    top, bottom = _LINE // 2, height - _LINE // 2 - 1
    ticks, unit = _ticks(scale, bottom, top)
    wide = max(font().getlength(text) for _, text in ticks)
    picture = Image.new("RGB", (round(_BAR + 14 + wide + 6 + _LINE), height), _PAPER)
    draw = ImageDraw.Draw(picture)
    bar = np.repeat(ramp(scale, bottom - top + 1)[::-1, None], _BAR, axis=1)
    picture.paste(Image.fromarray(bar), (1, top))
    draw.rectangle((0, top - 1, _BAR + 1, bottom + 1), outline=_EDGE)
    for where, text in ticks:
        draw.line((_BAR + 2, where, _BAR + 6, where), fill=_INK)
        draw.text((_BAR + 10, where), text, _INK, font(), anchor="lm")
    picture.paste(_upwards(unit, height), (picture.width - _LINE, 0))
    return picture


def _ticks(scale: Scale, bottom: int, top: int) -> tuple[list[tuple[float, str]], str]:
    """Where a legend is marked, in pixels from above, and with what; and the unit of these figures."""
    low, high = scale.ends
    if low == high:
        return [((bottom + top) / 2, number(low))], scale.unit
    power = int(np.floor(np.log10(max(abs(low), abs(high)))))
    times, unit = 1.0, scale.unit
    if not -5 < power < 7:  # as many zeros would be all that one reads
        times = 10.0**power
        unit = f"{number(times).removeprefix('1×')} {unit}"
    axis = Axis(low / times, high / times, bottom, top)
    return [(axis(value), text) for value, text in axis.ticks(max(2, (bottom - top) // 34))], unit


def _upwards(text: str, height: int) -> Image.Image:
    """A line of words, read from bottom to top."""
    words = Image.new("RGB", (height, _LINE), _PAPER)
    draw = ImageDraw.Draw(words)
    draw.text((height / 2, _LINE / 2), fitted(draw, shown(text), height - 4), _FAINT, font(), anchor="mm")
    return words.transpose(Image.Transpose.ROTATE_90)
