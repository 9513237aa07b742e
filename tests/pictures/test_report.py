"""The page of a head tells all of its record, says what is missing by leaving it out, and trusts no name."""

import base64
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from boda.errors import Refused
from boda.evaluation.imbalance import imbalance_of
from boda.evaluation.reliability import reliability_of
from boda.pictures.confusion import confusion
from boda.pictures.page import Figure, render_page
from boda.pictures.report import head_page
from drawn import HOSTILE, Drawn


class Reader(HTMLParser):
    """Tags, their attributes, headings and the text of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.headings: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data + " "
        if self.tags and self.tags[-1][0] == "h2" and data.strip():
            self.headings.append(data)
            self.tags.append(("", {}))


def interval(value: float, half: float = 0.07) -> dict:
    return {"value": value, "low": value - half, "high": value + half, "level": 0.9, "rounds": 1000, "undefined": 0}


def curve() -> dict:
    rng = np.random.default_rng(0)
    said = rng.random(500)
    return reliability_of(said, rng.random(500) < said).as_json()


def full_record() -> dict:
    return {
        "rows": 606,
        "left_out": {"no target": 3},
        "folds": {"count": 5, "by": "group", "groups": 287, "copies": 4, "said": "5 folds by group", "seed": 0},
        "primary": "spearman",
        "metrics": {
            "spearman": {**interval(0.48), "baseline": 0.0, "better": "higher"},
            "mae": {**interval(0.64), "baseline": 0.81, "better": "lower"},
        },
        "warnings": ["random folds flatter"],
        "random_folds": {
            "metric": "spearman",
            "random": interval(0.64),
            "grouped": interval(0.48),
            "gap": interval(0.16, 0.04),
            "flattered": True,
            "sentence": "rows of one group are alike",
        },
        "inputs": [
            {"inputs": name, **interval(value)} for name, value in [("image", 0.5), ("numbers", 0.4), ("both", 0.6)]
        ],
        "differences": [{"of": "both - numbers", **interval(0.2)}, {"of": "both - image", **interval(0.01)}],
        "importance": [{"name": "image", **interval(0.4)}, {"name": "rooms", **interval(0.1)}],
        "calibration": {"temperature": 1.3, "error": 0.04, "error_before": 0.08, "curve": curve()["bins"]},
        "conformal": {
            "level": 0.9,
            "coverage": {"value": 0.9, "low": 0.87, "high": 0.92, "rows": 606},
            "set_size": 1.4,
        },
        "imbalance": imbalance_of(np.array([0, 0, 1]), ["smooth", "merger"]).as_json(),
        "ceiling": {"spearman": interval(0.86, 0.01), "raters": 120.0},
        "data": {"listed": 650, "quarantined": 41},
        "seconds": 1.2,
    }


def picture(form: str = "WEBP") -> bytes:
    into = BytesIO()
    Image.new("RGB", (8, 6), (200, 10, 10)).save(into, form)
    return into.getvalue()


def read(record: dict, **more) -> Reader:
    return Reader(render_page(head_page("valence", record, **more)))


def test_warnings_come_first():
    """Before any score stands what spoils it."""
    page = read(full_record())
    assert page.headings[0] == "Read this first"
    assert page.text.index("random folds flatter") < page.text.index("0.48")


def test_all_of_the_record_is_told():
    """Scores with interval and baseline, folds, what was left out, inputs, calibration, coverage."""
    said = " ".join(read(full_record()).text.split())
    for words in (
        "Spearman correlation, 90 % interval 0.41 to 0.55",
        "mean absolute error (lower is better) 0.64 0.57 to 0.71 0.81",
        "all rows of one group: 287 groups",
        "4 copies and near-duplicates",
        "3 rows: no target",
        "650, 41 could not be used",
        "rows of one group are alike",
        "both - numbers 0.20 0.13 to 0.27 above zero",
        "both - image 0.01 −0.06 to 0.08 no clear difference",
        "4.0 %, 8.0 % as learned",
        "90 % of the time (87 % to 92 %)",
        "The most that its raters allow 0.860 (0.850 to 0.870)",
    ):
        assert words in said


def drawings(page) -> list[str]:
    """What the drawings of a page say to those who do not see them."""
    return [block.words for part in page.sections for block in part.blocks if isinstance(block, Figure)]


def test_the_record_is_drawn():
    """Folds, inputs, importance, calibration and classes each have a drawing that says what it shows."""
    page = head_page("valence", full_record())
    words = " ".join(drawings(page))
    for start in (
        "Spearman correlation of 2 candidates",
        "both 0.6",
        "correlation lost",
        "Reliability curve",
        "Rows of 2",
    ):
        assert start in words
    assert len(drawings(page)) == 5


@pytest.mark.parametrize("missing", sorted(full_record()))
@pytest.mark.parametrize("how", ["absent", "none"])
def test_a_part_that_is_missing_is_left_out(missing, how):
    """Any part of the record may not be there."""
    record = full_record()
    if how == "absent":
        del record[missing]
    else:
        record[missing] = None
    assert "undefined" not in read(record).text


@pytest.mark.parametrize("missing", ["value", "low", "high", "level", "baseline"])
def test_a_number_that_is_not_defined_is_a_dash(missing):
    """Metrics that were not defined are None in JSON."""

    def without(part):
        if isinstance(part, dict):
            return {key: None if key == missing else without(value) for key, value in part.items()}
        return [without(value) for value in part] if isinstance(part, list) else part

    record = without({key: value for key, value in full_record().items() if key != "calibration"})
    text = read(record).text
    assert "None" not in text
    assert "nan" not in text


def test_an_empty_record_is_a_page():
    """A head that was not evaluated has a page without scores."""
    assert read({}).headings == []


def test_hostile_names_are_text_everywhere():
    """Tags, quotes, bidi signs, control signs and stray bytes in any text of the record, the facts or the captions."""
    for name in HOSTILE:
        record = full_record()
        record["warnings"] = [name]
        record["left_out"] = {name: 1}
        record["folds"]["by"] = name
        record["metrics"] = {name: record["metrics"]["mae"]}
        record["primary"] = name
        record["random_folds"] |= {"metric": name, "sentence": name}
        record["inputs"][0]["inputs"] = name
        record["differences"][0]["of"] = name
        record["importance"][0]["name"] = name
        record["imbalance"]["names"][0] = name
        figures = [(confusion([0, 1], [0, 1], [name, "b"]), name)]
        page = head_page(
            name, record, lead=name, facts=[(name, name)], figures=figures, worst=[(picture(), [name] * 3)]
        )
        html = render_page(page)
        document = Reader(html)
        assert "script" not in {tag for tag, _ in document.tags}
        assert not any(key.startswith("on") for _, attributes in document.tags for key in attributes)
        assert not set(html) & {"\u202e", "\x00", "\x1b"}
        html.encode()


def test_nothing_is_loaded_and_drawings_are_small():
    """Drawings and pictures are inside the page; each drawing is below 60 kB."""
    figures = [(confusion([0, 1], [0, 1], ["a", "b"]), "caption")]
    page = read(full_record(), figures=figures, worst=[(picture(), ["a.jpg"])])
    addresses = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert len(addresses) == 7
    for address in addresses:
        head, _, body = address.partition(";base64,")
        assert head in {"data:image/svg+xml", "data:image/webp"}
        assert len(base64.b64decode(body)) < 60_000
        if "svg" in head:
            assert Drawn(base64.b64decode(body)).words in {a.get("alt") for _, a in page.tags}


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
def test_worst_errors_are_shown_with_their_lines(form):
    """Each picture is embedded as it is, with all its lines; one that is not there keeps its place."""
    data = picture(form)
    page = read({}, worst=[(data, ["spider.jpg", "true 1.2", "predicted 5.6"]), (None, ["gone.jpg", "true 2"])])
    address = next(attributes["src"] for _, attributes in page.tags if "src" in attributes)
    assert address == f"data:image/{form.lower()};base64,{base64.b64encode(data).decode()}"
    assert "true 1.2\npredicted 5.6" in page.text
    assert "gone.jpg" in page.text


def test_other_files_are_refused_as_pictures():
    """An SVG or HTML file of a stranger is not embedded."""
    with pytest.raises(Refused, match="PNG, WebP or JPEG"):
        head_page("x", {}, worst=[(b"<svg onload=...", ["a"])])


def test_a_sentence_that_already_warns_is_not_said_twice():
    """The gap is told once in words, and drawn."""
    record = full_record()
    record["warnings"] = [record["random_folds"]["sentence"]]
    assert read(record).text.count("rows of one group are alike") == 1
