"""Search with conditions, with several examples, and by an index."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import MissingExtra, NotFound, ReadOnly, Refused
from boda.pipelines.searching.kept_index import KIND
from synthetic import synthetic_workspace


@pytest.fixture
def labelled(tmp_path):
    """400 images in name only, with a kind and a year; the last 20 have no features."""
    rng = np.random.default_rng(0)
    kinds = np.array(["cat", "dog", "owl", "fox"])[rng.integers(4, size=400)]
    columns = {"kind": kinds.tolist(), "year": [None if row % 7 == 0 else 2000 + row % 20 for row in range(400)]}
    features = rng.normal(size=(400, 16)) + 1
    return synthetic_workspace(tmp_path / "w.boda", {"plain": features}, columns, without_features=20)


def cosines(workspace, row):
    array = np.asarray(workspace.features().array, np.float64)
    unit = array / np.linalg.norm(array, axis=1, keepdims=True)
    return unit @ unit[row]


def test_a_condition_leaves_the_nearest_of_the_rows_that_meet_it(labelled):
    """Exactly those that sorting by hand gives; the query need not meet it, and says how many rows were compared."""
    found = boda.search(labelled, row="00003.png", where="kind in ['cat', 'owl'] and year > 2010", k=5)
    frame = labelled.frame().to_pylist()[:380]
    met = [i for i, row in enumerate(frame) if row["kind"] in ("cat", "owl") and (row["year"] or 0) > 2010]
    likeness = cosines(labelled, 3)
    expected = [row for row in sorted(met, key=lambda row: -likeness[row]) if row != 3][:5]
    assert list(found.hits.rows) == expected
    assert found.searched == len(met)
    assert found.as_json()["where"].startswith("kind in")


def test_a_condition_that_no_image_meets_finds_nothing(labelled):
    """That is an answer: no hits, and a sheet of the query."""
    found = boda.search(labelled, row="00003.png", where="kind == 'cow'")
    assert (len(found.hits), found.searched) == (0, 0)
    assert found.sheet.exists()


def test_a_condition_knows_keys_and_facts(workspace):
    """`key` as tables have it, `width` and `height` in pixels; a wrong one is refused before anything is written."""
    found = boda.search(workspace, row="red 0.png", where="key != '사진, copy.png' and width == 48")
    assert "사진, copy.png" not in found.hits.keys
    assert len(found.hits) == 11
    with pytest.raises(NotFound, match="no column 'widht'"):
        boda.search(workspace, row="red 0.png", where="widht == 48")
    with pytest.raises(Refused, match="character 7"):
        boda.search(workspace, row="red 0.png", where="width = 48")


def test_several_rows_and_images_make_one_direction(workspace, photos):
    """More like red and green, less like blue: red and green come first, blue last; rows that were given are no hits."""
    asked = {"row": ["red 0.png", "green 0.png"], "image": photos / "red 1.png", "less_row": "blue 0.png"}
    found = boda.search(workspace, **asked, k=99)
    assert all(key.startswith("blue") for key in found.hits.keys[-3:])
    assert not {"red 0.png", "green 0.png", "blue 0.png"} & set(found.hits.keys)
    assert "red 1.png" in found.hits.keys  # given as a file, it is no row
    assert found.query == f"red 0.png + green 0.png + {photos / 'red 1.png'} - blue 0.png"
    record = json.loads(json.dumps(found.as_json()))
    assert [(one["kind"], one["less"]) for one in record["given"]] == [
        ("row", False), ("row", False), ("image", False), ("row", True)
    ]  # fmt: skip
    with Image.open(found.sheet) as sheet:
        assert sheet.width > 7 * 180


def test_the_sheet_begins_with_what_was_given(workspace, photos, monkeypatch):
    """Wanted ones, then unwanted ones, then hits, each with its own picture."""
    from boda.pipelines.searching import sheet

    tiles = []
    drawn = sheet.contact_sheet
    monkeypatch.setattr(sheet, "contact_sheet", lambda given, **how: tiles.extend(given) or drawn(given, **how))
    boda.search(workspace, image=photos / "red 1.png", row="green 0.png", less_row="blue 0.png", k=2)
    assert [tile.caption[0] for tile in tiles[:3]] == ["like", "like", "less like"]
    assert [tile.caption[0][0] for tile in tiles[3:]] == ["1", "2"]
    middles = [np.asarray(tile.image)[85:95, 85:95].mean(axis=(0, 1)).argmax() for tile in tiles[:3]]
    assert middles == [1, 0, 2]


def test_examples_that_cancel_out_are_refused(tmp_path):
    """Two opposite images have nothing in common."""
    features = np.array([[1.0, 2], [-1, -2], [3, 1]])
    opposite = synthetic_workspace(tmp_path / "o.boda", {"plain": features}, {"x": [1, 2, 3]})
    with pytest.raises(Refused, match="cancel out"):
        boda.search(opposite, row=["00000.png", "00001.png"])


def test_one_example_is_what_it_was_before(workspace):
    """A list of one row is that row, likeness and all."""
    assert boda.search(workspace, row=["red 0.png"], k=5).hits == boda.search(workspace, row="red 0.png", k=5).hits


class TestApproximate:
    """An index is asked for, kept, measured, and made again when features change."""

    @pytest.fixture(autouse=True)
    def _usearch(self, monkeypatch):
        pytest.importorskip("usearch")
        monkeypatch.setattr("boda.retrieval.index.QUERIES", 20)

    def test_it_is_made_once_and_kept(self, labelled):
        """The second search maps what the first has made; the likeness of what it finds is exact."""
        exact = boda.search(labelled, row="00003.png", k=5)
        first = boda.search(labelled, row="00003.png", k=5, approximate=True)
        again = boda.search(labelled, row="00003.png", k=5, approximate=True)
        assert (first.index.made, again.index.made) == (True, False)
        assert first.hits == again.hits == exact.hits
        (kept,) = labelled.results(KIND)
        assert kept.name.startswith(labelled.recipe().id)
        assert kept.summary["rows"] == 380
        told = json.loads(json.dumps(again.as_json()))["approximate"]
        assert told["recall"]["low"] <= told["recall"]["value"] <= told["recall"]["high"] <= 1
        assert (told["recall"]["neighbours"], told["recall"]["queries"]) == (20, 20)
        assert exact.as_json()["approximate"] is None

    def test_a_condition_is_exact_all_the_same(self, labelled):
        """Filtered rows are all compared; no index is made for that."""
        found = boda.search(labelled, row="00003.png", k=5, approximate=True, where="kind == 'cat'")
        assert found.index is None
        assert labelled.results(KIND) == []

    def test_other_features_make_another(self, workspace, photos):
        """Where images joined, the old index goes and a new one knows them."""
        boda.search(workspace, row="red 0.png", approximate=True)
        (before,) = workspace.results(KIND)
        rng = np.random.default_rng(5)
        Image.fromarray(rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(photos / "new.png")
        boda.embed(photos, encoders="handmade:hog-colour", to=workspace.path, executor="in-process", workers=1)
        found = boda.search(workspace, row="red 0.png", approximate=True, k=99)
        (after,) = workspace.results(KIND)
        assert found.index.made
        assert (before.name, before.summary["rows"]) != (after.name, after.summary["rows"])
        assert "new.png" in found.hits.keys

    @pytest.mark.parametrize("harm", ["cut", "gone", "other version"])
    def test_a_damaged_index_is_made_again(self, labelled, harm, monkeypatch):
        """It is worth nothing that the features do not hold."""
        boda.search(labelled, row="00003.png", approximate=True)
        (kept,) = labelled.results(KIND)
        file = labelled.path / "results" / KIND / kept.digest / kept.files[0].name
        if harm == "cut":
            file.write_bytes(file.read_bytes()[:1000])
        elif harm == "gone":
            file.unlink()
        else:
            monkeypatch.setattr("boda.retrieval.index.version", lambda: "99.1.0")
        assert boda.search(labelled, row="00003.png", approximate=True).index.made
        assert not boda.search(labelled, row="00003.png", approximate=True).index.made

    def test_what_cannot_be_made_is_refused(self, labelled, tmp_path, monkeypatch):
        """A workspace that cannot be written, one row alone, usearch not installed."""
        one = synthetic_workspace(tmp_path / "one.boda", {"plain": np.ones((1, 4))}, {"x": [1]})
        with pytest.raises(Refused, match="leave out --approximate"):
            boda.search(one, row="00000.png", approximate=True)
        monkeypatch.setattr(labelled, "read_only", "read-only disk")
        with pytest.raises(ReadOnly):
            boda.search(labelled, row="00003.png", approximate=True)
        monkeypatch.setitem(sys.modules, "usearch", None)
        with pytest.raises(MissingExtra, match="index"):
            boda.search(labelled, row="00003.png", approximate=True)
