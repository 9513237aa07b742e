"""Predict: every image given has its row, with classes or with the reason why not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.unreadable import Code

SIDE = 16


class Reddest:
    """A classifier without torch: how red, green and blue an image is; NaN for a black one."""

    device, width = "cpu", 3
    class_names = ("red", "green", "blue")
    recipe = boda.Recipe(
        "mine:reddest", "", "pooled", "none", boda.PixelSpec(resize=SIDE, crop=(SIDE, SIDE)), name="reddest"
    )

    def __call__(self, pixels):
        return pixels.mean((1, 2), dtype=np.float32)

    logits = __call__

    def classify(self, pixels):
        means = self(pixels)
        with np.errstate(invalid="ignore"):
            return means / means.sum(1, keepdims=True)

    def at(self, precision):
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good images, one in a folder below, and one that is none."""
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    Image.new("RGB", (40, 30), (200, 40, 10)).save(tmp_path / "photos" / "a.png")
    Image.new("RGB", (30, 40), (10, 20, 220)).save(tmp_path / "photos" / "deep" / "b.png")
    (tmp_path / "photos" / "c.jpg").write_text("no image")
    return tmp_path / "photos"


def test_a_folder_has_a_row_an_image_by_relative_path(folder: Path):
    """In the order of the listing; the bad one with its reason."""
    found = boda.predict(folder, encoder=Reddest(), topk=2)
    rows = {one.key: one for one in found.predictions}
    assert list(rows) == ["a.png", "c.jpg", "deep/b.png"]
    assert [one.name for one in rows["a.png"].topk] == ["red", "green"]
    assert rows["a.png"].topk[0].percent == pytest.approx(80)
    assert [one.index for one in rows["deep/b.png"].topk] == [2, 1]
    assert rows["c.jpg"].topk == ()
    assert rows["c.jpg"].unreadable.code is Code.NOT_AN_IMAGE


def test_the_json_is_the_one_that_others_read(folder: Path):
    """`{"predictions": [{"key", "topk": [{"index", "name", "percent"}]}]}`, and `reason` on bad rows only."""
    record = json.loads(json.dumps(boda.predict(folder, encoder=Reddest(), topk=1).as_json()))
    assert list(record) == ["predictions"]
    assert record["predictions"][0] == {"key": "a.png", "topk": [{"index": 0, "name": "red", "percent": 80.0}]}
    assert record["predictions"][1]["topk"] == []
    assert record["predictions"][1]["reason"].startswith("identify/not_an_image")


def test_files_keep_their_path_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """In the order given; a file given twice comes once; several folders keep their names apart."""
    monkeypatch.chdir(folder.parent)
    files = ["photos/deep/b.png", Path("photos/a.png"), "photos/a.png"]
    assert [one.key for one in boda.predict(files, encoder=Reddest()).predictions] == [
        "photos/deep/b.png",
        "photos/a.png",
    ]
    mixed = boda.predict(["photos/deep", "photos/a.png"], encoder=Reddest()).predictions
    assert [one.key for one in mixed] == ["photos/deep/b.png", "photos/a.png"]


def test_pages_and_processes_change_nothing(tmp_path: Path):
    """70 images, three pages: each has its own answer, with one decoder or two."""
    for number in range(70):
        Image.new("RGB", (SIDE, SIDE), (number, 100, 0)).save(tmp_path / f"{number:03}.png")
    for workers in (1, 2):
        found = boda.predict(tmp_path, encoder=Reddest(), topk=3, workers=workers).predictions
        assert len(found) == 70
        for number, one in enumerate(found):
            shares = {ranked.name: ranked.percent for ranked in one.topk}
            assert shares["red"] == pytest.approx(100 * number / (number + 100), abs=1e-3)


def test_what_the_classifier_cannot_say_is_a_row_too(tmp_path: Path):
    """NaN is no prediction."""
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "black.png")
    (one,) = boda.predict(tmp_path / "black.png", encoder=Reddest()).predictions
    assert one.topk == ()
    assert one.unreadable.code is Code.NOT_FINITE


def test_more_classes_than_there_are_gives_all(folder: Path):
    """The likeliest first; the shares add up."""
    one = boda.predict(folder / "a.png", encoder=Reddest(), topk=99).predictions[0]
    assert len(one.topk) == 3
    assert sum(ranked.percent for ranked in one.topk) == pytest.approx(100)


def test_a_table_is_written_whole_and_never_over_another(folder: Path):
    """One row a class; the bad image has one with its reason; --force to write over."""
    place = folder.parent / "p.csv"
    boda.predict(folder, encoder=Reddest(), topk=2, to=place)
    with place.open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [(row["key"], row["rank"], row["name"]) for row in rows] == [
        ("a.png", "1", "red"), ("a.png", "2", "green"), ("c.jpg", "", ""), ("deep/b.png", "1", "blue"),
        ("deep/b.png", "2", "green"),
    ]  # fmt: skip
    assert rows[2]["reason"].startswith("identify/")
    with pytest.raises(Refused, match="--force"):
        boda.predict(folder, encoder=Reddest(), to=place)
    boda.predict(folder, encoder=Reddest(), to=place, force=True)


def test_bad_requests_are_refused_in_one_line(folder: Path, tmp_path: Path):
    """No images, no classifier, no such path, an empty folder, nothing to rank."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused, match="at least one image"):
        boda.predict([], encoder=Reddest())
    with pytest.raises(Refused, match="topk"):
        boda.predict(folder, encoder=Reddest(), topk=0)
    with pytest.raises(Refused, match="no classifier"):
        boda.predict(folder, encoder="handmade:hog-colour")
    with pytest.raises(NotFound):
        boda.predict(tmp_path / "gone.jpg", encoder=Reddest())
    with pytest.raises(Refused, match="no images in"):
        boda.predict(tmp_path / "empty", encoder=Reddest())


@pytest.mark.slow
def test_auto_knows_a_goldfish(boda_data: Path):
    """The whole way on real photographs: at least 343 of 400 right, by name and index."""
    found = boda.predict(boda_data / "imagenet_photos" / "images.tar", decode="exact").predictions
    with (boda_data / "imagenet_photos" / "labels.csv").open(newline="") as table:
        labels = {row["file"]: int(row["index"]) for row in csv.DictReader(table)}
    right = [one for one in found if one.topk[0].index == labels[one.key]]
    assert len(found) == 400
    assert 343 <= len(right) <= 347
    goldfish = next(one for one in found if "goldfish" in one.key)
    assert goldfish.topk[0].name == "goldfish, Carassius auratus"
    assert goldfish.topk[0].percent > 50
