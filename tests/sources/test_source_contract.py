"""What every source promises, whatever its kind."""

import gzip
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from boda.keys import to_bytes
from boda.sources.base import ImageRef, Source
from boda.sources.opening import open_described, open_source
from boda.unreadable import BadImage

Files = dict[str, Callable[..., object]]


def flat_folder(place: Path, make: Files) -> str:
    for i, name in enumerate(["b.png", "a, b.png", '"q".png', "-x.png", "two\nlines.png", "사진.png"]):
        (place / name).write_bytes(make["png"](i))
    return "."


def folder_by_class(place: Path, make: Files) -> str:
    for i in range(6):
        (place / f"class{i % 2}").mkdir(exist_ok=True)
        (place / f"class{i % 2}" / f"{i}.png").write_bytes(make["png"](i))
    return "."


def folder_with_metadata(place: Path, make: Files) -> str:
    for i in range(3):
        (place / f"{i}.png").write_bytes(make["png"](i))
    (place / "metadata.csv").write_text("file_name,score\n0.png,1\n2.png,3\ngone.png,4\n")
    return "."


def folder_of_fits(place: Path, make: Files) -> str:
    fits = pytest.importorskip("astropy.io.fits")
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data), fits.ImageHDU(data + 1)]).writeto(place / "two.fits")
    (place / "one.png").write_bytes(make["png"](1))
    return "."


def one_file(place: Path, make: Files) -> str:
    (place / "x.png").write_bytes(make["png"](1))
    return "x.png"


def csv_manifest(place: Path, make: Files) -> str:
    (place / "pictures").mkdir()
    for i in range(3):
        (place / "pictures" / f"{i}.png").write_bytes(make["png"](i))
    (place / "m.csv").write_text("file,score\npictures/2.png,1\npictures/0.png,2\npictures/gone.png,3\n")
    return "m.csv"


def parquet_manifest(place: Path, make: Files) -> str:
    (place / "0.png").write_bytes(make["png"](0))
    pq.write_table(pa.table({"path": ["0.png", "gone.png"], "label": [1, 2]}), place / "m.parquet")
    return "m.parquet"


def plain_tar(place: Path, make: Files) -> str:
    make["tar"](place / "x.tar", [(f"d/{i}.png", make["png"](i)) for i in range(4)])
    return "x.tar"


def packed_tar(place: Path, make: Files) -> str:
    make["tar"](place / "x.tar.gz", [(f"d/{i}.png", make["png"](i)) for i in range(4)], "w:gz")
    return "x.tar.gz"


def one_shard(place: Path, make: Files) -> str:
    make["shard"](place / "s.tar", range(4))
    return "s.tar"


def shards_by_braces(place: Path, make: Files) -> str:
    for shard in range(3):
        make["shard"](place / f"train-{shard:03d}.tar", range(3 * shard, 3 * shard + 3))
    return "train-{000..002}.tar"


def packed_shards_in_a_folder(place: Path, make: Files) -> str:
    for shard in range(2):
        make["shard"](place / f"t{shard}.tar.gz", range(2), "w:gz")
    return "."


def parquet_of_bytes(place: Path, make: Files) -> str:
    table = pa.table({"image": [make["png"](i) for i in range(10)], "label": range(10)})
    pq.write_table(table, place / "x.parquet", row_group_size=3)
    return "x.parquet"


def parquet_of_structs(place: Path, make: Files) -> str:
    images = [{"bytes": make["png"](i), "path": f"{i}.png"} for i in range(4)]
    for part in range(2):
        pq.write_table(pa.table({"image": images[2 * part : 2 * part + 2]}), place / f"p{part}.parquet")
    return "."


def idx_pair(place: Path, make: Files) -> str:
    images = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)
    return make["idx"](place, "t", images, np.arange(5, dtype=np.uint8), packed=False).name


def packed_idx_folder(place: Path, make: Files) -> str:
    images = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)
    make["idx"](place, "train", images, np.arange(5, dtype=np.uint8), packed=True)
    make["idx"](place, "t10k", images[:2], None, packed=True)
    return "."


def fits_file(place: Path, make: Files) -> str:
    folder_of_fits(place, make)
    (place / "two.fits.gz").write_bytes(gzip.compress((place / "two.fits").read_bytes()))
    return "two.fits.gz"


KINDS = [
    *(flat_folder, folder_by_class, folder_with_metadata, folder_of_fits, one_file, csv_manifest, parquet_manifest),
    *(plain_tar, packed_tar, one_shard, shards_by_braces, packed_shards_in_a_folder, parquet_of_bytes),
    *(parquet_of_structs, idx_pair, packed_idx_folder, fits_file),
]


