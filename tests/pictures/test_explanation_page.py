"""A page of explanations loads nothing, runs its own script alone, and shows any name as text."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from boda.errors import Refused
from boda.keys import shown
from boda.pictures.drawing import Drawing
from boda.pictures.explanation_page import (
    Explained,
    ExplanationPage,
    embedded,
    explanation_page,
    is_explanation_page,
    write_explanation_page,
)
from boda.pictures.heat import Scale
from boda.pictures.page import figure
from drawn import HOSTILE

PICTURE = embedded(Image.new("RGB", (40, 30), (200, 90, 10)))
OVER = embedded(Image.new("RGB", (40, 30), (20, 90, 200)))
SIGNED = Scale((-0.5, 2.0), "log odds", signed=True)
EMPTY = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Reader(HTMLParser):
    """Tags with their attributes, the text, and whether all that was opened was closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(text: str = "cat.png", images: int = 3) -> ExplanationPage:
    """A page with every part, with this text wherever text goes."""
    drawing = Drawing(50, 40, text)
    one = Explained(text, (text, text), PICTURE, OVER, (text,), SIGNED)
    return ExplanationPage(
        title=text,
        lead=text,
        facts=[(text, text)],
        images=[one] * images,
        figures=[(text, text, text)],
        notices=[text],
        drawings=[figure(drawing.svg(), text)],
        notes=[text],
        scale=Scale((0.0, 0.75), text, signed=False),
        foot=text,
    )


def test_it_is_well_formed_and_loads_nothing():
    """Every tag is closed in order; pictures are data; there is no address in the page."""
    html = explanation_page(page())
    document = Reader(html)
    addresses = [attributes[name] for _, attributes in document.tags for name in ("src", "href") if name in attributes]
    assert len(addresses) == 7
    assert all(address.startswith("data:image/") for address in addresses)
    assert not re.search(r"https?:|url\(|@import", html)


def test_its_one_script_is_allowed_by_its_hash():
    """And nothing else runs."""
    html = explanation_page(page())
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert html.count("<script") == 1
    assert "innerHTML" not in script


@pytest.mark.parametrize("text", [*HOSTILE, "<img src=x onerror=alert(1)>.png", "{{ 7 * 7 }}", "--></style><b>"])
def test_hostile_names_stay_text(text, tmp_path):
    """No tag, no handler, no template comes out of a file's name."""
    path = tmp_path / "page.html"
    write_explanation_page(page(text), path)
    document = Reader(path.read_text("utf-8"))
    plain = Reader(explanation_page(page()))
    assert [tag for tag, _ in document.tags] == [tag for tag, _ in plain.tags]
    assert not any(name.startswith("on") for _, attributes in document.tags for name in attributes)
    assert document.text.count(shown(text)) >= 12
    assert is_explanation_page(path)


def test_every_picture_has_words():
    """The image and its heat say which is which; switches and colours have names too."""
    document = Reader(explanation_page(page()))
    words = [picture["alt"] for picture in document.of("img")]
    assert words == [*["cat.png, the image", "cat.png, its heat map"] * 3, "cat.png"]
    assert "switch between heat and image of cat.png" in [one.get("aria-label") for one in document.of("input")]
    assert "colours from −2 to 2 log odds" in [one.get("aria-label") for one in document.of("div")]


def test_the_method_behind_a_long_name_is_never_cut():
    """It stands at the end of a heading, which takes as many lines as it needs."""
    html = explanation_page(page("a long name in a folder of a folder/cat.png: Grad-CAM"))
    (style,) = re.findall(r"^h2 \{.*?\}", html, re.MULTILINE | re.DOTALL)
    assert "nowrap" not in style and "hidden" not in style
    assert html.count("cat.png: Grad-CAM</h2>") == 3


def test_what_a_shown_value_is_stands_under_its_unit():
    """Where it is not the map itself; nothing is cut, and where nothing is to be said there is no line."""
    scale = Scale((0.0, 1.0), "logit", signed=False, about="averages over 4 x 4 places")
    html = explanation_page(ExplanationPage("t", "l", [], [Explained("a", ("s",), PICTURE, OVER, scale=scale)]))
    units = re.findall(r'<div class="unit">(.*?)</div>', html)
    assert units == ["logit", "averages over 4 x 4 places"]
    assert "nowrap" not in re.search(r"\.unit \{.*?\}", html)[0]
    plain = ExplanationPage("t", "l", [], [Explained("a", ("s",), PICTURE, OVER, scale=SIGNED)])
    assert explanation_page(plain).count('class="unit"') == 1


def test_scales_show_their_colours_and_zero_in_the_middle():
    """One of its own each, and the page's: blue to orange, purple to yellow."""
    html = explanation_page(page())
    gradients = re.findall(r"linear-gradient\(to right, (#\w{6}), .*?(#\w{6})\)", html)
    assert len(gradients) == 4
    assert len(set(gradients[1:])) == 1
    (_, most), (takes, adds) = gradients[:2]
    assert int(most[1:3], 16) > 2 * int(most[5:], 16)
    assert int(takes[5:], 16) > int(takes[1:3], 16)
    assert int(adds[1:3], 16) > int(adds[5:], 16)
    assert html.count('style="left: 50.00%"') == 3


def test_an_image_without_heat_or_without_anything_keeps_its_place():
    """With what is said of it, and without a broken picture."""
    images = [
        Explained("gone.jpg", ("no score",), b"", b"", ("decode/truncated: ends early",)),
        Explained("plain.jpg", ("class 3, logit: 2.1",), PICTURE, b"", ("CAM needs global average pooling",)),
    ]
    document = Reader(explanation_page(ExplanationPage("t", "l", [], images)))
    assert len(document.of("img")) == 1
    assert {"role": "img", "class": "absent", "aria-label": "not shown"} in document.of("div")
    for text in ("gone.jpg", "decode/truncated: ends early", "CAM needs global average pooling"):
        assert text in document.text


def test_it_knows_dark_mode_and_phones():
    """Both colour schemes; as wide as the screen."""
    html = explanation_page(page())
    assert "prefers-color-scheme: dark" in html
    assert "width=device-width" in html


def test_pictures_are_as_large_as_a_page_needs():
    """64 photographs of 12 megapixels' detail stay within 6 MB."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    small = embedded(image)
    with Image.open(BytesIO(small)) as opened:
        assert opened.size == (400, 300)
    assert 128 * len(small) * 4 / 3 < 6e6
    images = [Explained(f"{i}.png", ("score",), small, small) for i in range(64)]
    assert len(explanation_page(ExplanationPage("t", "l", [], images))) < 6e6


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_common_formats_are_embedded_as_they_are(form):
    """Known by their bytes."""
    into = BytesIO()
    Image.new("RGB", (3, 3)).save(into, form)
    one = Explained("a", (), into.getvalue(), into.getvalue())
    html = explanation_page(ExplanationPage("t", "l", [], [one]))
    assert f"data:image/{form.lower()};base64,{base64.b64encode(into.getvalue()).decode()}" in html


def test_other_bytes_are_refused():
    """An SVG could hold anything."""
    with pytest.raises(Refused, match="PNG, WebP or JPEG"):
        explanation_page(ExplanationPage("t", "l", [], [Explained("a", (), b"<svg/>", b"<svg/>")]))
