"""The picture: how far Adam has come after so many epochs, and where the closed form is from the start."""

from collections.abc import Sequence

import numpy as np

from ava.published_figures import SPEARMAN
from ava.study import Study
from boda.pictures.drawing import Axis, Colour, Drawing, curve

_LEFT, _RIGHT, _TOP, _FOOT = 62.0, 560.0, 24.0, 320.0
_COLOURS: dict[str, Colour] = {"raw": "main", "divided by ten": "other"}
_KEY: tuple[tuple[str, Colour, bool], ...] = (
    ("divided by ten", "other", False),
    ("raw", "main", False),
    ("divided, normalised", "other", True),
    ("raw, normalised", "main", True),
)
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def curves_picture(studies: Sequence[Study]) -> bytes:
    """One SVG file: Spearman over epochs, from 1 on, on a logarithmic axis.

    Args:
        studies: of one set of features: as they are (drawn through) and normalised (dashed).
    """
    most = max(len(values) for one in studies for values in one.curves.values())
    least = min(0.0, *(min(values) for one in studies for values in one.curves.values()))
    across, upright = Axis(0, float(np.log10(most)), _LEFT, _RIGHT), Axis(least, 0.75, _FOOT, _TOP)
    drawing = Drawing(740, 380, f"Spearman of {studies[0].features} features over {most} epochs of Adam")
    drawing.upright(upright, _LEFT, _RIGHT, "Spearman on the test rows")
    for epochs in (tick for tick in _TICKS if tick <= most):
        drawing.text(across(np.log10(epochs)), _FOOT + 17, str(epochs), anchor="middle", colour="soft", size=12)
    drawing.text((_LEFT + _RIGHT) / 2, _FOOT + 38, "epochs", anchor="middle")
    ridge = studies[0].scores["closed form, raw"]["spearman"].value
    drawing.line((_LEFT, upright(ridge), _RIGHT, upright(ridge)), colour="ink", width=1.4)
    for one in studies:
        for name, values in one.curves.items():
            places = np.unique(np.round(np.geomspace(1, len(values), 120)).astype(int)) - 1
            points = zip(across.of(np.log10(places + 1)), upright.of(np.array(values)[places]), strict=True)
            dashed = one.scaling == "normalised"
            drawing.path(curve(points), colour=_COLOURS[name], stroke=2, dashed=dashed)
    published = studies[0].features if studies[0].features in SPEARMAN else "ViT-B/16"
    for name, values in SPEARMAN[published].items():
        where = np.log10(np.arange(1, len(values) + 1))
        drawing.dots(across.of(where), upright.of(np.array(values)), colour=_COLOURS[name], size=8)
    _key(drawing, upright(ridge), published)
    return drawing.svg()


def _key(drawing: Drawing, ridge: float, published: str) -> None:
    left = _RIGHT + 14
    drawing.text(left, ridge + 4, "closed form, both", size=12.5)
    for place, (words, colour, dashed) in enumerate(_KEY):
        top = 150.0 + 24 * place
        drawing.line((left, top - 4, left + 26, top - 4), colour=colour, width=2, dashed=dashed)
        drawing.text(left + 34, top, words, size=12.5)
    top = 150.0 + 24 * 4
    drawing.dots(np.array([left + 6]), np.array([top - 4]), colour="other", size=8)
    drawing.dots(np.array([left + 20]), np.array([top - 4]), colour="main", size=8)
    drawing.text(left + 34, top, f"published, {published}", size=12.5)
