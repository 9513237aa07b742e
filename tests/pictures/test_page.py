"""A page is one file that loads nothing, and no text in it can be anything but text."""

import base64
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from boda.pictures.page import (
    Banner,
    Cards,
    Commands,
    Facts,
    Figure,
    Gallery,
    Measure,
    Measures,
    Notices,
    Numbers,
    Page,
    Picture,
    Ranked,
    Section,
    Table,
    Words,
    data_uri,
    render_page,
    write_page,
)

HOSTILE = "<script>alert('&\"`${1}')</script>{{ 7 * 7 }}"


class Reader(HTMLParser):
    """Tags, their attributes, and the text of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def full_page(text: str) -> Page:
    """A page with every kind of block, with this text wherever text goes."""
    uri = data_uri(Image.new("RGB", (4, 4), (200, 10, 10)))
    picture = Picture(uri, text, text, differs=True)
    blocks = [
        Words(text),
        Numbers([(text, text)]),
        Cards([(text, text, [picture])]),
        Ranked(picture, [picture, Picture("", text, text)]),
        Measures([Measure(text, 0.5, 0.4, 0.6, text), Measure(text, 0.1, 0.0, 0.2, text, baseline=True)]),
        Gallery([picture, picture], pairs=True),
        Gallery([picture]),
        Gallery([picture], large=True),
        Figure(uri, text, 4, text),
        Notices([text]),
        Table([text], [[text]]),
        Facts([(text, text)]),
        Commands([text, text]),
    ]
    return Page(text, text, [Section(text, blocks)], Banner(uri, 4, 4, text, [(1, 1, 2)]), text)


def test_hostile_text_stays_text():
    """A name that looks like a script is shown as it is, and no script tag appears."""
    document = Reader(render_page(full_page(HOSTILE)))
    assert "script" not in {tag for tag, _ in document.tags}
    assert document.text.count(HOSTILE) >= 20


def test_hostile_text_cannot_leave_an_attribute():
    """Quotes in a name do not begin new attributes."""
    document = Reader(render_page(full_page('x" onerror="alert(1)" y="')))
    assert not any("onerror" in attributes for _, attributes in document.tags)


def test_nothing_is_loaded():
    """All addresses are embedded data, and the page forbids everything else to itself."""
    html = render_page(full_page("text"))
    document = Reader(html)
    addresses = [a[name] for _, a in document.tags for name in ("src", "href") if name in a]
    assert addresses
    assert all(address.startswith("data:image/") for address in addresses)
    assert "url(" not in html
    policy = next(a["content"] for tag, a in document.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_every_picture_has_words():
    """Screen readers get a text for each picture."""
    document = Reader(render_page(full_page("a cat")))
    pictures = [a for tag, a in document.tags if tag == "img"]
    assert pictures
    assert all(picture["alt"] == "a cat" for picture in pictures)


def test_page_knows_dark_mode_and_phones():
    """The page has both colour schemes and is as wide as the screen."""
    html = render_page(full_page("text"))
    assert "prefers-color-scheme: dark" in html
    assert "width=device-width" in html


def test_bars_are_as_long_as_their_measures():
    """A bar's width and its interval are per cent of the track."""
    html = render_page(Page("t", "l", [Section("s", [Measures([Measure("m", 0.925, 0.912, 0.937, "92.5 %")])])]))
    assert "width: 92.500%" in html
    assert re.search(r"left: 91\.200%; width: 2\.500%", html)


def test_stray_bytes_of_a_name_are_written_as_escapes(tmp_path):
    """A name that is not UTF-8 does not spoil the page."""
    path = tmp_path / "page.html"
    write_page(Page("caf\udce9", "", []), path)
    assert "caf\\udce9" in path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_data_uri_holds_the_picture(form):
    """What was embedded can be read again; PNG keeps every pixel."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    head, _, body = data_uri(Image.fromarray(pixels), form).partition(",")
    assert head == f"data:image/{form.lower()};base64"
    with Image.open(BytesIO(base64.b64decode(body))) as image:
        assert image.format == form
        assert image.size == (7, 9)
        if form == "PNG":
            np.testing.assert_array_equal(np.asarray(image), pixels)
