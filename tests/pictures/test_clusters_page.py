"""The page of clusterings says what was found, and no name is anything but text on it."""

import html

import pytest
from PIL import Image

from boda.keys import shown
from boda.pictures.clusters_page import Shown, clusters_page
from boda.pictures.page import Picture, render_page
from drawn import HOSTILE

SPREAD = {"mean": 0.9, "low": 0.8, "high": 1.0, "repetitions": 10}


def record(name="bag", supported=None):
    """Of one clustering with two clusters, and a third that was too unstable to be found again."""
    again = {"seeds": SPREAD, "halves": SPREAD, "clusters": [SPREAD, SPREAD]}
    clusters = [
        {"cluster": 0, "rows": 8, "share": 0.8, "jaccard": SPREAD, "silhouette": None, "medoid": name},
        {"cluster": 1, "rows": 1, "share": 0.1, "jaccard": None, "silhouette": None, "medoid": {"bytes": "ff"}},
    ]
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    classes = {
        "column": name,
        "table": {"classes": [name, "x"], "counts": [[4, 1], [4, 0]], "unclustered": [0, 1], "unlabelled": 0},
        "agreement": {"accuracy": interval, "nmi": interval, "ari": interval | {"value": -0.01, "low": None}},
        "described": {name: {"count": 5.0, "mean": 0.2, "std": None}},
        "groups": {
            "by": {"mean": [[name], ["x"]]},
            "ways": {"mean": "the mean"},
            "trivial": True,
            "notes": ["trivial: x"],
        },
        "map": None,
        "held_out": None,
    }
    one = {"name": "kmeans-2", "k": 2, "asked": 2, "unclustered": 1, "silhouette": None, "supported": supported == 2}
    stability = {"found": again, "nulls": {"shuffled": again, "correlated": again}}
    return {
        "rows": 10,
        "encoder": name,
        "recipe": "0" * 16,
        "width": 4,
        "method": "kmeans",
        "seed": 0,
        "restarts": 10,
        "supported_k": supported,
        "verdict": "none of these numbers of clusters is supported by the features",
        "clusterings": [
            one
            | {"stability": stability, "against": f"halves differ {name}", "clusters": clusters, "classes": classes},
            one | {"name": "kmeans-3", "stability": None, "against": None, "clusters": [], "classes": None},
        ],
    }


def page_of(name="bag", **more):
    """The page as HTML."""
    pictures = {
        "kmeans-2": Shown([[Picture("", "medoid", shown(name))]] * 2, Image.new("RGB", (40, 20))),
        "kmeans-3": Shown([]),
    }
    return render_page(clusters_page(name, record(name, **more), sweep=Image.new("RGB", (40, 20)), shown_of=pictures))


def test_it_says_that_no_number_of_clusters_is_supported():
    """In words, on top; with figures and their ranges, and a dash where there is none."""
    text = html.unescape(page_of())
    assert "None of these numbers of clusters is supported by the features." in text
    assert text.count("0.90 (0.80 to 1.00)") >= 4
    assert "trivial: x" in text
    assert "Not named: halves differ bag." in text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(name):
    """Titles, columns, classes and keys with markup, control signs and stray bytes."""
    text = page_of(name)
    assert "<script>alert" not in text
    assert 'onload="alert' not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    text.encode("utf-8", "backslashreplace")
