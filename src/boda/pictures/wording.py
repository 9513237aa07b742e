"""Numbers and names as people read them, the same in every picture and table."""

import math
import unicodedata

from boda.keys import shown

ABSENT = "–"
_METRICS = {
    "auc": "AUC",
    "brier": "Brier score",
    "emd": "earth mover's distance",
    "macro_f1": "macro F1",
    "mae": "mean absolute error",
    "micro_f1": "micro F1",
    "pearson": "Pearson correlation",
    "r2": "R²",
    "rmse": "root mean squared error",
    "spearman": "Spearman correlation",
}
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(value: float | None, *, decimals: int | None = None) -> str:
    """A figure with as many signs as it deserves, and a true minus; what is not finite or not there is a dash.

    Args:
        value: any number; whole ones (`int`) are written out.
        decimals: behind the point; without it three significant signs.

    >>> number(0.48251), number(-2.5, decimals=2), number(12345), number(2e10), number(None)
    ('0.483', '−2.50', '12,345', '2×10¹⁰', '–')
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    if isinstance(value, int):
        text = f"{value:,}"
    elif abs(value) >= 1e7 or (decimals is None and 0 < abs(value) < 1e-4):
        mantissa, _, power = f"{value:.2e}".partition("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}×10{str(int(power)).translate(_RAISED)}"
    elif decimals is not None:
        text = f"{value:,.{decimals}f}"
    else:
        text = f"{value:,.{max(0, 2 - _magnitude(value))}f}" if value % 1 else f"{value:,.0f}"
    return text.replace("-", "−") if any(sign in "123456789" for sign in text) else text.removeprefix("-")


def interval(low: float | None, high: float | None, *, decimals: int | None = None) -> str:
    """Both ends, with as many signs as the width of the interval gives meaning to.

    >>> interval(0.41234, 0.55), interval(-0.0021, 0.0034)
    ('0.41 to 0.55', '−0.0021 to 0.0034')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ABSENT
    decimals = meaningful(low, high) if decimals is None else decimals
    return f"{number(float(low), decimals=decimals)} to {number(float(high), decimals=decimals)}"


def meaningful(low: float, high: float) -> int:
    """Decimals that show the width of an interval with two signs.

    >>> meaningful(0.41, 0.55), meaningful(0.48, 0.58), meaningful(1000.0, 1500.0)
    (2, 2, 0)
    """
    width = high - low
    return min(6, max(0, 1 - _magnitude(width * (1 + 1e-9)))) if width > 0 else max(0, 2 - _magnitude(high))


def metric_name(key: str) -> str:
    """A metric as people call it.

    >>> metric_name("r2"), metric_name("balanced_accuracy"), metric_name("mae:bar")
    ('R²', 'balanced accuracy', 'mean absolute error: bar')
    """
    base, _, of = key.partition(":")
    words = _METRICS.get(base, shown(base.replace("_", " ")))
    return f"{words}: {shown(of.replace('_', ' '))}" if of else words


def share(value: float) -> str:
    """A share of one in per cent.

    >>> share(0.5), share(0.004), share(0.9999), share(1.0)
    ('50 %', '0.4 %', '99.9 %', '100 %')
    """
    percent = 100 * value
    if 99.5 <= percent < 100:
        return f"{min(percent, 99.9):.1f} %"
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.1f} %"


def breadth(text: str, size: float) -> float:
    """About how wide a text is in a font of this size, in pixels; rather too wide than too narrow."""
    return size * sum(map(_sign_breadth, text))


def _sign_breadth(sign: str) -> float:
    if unicodedata.combining(sign):
        return 0.0
    if unicodedata.east_asian_width(sign) in "WF":
        return 1.0
    if sign in " .,:;'|!ijltf()[]-":
        return 0.38
    return 0.86 if sign in "mwMW%@" else 0.7 if sign.isupper() else 0.61


def fitted(text: str, width: float, size: float = 13) -> str:
    """A name made safe to show, its middle left out where it is wider than `width` pixels.

    >>> fitted("a very long name of a class", 90)
    'a ver… class'
    """
    text = shown(text)
    if breadth(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = text[: kept // 2] + "…" + text[len(text) - (kept - kept // 2) :]
        if breadth(short, size) <= width:
            return short
    return "…"


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0
