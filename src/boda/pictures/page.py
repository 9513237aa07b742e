"""One self-contained HTML page from results: words, numbers, pictures, scores and tables.

A page is a list of sections, a section a list of blocks. Nothing is loaded from anywhere: pictures are embedded, there
is no script, and the page forbids both to itself. Every text is escaped, file names above all.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias
from xml.etree import ElementTree as ET

from PIL import Image

PictureFormat: TypeAlias = Literal["WEBP", "PNG", "JPEG"]
_TOP = 1024
"""Bytes of a page in which its mark stands."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An embedded picture with what is said under it."""

    uri: str
    """From `data_uri`; "" where there is nothing to show, then `note` says why."""
    caption: str = ""
    note: str = ""
    """Smaller, under the caption; may have several lines."""
    differs: bool = False
    """Of another class than what it is shown with: drawn as a line under it, and said in words to screen readers."""


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

    kind: ClassVar[str] = "words"
    text: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """A few figures in large type: (value, name) each."""

    kind: ClassVar[str] = "numbers"
    figures: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Cards:
    """Groups side by side: (title, text, pictures) each."""

    kind: ClassVar[str] = "cards"
    cards: Sequence[tuple[str, str, Sequence[Picture]]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A query and what was found for it, best first."""

    kind: ClassVar[str] = "ranked"
    query: Picture
    hits: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Measure:
    """A share of 1 with its interval."""

    name: str
    value: float
    low: float
    high: float
    text: str
    """The figure as it is read."""
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class Measures:
    """Shares as bars on one scale from 0 to 1, each with its interval."""

    kind: ClassVar[str] = "measures"
    measures: Sequence[Measure]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures in a row that wraps; `pairs` sets two and two together, `large` gives each more room."""

    kind: ClassVar[str] = "gallery"
    pictures: Sequence[Picture]
    pairs: bool = False
    large: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing in its own size, with its axes and words inside; on a narrow screen it scrolls before it gets tiny."""

    kind: ClassVar[str] = "figure"
    uri: str
    """A `data:` address."""
    words: str
    """What it shows, for those who do not see it."""
    width: int
    """In pixels."""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Notices:
    """What is to be read before anything else, one paragraph each."""

    kind: ClassVar[str] = "notices"
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings."""

    kind: ClassVar[str] = "table"
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what they are."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Commands:
    """Lines for a terminal."""

    kind: ClassVar[str] = "commands"
    lines: Sequence[str]


Block: TypeAlias = Words | Numbers | Cards | Ranked | Measures | Gallery | Figure | Notices | Table | Facts | Commands


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what follows it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Banner:
    """The picture on top, with squares drawn over it: (left, top, side) each, in its pixels."""

    uri: str
    width: int
    height: int
    credit: str
    squares: Sequence[tuple[int, int, int]] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """All of a page."""

    title: str
    lead: str
    sections: Sequence[Section]
    banner: Banner | None = None
    foot: str = ""
    mark: str = ""
    """What made it, by which `page_written_by` knows it again."""


def data_uri(image: Image.Image, form: PictureFormat = "WEBP", *, quality: int = 80) -> str:
    """An image as a `data:` address.

    Args:
        image: RGB or L.
        form: PNG is for very small pictures, whose pixels are to stay as they are.
        quality: of WebP and JPEG, 1..100.

    >>> data_uri(Image.new("L", (1, 1)), "PNG")[:26]
    'data:image/png;base64,iVBO'
    """
    into = BytesIO()
    image.save(into, form, quality=quality)
    return f"data:image/{form.lower()};base64,{base64.b64encode(into.getvalue()).decode()}"


def figure(drawing: bytes, caption: str = "") -> Figure:
    """A drawing as a block of a page. As a picture, a browser neither runs nor loads anything that is in it.

    Args:
        drawing: an SVG file of `Drawing.svg`, which says its width and its words.
        caption: what is said under it.
    """
    root = ET.fromstring(drawing)
    uri = f"data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}"
    return Figure(uri, root.attrib["aria-label"], int(root.attrib["width"]), caption)


def render_page(page: Page) -> str:
    """The page as one HTML document."""
    from jinja2 import Environment, StrictUndefined

    template = resources.files("boda.pictures").joinpath("page.html.jinja").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(page=page)


def write_page(page: Page, path: Path) -> None:
    """Write the page whole or not at all. Stray bytes of a name come out as escapes, never as broken text."""
    from boda.workspace.atomic import write_whole

    data = render_page(page).encode("utf-8", "backslashreplace")
    write_whole(path, lambda file: file.write(data))


def page_written_by(path: Path, mark: str) -> bool:
    """Whether this file is a page that was written with this mark."""
    try:
        with path.open("rb") as file:
            return _generator(mark) in file.read(_TOP)
    except OSError:
        return False


def _generator(mark: str) -> bytes:
    return f'<meta name="generator" content="{mark}">'.encode()