class SourceContract:
    """Every test takes `source`, opened on images that are at least one."""

    movable: ClassVar[bool] = True

    def test_each_key_comes_once(self, source: Source) -> None:
        """No two entries have one key."""
        keys = [entry.key for entry in source.entries()]
        assert keys
        assert len(set(keys)) == len(keys)

    def test_two_listings_agree(self, source: Source) -> None:
        """Entries, their order and what is ignored do not depend on when one looks."""
        first = (list(source.entries()), source.ignored)
        assert (list(source.entries()), source.ignored) == first

    def test_the_description_is_json_and_makes_the_source_again(self, source: Source) -> None:
        """A description survives JSON; the source made from it lists and reads the same, without listing first."""
        entries = list(source.entries())
        again = open_described(json.loads(json.dumps(dict(source.description))))
        assert again.description == source.description
        assert bytes_of(again, entries) == bytes_of(source, entries)
        assert list(again.entries()) == entries

    def test_a_pickled_source_reads_the_same(self, source: Source) -> None:
        """Decoder processes get a small copy that reads what the source reads."""
        entries = list(source.entries())
        source.columns()
        packed = pickle.dumps(source)
        assert len(packed) < 2000
        assert bytes_of(pickle.loads(packed), entries) == bytes_of(source, entries)

    def test_reading_twice_and_backwards_gives_the_same_bytes(self, source: Source) -> None:
        """The order of reading changes nothing."""
        entries = list(source.entries())
        forward = bytes_of(source, entries)
        assert bytes_of(source, entries[::-1]) == forward
        assert bytes_of(source, entries) == forward

    def test_columns_have_a_binary_key_each_once(self, source: Source) -> None:
        """Columns join by key, as bytes; most name an entry."""
        keys = {to_bytes(entry.key) for entry in source.entries()}
        table = source.columns()
        if table is None:
            return
        assert table.column_names[0] == "key"
        assert pa.types.is_binary(table.schema.field("key").type)
        told = table.column("key").to_pylist()
        assert len(set(told)) == len(told)
        assert set(told) <= keys

    def test_the_stat_read_is_the_stat_listed(self, source: Source) -> None:
        """A file that did not change has the size and time that the listing gave."""
        for entry in source.entries():
            if isinstance(entry, ImageRef) and entry.mtime_ns:
                blob = source.read(entry)
                assert (blob.size, blob.mtime_ns) == (entry.size, entry.mtime_ns)


def bytes_of(source: Source, entries: list) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for entry in entries:
        try:
            found[entry.key] = source.read(entry).data if isinstance(entry, ImageRef) else str(entry.unreadable)
        except BadImage as error:
            found[entry.key] = str(error)
    return found


class TestLocalSources(SourceContract):
    """All kinds on this machine."""

    @pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
    def place(self, request, tmp_path, png, tar_of, shard_of, idx_of) -> tuple[Path, str]:
        folder = tmp_path / "before"
        folder.mkdir()
        return folder, request.param(folder, {"png": png, "tar": tar_of, "shard": shard_of, "idx": idx_of})

    @pytest.fixture
    def source(self, place) -> Source:
        return open_source(place[0] / place[1])

    def test_a_moved_root_keeps_keys_and_bytes(self, place, source, tmp_path) -> None:
        """The same files elsewhere, with other times, have the same keys; what was listed before reads as before."""
        folder, _ = place
        entries = list(source.entries())
        before = bytes_of(source, entries)
        shutil.copytree(folder, tmp_path / "after", copy_function=shutil.copyfile)
        shutil.rmtree(folder)
        moved = open_described(source.description, root=str(tmp_path / "after"))
        assert bytes_of(moved, entries) == before
        assert [entry.key for entry in moved.entries()] == [entry.key for entry in entries]


class TestUrlSources(SourceContract):
    """All forms behind a URL, in fsspec's own memory."""

    @pytest.fixture(params=["folder", "file", "tar", "manifest"])
    def source(self, request, tmp_path, png, tar_of):
        store = fsspec.filesystem("memory")
        for i in range(3):
            store.pipe(f"/contract/pictures/{i}.png", png(i))
        store.pipe("/contract/m.csv", b"path,score\npictures/1.png,1\nmemory://contract/pictures/0.png,2\n")
        store.pipe("/contract/x.tar", tar_of(tmp_path / "x.tar", [("a.png", png(1)), ("b.png", png(2))]).read_bytes())
        paths = {"folder": "pictures", "file": "pictures/2.png", "tar": "x.tar", "manifest": "m.csv"}
        yield open_source(f"memory://contract/{paths[request.param]}")
        store.rm("/contract", recursive=True)
