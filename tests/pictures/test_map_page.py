"""A page of a map loads nothing, runs its own script alone, and shows any name as text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from boda.keys import shown
from boda.pictures import map_colours
from boda.pictures.map_page import MapPage, is_map_page, map_page, write_map_page
from boda.pictures.map_picture import Doubt
from boda.pictures.map_sprites import SIDE, sprites
from drawn import HOSTILE


def made(n: int = 6, *, dims: int = 2, text: str = "a", behind: np.ndarray | None = None) -> MapPage:
    rng = np.random.default_rng(0)
    values = rng.random(n).astype(np.float32)
    values[0] = np.nan
    return MapPage(
        title=text,
        lead=text,
        figures=[(text, "0.9", text)],
        limits=[text],
        notes=[text],
        places=rng.normal(size=(n, dims)).astype(np.float32),
        keys=[text] * n,
        colours=map_colours.by_name(text, [text] * n),
        doubts=[Doubt(text, values, pale=True, end=("0", "1"))],
        placed=np.arange(n) == 2,
        behind=behind,
        sprites=sprites([Image.new("RGB", (SIDE, SIDE), (9 * i, 0, 0)) for i in range(n)]),
        pictured=np.arange(n),
        foot=text,
    )


class Handlers(HTMLParser):
    """Attributes that run something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found += [name for name, _ in attrs if name.startswith("on")]


def data_of(html: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_the_one_script_is_allowed_by_its_hash_and_nothing_is_loaded():
    """Pictures are data; there is no address in the page."""
    html = map_page(made())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    (script,) = scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "http:" not in html
    assert "https:" not in html
    assert not re.search(r"\bon\w+=", html.split("<script", 1)[0])
    assert "innerHTML" not in script


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text, tmp_path):
    """In the page, in its data, and in what is read from it."""
    path = tmp_path / "map.html"
    write_map_page(made(text=text), path)
    html = path.read_text("utf-8")
    assert html.count("<script") == 3
    assert data_of(html)["keys"] == [shown(text)] * 6
    assert not Handlers(html).found
    assert is_map_page(path)


def test_places_keep_their_shape():
    """In whole steps, equally wide in all directions; points of another map lie among them."""
    page = made(dims=3, behind=np.array([[5, 0, 0], [0, 5, 0]], np.float32))
    data = data_of(map_page(page))
    steps, original = np.array(data["places"]).T, page.places
    unit = np.linalg.norm(steps[1] - steps[0]) / np.linalg.norm(original[1] - original[0])
    np.testing.assert_allclose((steps - steps[0]) / unit, original - original[0], atol=2 / unit)
    assert np.array(data["behind"]).shape == (3, 2)
    assert data["placed"] == [2]
    assert data["doubts"][0]["values"][0] is None


def test_thumbnails_are_found_on_their_sheets():
    """More than a sheet holds go on the next; each is where the script looks for it."""
    found = sprites([Image.new("RGB", (SIDE, SIDE), (i % 200, i // 200, 0)) for i in range(600)])
    assert len(found.sheets) == 2
    assert all(sheet.startswith("data:image/webp;base64,") for sheet in found.sheets)
    assert sprites([]).sheets == ()


def test_a_page_can_be_used_without_a_mouse_and_in_the_dark():
    """The map takes the focus and says how; what is chosen is told to those who do not see it."""
    html = map_page(made())
    assert 'tabindex="0"' in html
    assert "Arrow keys" in html
    assert 'aria-live="polite"' in html
    assert "prefers-color-scheme: dark" in html
    assert ">turn<" not in html
    assert ">turn<" in map_page(made(dims=3))
