"""WebDataset shards: samples, keys, and what lies beside the images."""

import json

import pytest

from boda.errors import NotFound, SourceError
from boda.keys import from_bytes
from boda.sources.base import Unlistable
from boda.sources.opening import open_source
from boda.sources.shards import Shards, split_name
from boda.sources.tar import TarSource


def told(source) -> dict[str, dict]:
    list(source.entries())
    return {from_bytes(row.pop("key")): row for row in source.columns().to_pylist()}


def test_a_tar_with_sidecars_is_a_shard(tmp_path, shard_of, png):
    """Keys are `shard/key`; `.cls` and `.json` become columns, long ids as text."""
    source = open_source(shard_of(tmp_path / "s.tar", range(2)))
    assert isinstance(source, Shards)
    assert {ref.key: source.read(ref).data for ref in source.entries()} == {"s/0000": png(0), "s/0001": png(1)}
    assert told(source) == {
        "s/0000": {"score": 0.0, "name": "n0", "id": "100000000000000000", "class": 0},
        "s/0001": {"score": 0.5, "name": "n1", "id": "100000000000000001", "class": 1},
    }


def test_a_tar_of_images_alone_is_plain(tmp_path, tar_of):
    """Its keys are the members' names."""
    assert isinstance(open_source(tar_of(tmp_path / "s.tar", [("a.jpg", b"x")])), TarSource)


@pytest.mark.parametrize("pattern", ["t-{00..02}.tar", "t-{00,01,02}.tar", "t-*.tar", "t-0[0-2].tar", "."])
def test_several_shards_are_one_source(tmp_path, shard_of, pattern):
    """By braces, by wildcards, or a folder that holds them; in the order of their names."""
    for shard in range(3):
        shard_of(tmp_path / f"t-{shard:02d}.tar", [shard])
    (tmp_path / "README.md").write_text("shards")
    source = open_source(tmp_path / pattern)
    assert [ref.key for ref in source.entries()] == ["t-00/0000", "t-01/0001", "t-02/0002"]


def test_a_shard_that_is_not_there_is_said_at_once(tmp_path, shard_of):
    """Braces promise names; a wildcard must find one."""
    shard_of(tmp_path / "t-0.tar", [0])
    with pytest.raises(NotFound, match=r"t-1\.tar: No such file"):
        open_source(tmp_path / "t-{0..1}.tar")
    with pytest.raises(NotFound, match="no file here is named like u"):
        open_source(tmp_path / "u-*.tar")


def test_two_shards_of_one_name_are_refused(tmp_path, shard_of):
    """Their keys would be the same."""
    shard_of(tmp_path / "t.tar", [0])
    shard_of(tmp_path / "t.tar.gz", [0], "w:gz")
    with pytest.raises(SourceError, match="another shard has the name t"):
        list(open_source(tmp_path).entries())


def test_members_of_a_sample_may_lie_apart(tmp_path, tar_of):
    """And a sample may have several images, or none, or fields that are not known."""
    source = open_source(
        tar_of(
            tmp_path / "s.tar",
            [
                ("a.cls", b"cat"),
                ("b.left.jpg", b"L"),
                ("b.right.jpg", b"R"),
                ("a.JPG", b"A"),
                ("c.json", b'{"x": 1}'),
                ("b.txt", b"two views"),
                ("b.npy", b"?"),
            ],
        )
    )
    entries = list(source.entries())
    assert [entry.key for entry in entries] == ["s/a", "s/b.left.jpg", "s/b.right.jpg", "s/c"]
    assert [source.read(ref).data for ref in entries[:3]] == [b"A", b"L", b"R"]
    assert isinstance(entries[3], Unlistable)
    assert "a sample without an image: json" in str(entries[3].unreadable)
    assert source.ignored == 1
    assert told(source) == {
        "s/a": {"class": "cat", "text": None},
        "s/b.left.jpg": {"class": None, "text": "two views"},
        "s/b.right.jpg": {"class": None, "text": "two views"},
    }


def test_json_that_is_none_is_an_error_that_names_the_member(tmp_path, tar_of):
    """A label that cannot be read is not passed over."""
    source = open_source(tar_of(tmp_path / "s.tar", [("a.jpg", b"A"), ("a.json", b"{")]))
    with pytest.raises(SourceError, match=r"a\.json: not JSON"):
        list(source.entries())


def test_nested_json_gives_no_column_and_lists_of_numbers_do(tmp_path, tar_of):
    """Boxes are kept, objects are not."""
    record = json.dumps({"box": [1, 2, 3, 4], "deep": {"a": 1}}).encode()
    source = open_source(tar_of(tmp_path / "s.tar", [("a.jpg", b"A"), ("a.json", record)]))
    assert told(source) == {"s/a": {"box": [1, 2, 3, 4]}}


@pytest.mark.parametrize(
    ("name", "parts"), [("a.b/c.d.PNG", ("a.b/c", "d.png")), ("c", ("c", "")), ("./x.jpg", ("./x", "jpg"))]
)
def test_names_are_split_at_the_first_dot_after_the_folders(name, parts):
    """As WebDataset does."""
    assert split_name(name) == parts
