"""A map as one self-contained HTML page: point at a dot and see its image.

Nothing is loaded from anywhere: thumbnails are embedded as sheets, and the page allows itself one script, its own,
known by its hash. The script reads what it shows from data in the page and writes it as text only.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.keys import shown
from boda.pictures.map_colours import Colours
from boda.pictures.map_picture import MARK, Doubt
from boda.pictures.map_sprites import Sprites
from boda.pictures.page import page_written_by

_FINE = 10_000
"""Steps of a coordinate over the width of the map."""


@dataclass(frozen=True, slots=True, eq=False)
class MapPage:
    """All of a page."""

    title: str
    lead: str
    figures: Sequence[tuple[str, str, str]]
    """(name, figure, what stands beside it) of each error bar."""
    limits: Sequence[str]
    """What the map does not show."""
    notes: Sequence[str]
    places: npt.NDArray[np.float32]
    """(n, 2) or (n, 3)."""
    keys: Sequence[str]
    """(n,)"""
    colours: Colours
    doubts: Sequence[Doubt]
    """What is known of each point; the first that is `pale` makes points pale."""
    placed: npt.NDArray[np.bool_]
    """(n,): drawn with a ring."""
    behind: npt.NDArray[np.float32] | None
    """(b, 2) or (b, 3) points of another map."""
    sprites: Sprites
    pictured: npt.NDArray[np.int64]
    """(n,): of each point the place of its thumbnail on the sheets; -1 where it has none."""
    foot: str = ""


def map_page(page: MapPage) -> str:
    """The page as one HTML document."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    template = resources.files("boda.pictures").joinpath("map_page.html.jinja").read_text("utf-8")
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(
        page=page,
        mark=MARK,
        digest=digest,
        # These go in as they are: the script is ours, and in data every sign that could end it is escaped.
        script=Markup(script),
        data=Markup(_as_data(_data(page))),
        sheets=Markup(_as_data(list(page.sprites.sheets))),
    )


def write_map_page(page: MapPage, path: Path) -> None:
    """Write the page whole or not at all."""
    from boda.workspace.atomic import write_whole

    data = map_page(page).encode("utf-8", "backslashreplace")
    write_whole(path, lambda file: file.write(data))


def is_map_page(path: Path) -> bool:
    """Whether this file is such a page."""
    return page_written_by(path, MARK)


@cache
def _script() -> str:
    return resources.files("boda.pictures").joinpath("map_page.js").read_text("utf-8")


def _as_data(value: Any) -> str:
    """JSON that can stand between script tags: nothing in it ends them or begins a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _data(page: MapPage) -> dict[str, Any]:
    places, behind = _steps(page.places, page.behind)
    return {
        "dims": page.places.shape[1],
        "places": places,
        "behind": behind,
        "keys": [shown(key) for key in page.keys],
        "texts": list(page.colours.texts) if any(page.colours.texts) else [],
        "named": shown(page.colours.title),
        "palette": list(page.colours.palette),
        "colours": page.colours.index.tolist(),
        "doubts": [
            {"title": doubt.title, "pale": doubt.pale, "values": _hundredths(doubt.values)} for doubt in page.doubts
        ],
        "placed": np.flatnonzero(page.placed).tolist() if not page.placed.all() else [],
        "pictured": page.pictured.tolist(),
        "total": int(page.pictured.max(initial=-1)) + 1,
        "side": page.sprites.side,
        "across": page.sprites.across,
    }


def _steps(
    places: npt.NDArray[np.float32], behind: npt.NDArray[np.float32] | None
) -> tuple[list[list[int]], list[list[int]]]:
    """Coordinates in whole steps, one list a dimension; the widest takes all of 0 to `_FINE`, others lie centred."""
    together = places if behind is None else np.concatenate([places, behind])
    low, high = together.min(axis=0), together.max(axis=0)
    unit = _FINE / max(float((high - low).max()), 1e-12)
    steps = np.round((together - (low + high) / 2) * unit + _FINE / 2).astype(np.int64)
    return steps[: len(places)].T.tolist(), steps[len(places) :].T.tolist()


def _hundredths(values: npt.NDArray[np.float32]) -> list[int | None]:
    """In hundredths; None where it was not measured."""
    return [None if np.isnan(value) else round(100 * float(value)) for value in values]
