"""Tables join by key, name or stem, any time; what does not match is reported."""

import json

import pytest

import boda
from boda.errors import NotFound, Refused, SourceError


def test_columns_join_by_key_and_ids_stay_text(workspace, tmp_path):
    """Matched and unmatched are counted; an 18-digit id is the text it was; features are untouched."""
    table = tmp_path / "notes.csv"
    table.write_text(
        'file,id,score\nred 0.png,123456789012345678,0.5\n"사진, copy.png",000000000000000001,1\nnone.png,2,3\n'
    )
    before = workspace.features().array.copy()
    joined = boda.label(workspace, table)
    assert (joined.rows, joined.matched, joined.unmatched_rows) == (3, 2, ("none.png",))
    assert (joined.column, joined.by, joined.name, joined.columns) == ("file", "key", "notes", ("id", "score"))
    assert len(joined.unmatched_images) == 12
    rows = {row["key"]: row for row in workspace.frame().to_pylist()}
    assert rows["사진, copy.png"]["id"] == "000000000000000001"
    assert (workspace.features().array == before).all()
    record = json.loads(json.dumps(joined.as_json()))
    assert record["unmatched_rows"] == {"count": 1, "examples": ["none.png"]}
    assert any("none.png" in line for line in joined.lines())


def test_joining_again_replaces(workspace, tmp_path):
    """The same name is one set; the later value counts."""
    for score in (1, 2):
        (tmp_path / "t.csv").write_text(f"key,score\nred 0.png,{score}\n")
        boda.label(workspace.path, tmp_path / "t.csv", name="mine")
    assert [labels.name for labels in workspace.labels()].count("mine") == 1
    assert {row["key"]: row["score"] for row in workspace.frame().to_pylist()}["red 0.png"] == 2


def test_no_match_shows_examples_of_both_sides(workspace, tmp_path):
    """Nothing is stored then."""
    (tmp_path / "t.csv").write_text("file,score\na,1\nb,2\nc,3\nd,4\n")
    with pytest.raises(Refused, match=r"'a', 'b', 'c';.*blue 0\.png"):
        boda.label(workspace, tmp_path / "t.csv")
    assert [labels.name for labels in workspace.labels() if labels.name != "source"] == []


def test_wrong_tables_are_named(workspace, tmp_path, photos):
    """No file, a folder, no such column, no table, a reserved name."""
    with pytest.raises(NotFound, match="no such file"):
        boda.label(workspace, tmp_path / "none.csv")
    with pytest.raises(Refused, match="not a file"):
        boda.label(workspace, photos)
    (tmp_path / "t.csv").write_text("file,score\nred 0.png,1\n")
    with pytest.raises(NotFound, match="no column 'nothing'"):
        boda.label(workspace, tmp_path / "t.csv", column="nothing")
    with pytest.raises((SourceError, NotFound)):
        boda.label(workspace, photos / "red 0.png")
    with pytest.raises(Refused, match="'source'"):
        boda.label(workspace, tmp_path / "t.csv", name="source")
