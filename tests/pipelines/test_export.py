"""What is exported reads back as it was, in every format; nothing is written over, nothing half."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv
from pyarrow import parquet

import boda
from boda.errors import MissingExtra, NotFound, Refused
from boda.pipelines.tables import write_table


@pytest.fixture
def labelled(workspace):
    table = pa.table(
        {
            "key": pa.array([key.encode() for key in ("red 0.png", "red 1.png", "blue 0.png")], pa.binary()),
            "note": ["=1+1", 'a "quoted", text\nof two lines', ""],
            "id": ["000000000000000018", None, "1e5"],
            "features": [1, 2, 3],
        }
    )
    with workspace.write() as writer:
        writer.put_labels("notes", table)
    return workspace


def test_parquet_holds_keys_columns_and_features(labelled, tmp_path):
    """Features are a list of fixed size in float32, one row for each embedded image."""
    written = boda.export(labelled, to=tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    features = labelled.features()
    assert table.schema.field("features").type == pa.list_(pa.float32(), 2020)
    assert table["key"].to_pylist() == list(features.keys)
    np.testing.assert_array_equal(np.stack(table["features"].to_numpy()), features.array)
    assert table["label_features"].to_pylist().count(None) == len(features) - 3
    assert (written.rows, written.left_out) == (13, 1)


def test_csv_round_trips_exactly(labelled, tmp_path):
    """Text with formulas, quotes and newlines, null and empty text, digits of ids, and every float."""
    boda.export(labelled, to=tmp_path / "out.csv")
    options = arrow_csv.ConvertOptions(
        column_types={
            "id": pa.string(),
            "note": pa.string(),
            "features_0": pa.float32(),
            "features_2019": pa.float32(),
        },
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    table = arrow_csv.read_csv(
        tmp_path / "out.csv", convert_options=options, parse_options=arrow_csv.ParseOptions(newlines_in_values=True)
    )
    rows = {row["key"]: row for row in table.to_pylist()}
    assert rows["red 0.png"]["note"] == "=1+1"
    assert rows["red 1.png"]["note"] == 'a "quoted", text\nof two lines'
    assert rows["blue 0.png"]["note"] == ""
    assert rows["green 0.png"]["note"] is None
    assert [rows[key]["id"] for key in ("red 0.png", "red 1.png", "blue 0.png")] == ["000000000000000018", None, "1e5"]
    array = labelled.features().array
    np.testing.assert_array_equal(table["features_0"].to_numpy(), array[:, 0])
    np.testing.assert_array_equal(table["features_2019"].to_numpy(), array[:, 2019])


def test_spreadsheet_safe_guards_formulas(labelled, tmp_path):
    """Text that a spreadsheet would run begins with a quote sign; numbers stay numbers."""
    boda.export(labelled, to=tmp_path / "out.csv", spreadsheet_safe=True)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert rows["red 0.png"]["note"] == "'=1+1"
    with pytest.raises(Refused, match="only CSV"):
        boda.export(labelled, to=tmp_path / "out.parquet", spreadsheet_safe=True)


def test_npy_has_its_keys_beside(workspace, tmp_path):
    """The array is the stored one, and line i of the second file is the key of row i."""
    written = boda.export(workspace, to=tmp_path / "out.npy")
    features = workspace.features()
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy", allow_pickle=False), features.array)
    keys = [json.loads(line) for line in (tmp_path / "out.keys.jsonl").read_text().splitlines()]
    assert keys == list(features.keys)
    assert len(written.files) == 2


def test_json_lines_are_objects(labelled, tmp_path):
    """One object an image, with its features as a list."""
    boda.export(labelled, to=tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(rows) == 13
    np.testing.assert_array_equal(np.array(rows[3]["features"], "f4"), labelled.features().array[3])


def test_lance_is_an_extra(workspace, tmp_path):
    """Where it is installed it reads back; where not, the error says what to install."""
    try:
        import lance
    except ImportError:
        with pytest.raises(MissingExtra, match=r"boda\[lance\]"):
            boda.export(workspace, to=tmp_path / "out.lance")
        return
    boda.export(workspace, to=tmp_path / "out.lance")
    boda.export(workspace, to=tmp_path / "out.lance", force=True)
    assert lance.dataset(str(tmp_path / "out.lance")).to_table()["key"].to_pylist() == list(workspace.features().keys)
    assert [p.name for p in tmp_path.glob(".out*")] == []


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.npy", "out.jsonl"])
def test_a_file_that_is_there_stays(workspace, tmp_path, name):
    """Without force it is refused and untouched; with force it is replaced."""
    place = tmp_path / name
    place.write_bytes(b"mine")
    with pytest.raises(Refused, match="--force"):
        boda.export(workspace, to=place)
    assert place.read_bytes() == b"mine"
    boda.export(workspace, to=place, force=True)
    assert place.stat().st_size > 1000


def test_wrong_places_and_recipes_are_named(workspace, tmp_path):
    """An unknown ending, a missing folder, a folder in the way, another recipe."""
    with pytest.raises(Refused, match=r"ends in \.parquet"):
        boda.export(workspace, to=tmp_path / "out.xlsx")
    with pytest.raises(NotFound, match="no such folder"):
        boda.export(workspace, to=tmp_path / "nowhere" / "out.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(Refused, match="is a folder"):
        boda.export(workspace, to=tmp_path / "folder.csv", force=True)
    with pytest.raises(NotFound, match="handmade"):
        boda.export(workspace, to=tmp_path / "out.csv", recipe="none")


def test_an_interrupted_export_leaves_nothing(tmp_path):
    """When rows stop coming, neither the file nor a part of it is there."""

    def batches():
        yield pa.record_batch({"a": [1]})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_table(tmp_path / "out.csv", pa.schema({"a": pa.int64()}), batches())
    assert list(tmp_path.iterdir()) == []


def test_nested_columns_and_odd_values_survive(tmp_path):
    """In CSV lists and bytes are JSON; JSON has null for what is not finite."""
    batch = pa.record_batch({"l": [[1, 2], None], "b": [b"\xff", None], "f": [float("nan"), 1.5]})
    write_table(tmp_path / "t.csv", batch.schema, [batch])
    rows = list(csv.reader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert rows[1][:2] == ["[1, 2]", '{"bytes": "ff"}']
    write_table(tmp_path / "t.jsonl", batch.schema, [batch])
    assert json.loads((tmp_path / "t.jsonl").read_text().splitlines()[0]) == {
        "l": [1, 2],
        "b": {"bytes": "ff"},
        "f": None,
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))), min_size=1
    ),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
def test_any_text_and_any_float_round_trip_through_csv(tmp_path, texts, number):
    """Whatever Unicode says, and to the last bit."""
    batch = pa.record_batch({"t": pa.array(texts, pa.string()), "f": pa.array([number] * len(texts), pa.float32())})
    write_table(tmp_path / "t.csv", batch.schema, [batch])
    table = arrow_csv.read_csv(
        tmp_path / "t.csv",
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={"t": pa.string(), "f": pa.float32()},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    assert table["t"].to_pylist() == texts
    np.testing.assert_array_equal(table["f"].to_numpy(), np.float32(number))
