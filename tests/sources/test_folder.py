"""A folder: its keys, its classes, its metadata."""

import logging
import os
import unicodedata

import pytest

from boda.errors import SourceError
from boda.keys import from_bytes, to_json
from boda.sources.base import ImageRef, Unlistable
from boda.sources.folder import Folder
from boda.sources.opening import open_source
from boda.unreadable import BadImage


def fill(root, names: list[str]) -> Folder:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return Folder(os.fsencode(root))


def told(source) -> dict[str, dict]:
    list(source.entries())
    table = source.columns()
    if table is None:
        return {}
    return {from_bytes(row.pop("key")): row for row in table.to_pylist()}


def test_odd_names_are_keys_as_they_are(tmp_path):
    """Commas, quotes, newlines, dashes, 250 signs, two forms of Korean, bytes that are not UTF-8."""
    odd = ["a,b.jpg", '"q".jpg', "two\nlines.jpg", "-rf.jpg", "=cmd.jpg", "n" * 246 + ".jpg", "spaces here.jpg"]
    odd += [unicodedata.normalize(form, "고양이.jpg") for form in ("NFC", "NFD")]
    raw = [os.fsencode(name) for name in odd] + [b"caf\xe9.jpg", b"\xff\xfe"]
    for name in raw:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(name)
    source = Folder(os.fsencode(tmp_path))
    refs = list(source.entries())
    assert [ref.path for ref in refs] == sorted(raw)
    assert [ref.key for ref in refs] == [from_bytes(name) for name in sorted(raw)]
    assert [source.read(ref).data for ref in refs] == sorted(raw)


def test_a_root_that_is_not_utf8_has_a_description(tmp_path):
    """It is written as bytes, and found again."""
    root = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(root)
    source = open_source(os.fsdecode(root))
    assert source.description["root"] == to_json(os.fsdecode(root))
    assert source.description["root"]["bytes"].endswith("ff")


def test_first_folders_are_classes_where_all_images_are_one_down(tmp_path):
    """The column `class` holds the folder's name; a README at the top does not matter, and has none."""
    source = fill(tmp_path, ["cat/1.jpg", "dog/1.jpg", "dog/2.jpg", "README.txt"])
    assert told(source) == {"cat/1.jpg": {"class": "cat"}, "dog/1.jpg": {"class": "dog"}, "dog/2.jpg": {"class": "dog"}}


@pytest.mark.parametrize("extra", ["top.jpg", "cat/deeper/1.jpg", "no_ending"])
def test_images_elsewhere_mean_that_folders_are_no_classes(tmp_path, extra):
    """An image at the top, or two folders down: nobody knows what the folders mean."""
    assert told(fill(tmp_path, ["cat/1.jpg", "dog/1.jpg", extra])) == {}


def test_a_flat_folder_has_no_columns(tmp_path):
    """So that nothing is kept in memory for it."""
    source = fill(tmp_path, ["a.jpg", "b.jpg"])
    assert told(source) == {}


def test_an_empty_folder_lists_nothing(tmp_path):
    """Zero images are no error here."""
    assert list(Folder(os.fsencode(tmp_path)).entries()) == []


def test_a_folder_that_is_gone_is_an_error(tmp_path):
    """One line, with the folder's name."""
    with pytest.raises(SourceError, match="gone: cannot read this folder: No such file"):
        list(Folder(os.fsencode(tmp_path / "gone")).entries())


def test_metadata_csv_gives_columns_and_absent_files_are_listed(tmp_path):
    """As Hugging Face's imagefolder; the row without a file becomes read/missing, the table itself is no image."""
    source = fill(tmp_path, ["a.jpg", "sub/b.jpg"])
    (tmp_path / "metadata.csv").write_text("file_name,score,objid\na.jpg,1.5,587722982829850805\n./gone.jpg,2,\n")
    entries = list(source.entries())
    assert [entry.key for entry in entries] == ["a.jpg", "sub/b.jpg", "gone.jpg"]
    assert source.ignored == 1
    with pytest.raises(BadImage, match="read/missing"):
        source.read(entries[2])
    assert told(source) == {
        "a.jpg": {"score": 1.5, "objid": "587722982829850805"},
        "gone.jpg": {"score": 2.0, "objid": None},
    }


def test_metadata_jsonl_joins_the_classes(tmp_path):
    """Both kinds of columns, of the images of either."""
    source = fill(tmp_path, ["cat/1.jpg", "dog/2.jpg"])
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "dog/2.jpg", "box": [1, 2], "deep": {"a": 1}}\n')
    assert told(source) == {"cat/1.jpg": {"class": "cat", "box": None}, "dog/2.jpg": {"class": "dog", "box": [1, 2]}}


def test_metadata_without_file_name_is_said_and_not_used(tmp_path, caplog):
    """A warning, and no columns."""
    source = fill(tmp_path, ["a.jpg"])
    (tmp_path / "metadata.csv").write_text("id\n1\n")
    with caplog.at_level(logging.WARNING):
        assert told(source) == {}
    assert "no column file_name" in caplog.text


def test_every_odd_file_is_listed(boda_data):
    """All files of the collection but Thumbs.db."""
    source = open_source(boda_data / "odd_formats" / "files")
    entries = list(source.entries())
    assert len(entries) == 109
    assert source.ignored == 1
    assert not any(isinstance(entry, Unlistable) for entry in entries)
    assert {e.key for e in entries} >= {"subfolder/nested.jpg", "no_extension", "UPPER.JPG"}


def test_empty_files_are_listed_and_then_refused(boda_data):
    """Listing does not judge; reading does."""
    source = open_source(boda_data / "odd_formats" / "files")
    (ref,) = [entry for entry in source.entries() if entry.key == "zero_bytes.jpg"]
    assert isinstance(ref, ImageRef)
    with pytest.raises(BadImage, match="read/empty"):
        source.read(ref)
