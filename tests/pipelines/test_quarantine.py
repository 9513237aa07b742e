"""Quarantine: listed, written as a table, and forgotten on request."""

import csv

import pytest

import boda
from boda.errors import NotFound, Refused
from boda.pipelines.quarantine import export_quarantine, retry_quarantined


def test_each_row_has_stage_code_and_reason(workspace):
    """The one broken file, for the one recipe."""
    (row,) = boda.quarantine(workspace).rows
    assert (row.key, row.code, row.reason) == ("broken.jpg", "identify/not_an_image", "begins with 'no image'")
    assert row.recipe == workspace.recipe().id
    assert boda.quarantine(workspace).as_json()["quarantined"][0]["key"] == "broken.jpg"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_it_leaves_as_a_table(workspace, tmp_path, ending):
    """Whole, and never over another file without force."""
    place = tmp_path / f"bad.{ending}"
    assert export_quarantine(workspace, to=place).rows == 1
    with pytest.raises(Refused, match="--force"):
        export_quarantine(workspace, to=place)
    export_quarantine(workspace, to=place, force=True)
    if ending == "csv":
        with place.open(newline="") as file:
            assert next(csv.DictReader(file))["code"] == "identify/not_an_image"


def test_another_ending_is_refused(workspace, tmp_path):
    """The endings that work are named."""
    with pytest.raises(Refused, match=r"\.csv, \.jsonl or \.parquet"):
        export_quarantine(workspace, to=tmp_path / "bad.txt")


def test_retry_forgets_all_or_some(workspace):
    """A key that is not quarantined is an error and changes nothing; then the next run tries again."""
    with pytest.raises(NotFound, match=r"red 0\.png is not quarantined"):
        retry_quarantined(workspace, keys=["broken.jpg", "red 0.png"])
    assert len(boda.quarantine(workspace).rows) == 1
    assert retry_quarantined(workspace, keys=["broken.jpg"]).forgotten == 1
    assert boda.quarantine(workspace).rows == ()
    again = retry_quarantined(workspace)
    assert again.forgotten == 0
    assert "nothing" in again.lines()[0]
    recipe = workspace.recipe().id
    with workspace.write() as writer:
        assert [todo.ref.key for page in writer.compute_pages([recipe]) for todo in page] == ["broken.jpg"]
