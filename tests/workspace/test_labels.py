"""Joining tables: by key, by name, by stem; nothing is guessed, and what does not match is reported."""

import os
import unicodedata

import pyarrow as pa
import pytest

from boda.errors import NotFound, Refused
from boda.sources.tables import read_table
from boda.workspace.labels import join

KEYS = ["a/1.jpg", "a/2.jpg", "b/3.png"]


def values(joined, column: str) -> dict[str, object]:
    """The column by key."""
    return dict(
        zip(
            [os.fsdecode(raw) for raw in joined.table["key"].to_pylist()], joined.table[column].to_pylist(), strict=True
        )
    )


def test_rows_find_their_images_by_key():
    """Full keys match as they are, in any order of rows."""
    joined = join(KEYS, pa.table({"file": ["b/3.png", "./a/1.jpg"], "n": [3, 1]}))
    assert (joined.by, joined.column, joined.matched) == ("key", "file", 2)
    assert values(joined, "n") == {"a/1.jpg": 1, "b/3.png": 3}
    assert joined.unmatched_keys == ("a/2.jpg",)
    assert joined.unmatched_rows == ()


def test_rows_find_their_images_by_name():
    """File names match where full keys do not; rows without an image are reported."""
    joined = join(KEYS, pa.table({"n": [1, 2, 9], "Filename": ["1.jpg", "2.jpg", "9.jpg"]}))
    assert (joined.by, joined.column, joined.matched) == ("name", "Filename", 2)
    assert joined.unmatched_rows == ("9.jpg",)
    assert joined.unmatched_keys == ("b/3.png",)


def test_rows_find_their_images_by_stem():
    """Stems match where names do not; eighteen-digit ids as text or as integers keep every digit."""
    keys = ["587722981741363294.jpg", "587722981741363295.jpg"]
    for said in (["587722981741363295"], [587722981741363295]):
        joined = join(keys, pa.table({"objid": said, "z": [0.5]}))
        assert (joined.by, joined.matched) == ("stem", 1)
        assert values(joined, "z") == {"587722981741363295.jpg": 0.5}


def test_ids_stay_text_from_file_to_frame(workspace, kit, tmp_path):
    """Ids of eighteen digits and with leading zeros pass from a CSV into the frame digit by digit."""
    kit.fill(workspace, ["1.jpg", "2.jpg"])
    path = tmp_path / "ids.csv"
    path.write_text("file,objid,zip,price\n1.jpg,587722981741363294,01234,5\n2.jpg,587722981741363295,90210,7\n")
    joined = join(workspace.keys(), read_table(path))
    with workspace.write() as writer:
        writer.put_labels("ids", joined.table)
    frame = workspace.frame().to_pydict()
    assert frame["objid"] == ["587722981741363294", "587722981741363295"]
    assert frame["zip"] == ["01234", "90210"]
    assert frame["price"] == [5, 7]


def test_same_name_in_two_folders_is_not_guessed():
    """A name or stem that fits two images is reported and left out."""
    keys = ["a/1.jpg", "b/1.jpg", "b/2.jpg"]
    joined = join(keys, pa.table({"file": ["1.jpg", "2.jpg"], "n": [1, 2]}))
    assert joined.ambiguous == ("1.jpg",)
    assert values(joined, "n") == {"b/2.jpg": 2}
    assert joined.unmatched_rows == ()


def test_two_rows_for_an_image_are_left_out():
    """Where the table says two things of an image, neither is taken."""
    joined = join(KEYS, pa.table({"file": ["a/1.jpg", "a/1.jpg", "a/2.jpg"], "n": [1, 2, 3]}))
    assert joined.repeated == ("a/1.jpg",)
    assert values(joined, "n") == {"a/2.jpg": 3}
    assert (joined.rows, joined.matched) == (3, 1)


def test_nothing_matched_shows_both_sides():
    """Without a single match the error shows three examples of each side."""
    table = pa.table({"file": ["x.jpg", "y.jpg", "z.jpg", "w.jpg"], "n": range(4)})
    with pytest.raises(Refused, match=r"'x\.jpg', 'y\.jpg', 'z\.jpg'; images are called 'a/1\.jpg', 'a/2\.jpg', 'b/3"):
        join(KEYS, table)


def test_column_is_found_or_named():
    """The first usual column that finds images is taken; another can be named; unknown ones are listed."""
    table = pa.table({"image": ["0", "1"], "photo": ["1.jpg", "2.jpg"], "id": ["2", "3"]})
    assert join(KEYS, table).column == "image"
    assert join(KEYS, table.drop_columns(["image"])).column == "id"
    assert join(KEYS, table, column="photo").by == "name"
    with pytest.raises(NotFound, match="'image', 'photo', 'id'"):
        join(KEYS, table, column="nope")
    with pytest.raises(NotFound, match="no column of the table"):
        join(KEYS, pa.table({"score": [1.5]}))


def test_korean_names_match_after_normalising_and_say_so():
    """NFC and NFD match each other only when the bytes do not, and are counted."""
    decomposed = [unicodedata.normalize("NFD", name) for name in ("한글.jpg", "사진.jpg")]
    composed = [unicodedata.normalize("NFC", name) for name in decomposed]
    joined = join([decomposed[0], composed[1]], pa.table({"file": composed, "n": [1, 2]}))
    assert (joined.matched, joined.normalised) == (2, 1)
    both = join([composed[0], decomposed[0]], pa.table({"file": [decomposed[0]], "n": [1]}))
    assert values(both, "n") == {decomposed[0]: 1}
    assert both.normalised == 0


def test_names_that_are_not_utf8_match():
    """The text form of such a name, as boda's own tables write it, finds the image."""
    key = os.fsdecode(b"caf\xe9.jpg")
    joined = join([key], pa.table({"key": ["bytes:636166e92e6a7067"], "n": [1]}))
    assert joined.table["key"].to_pylist() == [b"caf\xe9.jpg"]


def test_empty_cells_are_unmatched_quietly():
    """Rows without a name match nothing and break nothing."""
    joined = join(KEYS, pa.table({"file": ["a/1.jpg", None, ""], "n": [1, 2, 3]}))
    assert joined.matched == 1
    assert joined.unmatched_rows == ("", "")


def test_joining_real_ids_needs_no_new_embedding(boda_data, workspace, kit):
    """The GZ2 catalogue joins its 800 galaxies by file; ids stay eighteen digits; joining again replaces."""
    table = read_table(boda_data / "galaxies_gz2" / "catalog.csv")
    keys = table["file"].to_pylist()
    with workspace.write() as writer:
        kit.list(writer, [kit.ref(key) for key in keys])
        for _ in range(2):
            joined = join(workspace.keys(), table)
            writer.put_labels("catalog", joined.table)
    assert (joined.matched, joined.unmatched_rows, joined.unmatched_keys) == (800, (), ())
    frame = workspace.frame()
    assert all(len(text) == 18 and text.isdigit() for text in frame["objid"].to_pylist())
    assert frame["derived_label"].to_pylist().count("merger") == 200


def test_a_table_of_twins_is_refused():
    """Rows that all fight for one image label nothing, and say so."""
    table = pa.table({"file": ["a.jpg", "a.jpg", "zzz.jpg"], "score": [1, 2, 3]})
    with pytest.raises(Refused, match="twin"):
        join(["a.jpg", "b.jpg"], table)
