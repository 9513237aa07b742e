"""Explanations as one self-contained HTML page: each image with its heat over it, its score, and its checks.

Nothing is loaded from anywhere: pictures are embedded, and the page allows itself one script, its own, known by its
hash, which moves the opacity of the heat. Without it everything but that slider works.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import BytesIO
from pathlib import Path

from PIL import Image

from boda.errors import Refused
from boda.keys import shown
from boda.pictures.heat import Scale, ramp
from boda.pictures.page import Figure, page_written_by
from boda.pictures.wording import number

MARK = "boda explain"
SIDE = 400
"""Of pictures on a page, in pixels: 64 images make about 3 MB."""
_STEPS = 17


@dataclass(frozen=True, slots=True)
class Explained:
    """One image on the page."""

    title: str
    """Its name."""
    lines: Sequence[str]
    """The score with its unit first, then how far it is from the stored score, then the checks."""
    image: bytes
    """PNG, WebP or JPEG, as `embedded` makes it; b"" where there is nothing to show, then `notes` say why."""
    overlay: bytes
    """The same with the heat over it."""
    notes: Sequence[str] = ()
    """What to mind."""
    scale: Scale | None = None
    """Of its colours, where it has its own."""


@dataclass(frozen=True, slots=True)
class ExplanationPage:
    """All of a page."""

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    """Score, method, layer, encoder: terms and what they are."""
    images: Sequence[Explained]
    figures: Sequence[tuple[str, str, str]] = ()
    """Summary of the checks: (name, figure, what stands beside it) each."""
    notices: Sequence[str] = ()
    """What is to be read first: that the map does no better than a blob in the centre, for one."""
    drawings: Sequence[Figure] = ()
    """Curves and contributions, of `boda.pictures.page.figure`."""
    notes: Sequence[str] = ()
    """How to read the maps; at the end."""
    scale: Scale | None = None
    """Of all images that have none of their own."""
    foot: str = ""


@dataclass(frozen=True, slots=True)
class _Colours:
    """A scale, ready to be drawn."""

    gradient: str
    low: str
    high: str
    zero: float | None
    """Where 0 lies, in per cent, if it lies between the ends."""
    unit: str
    about: str


def embedded(image: Image.Image, *, side: int = SIDE, quality: int = 80) -> bytes:
    """A picture for the page, as WebP, at most `side` pixels each way.

    Args:
        image: RGB.
        side: in pixels.
        quality: 1 to 100.
    """
    small = image.copy()
    small.thumbnail((side, side))
    into = BytesIO()
    small.save(into, "WEBP", quality=quality, method=4)
    return into.getvalue()


def explanation_page(page: ExplanationPage) -> str:
    """The page as one HTML document.

    Raises:
        Refused: bytes that are not PNG, WebP or JPEG.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    template = resources.files("boda.pictures").joinpath("explanation_page.html.jinja").read_text("utf-8")
    script = _script()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"shown": shown, "uri": _uri}
    return environment.from_string(template).render(
        page=page,
        mark=MARK,
        scale=_colours(page.scale),
        scales=[_colours(one.scale) for one in page.images],
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        script=Markup(script),  # goes in as it is: it is ours
    )


def write_explanation_page(page: ExplanationPage, path: Path) -> None:
    """Write the page whole or not at all. Stray bytes of a name come out as escapes, never as broken text."""
    from boda.workspace.atomic import write_whole

    data = explanation_page(page).encode("utf-8", "backslashreplace")
    write_whole(path, lambda file: file.write(data))


def is_explanation_page(path: Path) -> bool:
    """Whether this file is such a page."""
    return page_written_by(path, MARK)


@cache
def _script() -> str:
    return resources.files("boda.pictures").joinpath("explanation_page.js").read_text("utf-8")


def _uri(data: bytes) -> str:
    """The bytes of a picture as a `data:` address."""
    if data.startswith(b"\x89PNG"):
        kind = "png"
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        kind = "webp"
    elif data.startswith(b"\xff\xd8"):
        kind = "jpeg"
    else:
        raise Refused("a picture for a page must be PNG, WebP or JPEG: make it with `embedded`")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _colours(scale: Scale | None) -> _Colours | None:
    if scale is None:
        return None
    low, high = scale.ends
    stops = ", ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in ramp(scale, _STEPS).tolist())
    zero = 100 * -low / (high - low) if high > low else 0.0
    between = zero if 15 < zero < 85 else None  # elsewhere it would cover an end
    return _Colours(f"linear-gradient(to right, {stops})", number(low), number(high), between, scale.unit, scale.about)
