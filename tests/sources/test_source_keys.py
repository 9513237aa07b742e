"""Keys survive every kind of source, whatever a name is made of."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from boda.keys import from_bytes, from_text, to_bytes, to_text
from boda.sources.opening import open_source
from boda.sources.tar import TarSource
from boda.sources.walking import is_ignored

NAMES = st.lists(
    st.binary(min_size=1, max_size=60).filter(
        lambda name: not set(name) & {0, 47} and not is_ignored(name) and name not in {b".", b".."}
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


@settings(max_examples=25, deadline=None)
@given(NAMES)
def test_a_folder_reads_every_name_by_its_key(tmp_path_factory, names):
    """Key to file and back."""
    root = tmp_path_factory.mktemp("keys")
    for name in names:
        with open(to_bytes(str(root)) + b"/" + name, "wb") as file:
            file.write(b"=" + name)
    source = open_source(root)
    for entry in source.entries():
        assert source.read(entry).data == b"=" + to_bytes(entry.key)
        assert from_bytes(to_bytes(entry.key)) == entry.key


@settings(max_examples=25, deadline=None)
@given(NAMES)
def test_a_tar_reads_every_name_by_its_key(tmp_path_factory, tar_of, names):
    """Member names are kept byte by byte."""
    members = [(from_bytes(name), b"=" + name) for name in names]
    source = open_source(tar_of(tmp_path_factory.mktemp("keys") / "x.tar", members))
    assert isinstance(source, TarSource)
    assert {to_bytes(entry.key): source.read(entry).data for entry in source.entries()} == {
        name: b"=" + name for name in names
    }


@settings(max_examples=25, deadline=None)
@given(NAMES)
def test_a_manifest_of_keys_as_tables_show_them_finds_every_file(tmp_path_factory, names):
    """`bytes:<hex>` in a CSV means the bytes; quotes, commas and newlines are CSV's business."""
    root = tmp_path_factory.mktemp("keys")
    for name in names:
        with open(to_bytes(str(root)) + b"/" + name, "wb") as file:
            file.write(b"=" + name)
    written = [to_text(from_bytes(name)) for name in names]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["file", "n"], *([name, 1] for name in written)])
    manifest = tmp_path_factory.mktemp("manifest") / "m.csv"
    manifest.write_bytes(text.getvalue().encode())
    source = open_source(manifest)
    keys = [entry.key for entry in source.entries()]
    assert keys == [from_text(name) for name in written]
