"""Tables of labels: nothing is lost on the way in."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import NotFound, SourceError
from boda.sources.columns import column_of, joined, one_row_a_key
from boda.sources.tables import PATH_COLUMNS, find_path_column, read_table


def csv_of(tmp_path, text: str | bytes, name: str = "t.csv") -> pa.Table:
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", "0"], pa.int64()),
        (["587722982829850805", "1"], pa.string()),
        (["1234567890123456"], pa.string()),
        (["999999999999999"], pa.int64()),
        (["007", "8"], pa.string()),
        (["1.5", "2", "-1e-3", ".5"], pa.float64()),
        (["0.30000000000000004"], pa.float64()),
        (["1.0", "00.5"], pa.string()),
        (["587722982829850805.0"], pa.string()),
        (["1.5", "nan", "NA", ""], pa.float64()),
        (["true", "False"], pa.bool_()),
        (["NA", "KR"], pa.string()),
        (["1", "one"], pa.string()),
    ],
)
def test_cells_get_the_type_that_loses_nothing(tmp_path, cells, kind):
    """Ids of more than 15 digits and leading zeros stay text."""
    column = csv_of(tmp_path, "key,v\n" + "".join(f"k,{cell}\n" for cell in cells)).column("v")
    assert column.type == kind
    if kind == pa.string():
        assert column.to_pylist() == cells


@given(st.lists(st.integers(-(10**20), 10**20), min_size=1, max_size=5))
def test_whole_numbers_survive(tmp_path_factory, numbers):
    """As numbers or as text, but digit by digit."""
    table = csv_of(tmp_path_factory.mktemp("n"), "v\n" + "".join(f"{n}\n" for n in numbers))
    assert [int(value) for value in table.column("v").to_pylist()] == numbers


def test_odd_csv_is_read(tmp_path):
    """A byte-order mark, quoted newlines and commas, semicolons, tabs, gzip."""
    assert csv_of(tmp_path, b'\xef\xbb\xbf"a,\nb",c\r\n1,"x\ny"\r\n').to_pylist() == [{"a,\nb": 1, "c": "x\ny"}]
    assert csv_of(tmp_path, "a;b\n1,5;x\n").to_pylist() == [{"a": "1,5", "b": "x"}]
    assert csv_of(tmp_path, "a\tb,c\n1\t2\n", "t.tsv").to_pylist() == [{"a": 1, "b,c": 2}]
    assert csv_of(tmp_path, gzip.compress(b"a,b\n1,2\n"), "t.csv.gz").to_pylist() == [{"a": 1, "b": 2}]


def test_text_that_is_not_utf8_is_shown_escaped(tmp_path):
    """No guess about the encoding."""
    assert csv_of(tmp_path, b"a\ncaf\xe9\n").column("a").to_pylist() == ["caf\\xe9"]


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    """Its columns are there."""
    assert csv_of(tmp_path, "a,b\n").column_names == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", "a,b\n1\n", "Expected 2 columns, got 1"),
        ("t.csv", "", "an empty file"),
        ("t.csv", "a,a\n1,2\n", "two columns are named 'a'"),
        ("t.jsonl", '{"a": 1}\n[1]\n', "line 2 is not a JSON object"),
        ("t.jsonl", "{", "line 1 is not JSON"),
        ("t.parquet", "PAR1 no", "not a table that can be read"),
        ("t.csv.gz", "no gzip", "not a table|cannot be read"),
    ],
)
def test_what_is_no_table_is_an_error_of_one_line(tmp_path, name, text, says):
    """Which file, and what is wrong."""
    with pytest.raises(SourceError, match=says) as caught:
        csv_of(tmp_path, text, name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_lines_keep_numbers_lists_and_holes(tmp_path):
    """Columns that come late or stop early are padded; nested objects are left out."""
    rows = [{"a": 1, "d": {"x": 1}}, {"b": [1, 2.5], "a": 10**17}, {"c": True}]
    table = csv_of(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl")
    assert table.to_pylist() == [
        {"a": "1", "b": None, "c": None},
        {"a": str(10**17), "b": [1.0, 2.5], "c": None},
        {"a": None, "b": None, "c": True},
    ]


def test_values_of_several_kinds_become_text():
    """Nothing is dropped for not fitting."""
    assert column_of([1, "x", None, 2.5, [1]]).to_pylist() == ["1", "x", None, "2.5", "[1]"]
    assert column_of([1, 2.5]).to_pylist() == [1.0, 2.5]
    assert column_of([{"a": 1}]) is None


def test_parquet_keeps_its_types(tmp_path):
    """Ids that are whole numbers there stay so."""
    pq.write_table(pa.table({"id": [587722982829850805]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").to_pylist() == [{"id": 587722982829850805}]


def test_the_usual_path_columns_are_found():
    """In any case; the first of the usual names wins; a wanted one must be there."""
    for name in PATH_COLUMNS:
        assert find_path_column(["x", name.upper()], None, "t.csv") == name.upper()
    assert find_path_column(["url", "file"], None, "t.csv") == "file"
    assert find_path_column(["a", "file"], "a", "t.csv") == "a"
    with pytest.raises(NotFound, match=r"no column 'b'\. It has: a"):
        find_path_column(["a"], "b", "t.csv")
    with pytest.raises(SourceError, match=r"--path-column\. It has: a, b"):
        find_path_column(["a", "b"], None, "t.csv")


def test_rows_that_agree_are_one_and_rows_that_do_not_are_an_error():
    """Rows without a key are not each other's copies."""
    table = pa.table({"key": pa.array([b"b", b"a", b"b", None, None], pa.binary()), "v": [1, 2, 1, 3, 4]})
    once, again = one_row_a_key(table, "t.csv")
    assert (once.column("v").to_pylist(), again) == ([1, 2, 3, 4], 1)
    table = pa.table({"key": pa.array([b"b", b"b"], pa.binary()), "v": [1, None]})
    with pytest.raises(SourceError, match="rows 1 and 2 say different things of b"):
        one_row_a_key(table, "t.csv")


def test_joined_tables_have_all_keys_and_the_last_of_each_name():
    """An outer join that keeps lists and the order."""
    left = pa.table({"key": pa.array([b"a", b"b"], pa.binary()), "v": [1, 2], "w": [3, 4]})
    right = pa.table({"key": pa.array([b"c", b"a"], pa.binary()), "v": [[5], [6]]})
    assert joined([left, right]).to_pylist() == [
        {"key": b"a", "v": [6], "w": 3},
        {"key": b"b", "v": None, "w": 4},
        {"key": b"c", "v": [5], "w": None},
    ]


def test_galaxy_ids_stay_text(boda_data):
    """All 800 object ids of Galaxy Zoo 2 have their 18 digits."""
    ids = read_table(boda_data / "galaxies_gz2" / "catalog.csv").column("objid").to_pylist()
    assert len(ids) == 800
    assert all(isinstance(value, str) and len(value) == 18 for value in ids)
