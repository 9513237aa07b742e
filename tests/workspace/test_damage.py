"""Damage is named, never a trace, a hang or a wrong answer; hostile workspaces are refused."""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from boda.errors import BodaError, Damaged, ReadOnly
from boda.workspace import catalogue
from boda.workspace.doctor import Finding, examine
from boda.workspace.schema import COLUMNS
from boda.workspace.workspace import Workspace, open_workspace

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

SEED = 20261
BOTH = "INSERT INTO quarantine (image, recipe, stage, code, reason, rules)"


@pytest.fixture
def filled(workspace, kit) -> Workspace:
    """A workspace with everything in it: features, copies, quarantine, labels, a merged file, a result."""
    keys = [f"{n}.png" for n in range(40)]
    with workspace.write() as writer:
        writer.set_source({"kind": "folder", "root": "photos"})
        columns = pa.table({"key": pa.array([key.encode() for key in keys], pa.binary()), "n": range(40)})
        entries = [*(kit.ref(key) for key in keys), kit.unlistable("gone")]
        writer.list(entries, lambda: columns, now_ns=kit.now)
        writer.add_recipe(kit.recipe, kit.width)
        run = writer.begin_run([kit.recipe.id], {"boda": "0"})
        for page in writer.compute_pages([kit.recipe.id], 15):
            block = kit.block([kit.read(todo.ref) for todo in page[1:]])
            block.quarantined = [kit.bad(page[0].ref.key)]
            writer.commit(block)
        writer.merge(kit.recipe.id)
        writer.end_run(run, "done", {"images_per_s": 1.5})
        files = {"head.json": b"{}", "weights.safetensors": bytes(1000)}
        writer.put_result("head", "score", files, summary={"target": "n", "score": 0.5})
    return workspace


def damages(workspace: Workspace, *, deep: bool = True) -> list[Finding]:
    """What the examination calls damage."""
    return [finding for finding in examine(workspace, deep=deep) if finding.severity == "damage"]


def flip(path: Path, place: int, bit: int) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def dump(path: Path) -> list | None:
    """Everything that the tables hold, as SQLite reads it; None where it cannot."""
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    try:
        tables = (*COLUMNS, "batch", "seal")
        rows = [connection.execute(f"SELECT * FROM {table} NOT INDEXED").fetchall() for table in tables]
        return [rows, connection.execute("SELECT * FROM sqlite_schema").fetchall()]
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()


def test_every_flipped_bit_of_a_segment_is_named(filled, kit):
    """Twenty places in the files of a recipe: the deep check names the file each time."""
    rng = random.Random(SEED)
    files = sorted((filled.path / "features" / kit.recipe.id).iterdir())
    assert len(files) == 2
    for _ in range(20):
        path = rng.choice(files)
        place, bit = rng.randrange(path.stat().st_size), rng.randrange(8)
        flip(path, place, bit)
        found = damages(filled)
        assert any(path.name in finding.where + finding.reason for finding in found), (SEED, path, place, bit)
        flip(path, place, bit)
    assert damages(filled) == []


def test_every_flipped_bit_that_changes_the_catalogue_is_named(filled):
    """Sixty places in the catalogue: where a table reads otherwise, the deep check or opening says so."""
    rng = random.Random(SEED)
    path = filled.path / "boda.db"
    before = dump(path)
    changed = 0
    for _ in range(60):
        place, bit = rng.randrange(path.stat().st_size), rng.randrange(8)
        flip(path, place, bit)
        if dump(path) != before:
            changed += 1
            try:
                named = bool(damages(open_workspace(filled.path)))
            except BodaError:
                named = True
            assert named, (SEED, place, bit)
        flip(path, place, bit)
    assert changed > 5
    assert damages(filled) == []


def test_changed_row_names_its_images(filled):
    """A changed value in the catalogue is found in its table and rows, with the images it is about."""
    with sqlite3.connect(filled.path / "boda.db") as connection:
        connection.execute("UPDATE image SET path = CAST('elsewhere' AS BLOB) WHERE id = 7")
    connection.close()
    [finding] = damages(filled)
    assert (finding.what, "table image" in finding.where) == ("digest", True)
    assert "'0.png' to 'gone'" in finding.where
    assert damages(filled, deep=False) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM batch WHERE tbl = 'image'", "digest"),
        ("UPDATE seal SET sha256 = zeroblob(32)", "digest"),
        ("DELETE FROM feature WHERE row = 3", "segment"),
        ("UPDATE quarantine SET code = 'timeout'", "digest"),
        ("DELETE FROM quarantine", "counts"),
        ("DELETE FROM result", "digest"),
        ("UPDATE result SET summary = '{}'", "digest"),
        ("UPDATE result SET digest = hex(zeroblob(16))", "catalogue"),
        ("UPDATE image SET content = 9999 WHERE id = 3", "catalogue"),
        ("INSERT INTO batch VALUES ('stranger', 0, x'00')", "digest"),
        (f"{BOTH} SELECT 2, digest, 'decode', 'other', '', 1 FROM recipe", "counts"),
    ],
)
def test_tampering_is_found(filled, statement, what):
    """Whatever is changed behind our back shows."""
    connection = sqlite3.connect(filled.path / "boda.db", isolation_level=None)
    connection.execute(statement)
    connection.close()
    assert what in {finding.what for finding in damages(filled)}


def test_damaged_rows_are_computed_again(filled, kit):
    """A damaged segment is forgotten on request, and then just its rows are work."""
    before = filled.features().array.copy()
    path = max((filled.path / "features" / kit.recipe.id).iterdir(), key=lambda path: path.stat().st_size)
    flip(path, 400, 3)
    with filled.write() as writer:
        assert writer.forget_damaged(deep=False) == 0
        assert writer.forget_damaged() == 37
        assert writer.forget_damaged() == 0
        for page in writer.compute_pages([kit.recipe.id]):
            assert len(page) == 37
            writer.commit(kit.block([kit.read(todo.ref) for todo in page]))
        writer.merge(kit.recipe.id)
    assert damages(filled) == []
    np.testing.assert_array_equal(filled.features().array, before)
    kit.check_rows(filled)


@pytest.mark.parametrize("how", ["missing", "cut", "longer", "other", "pickle", "link", "pipe"])
def test_file_that_is_not_as_described_is_refused(filled, kit, tmp_path, how):
    """A file of features that is gone or something else is Damaged, found without the deep check, and repairable."""
    path = max((filled.path / "features" / kit.recipe.id).iterdir(), key=lambda path: path.stat().st_size)
    data = path.read_bytes()
    path.unlink()
    match how:
        case "cut":
            path.write_bytes(data[:-1])
        case "longer":
            path.write_bytes(data + b"\0")
        case "other":
            np.save(path, np.zeros((37, kit.width), np.float64))
        case "pickle":
            np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
        case "link":
            (tmp_path / "elsewhere.npy").write_bytes(data)
            path.symlink_to(tmp_path / "elsewhere.npy")
        case "pipe":
            os.mkfifo(path)
    with pytest.raises(Damaged, match="boda doctor"):
        filled.features()
    assert any(path.name in finding.where for finding in damages(filled, deep=False))
    with filled.write() as writer:
        assert writer.forget_damaged(deep=False) == 37


def test_damaged_labels_are_named_and_replaced(filled, kit):
    """A damaged label file is named by the check and refused by the frame; listing again writes it anew."""
    [path] = (filled.path / "labels").iterdir()
    flip(path, 100, 1)
    assert any(path.name in finding.where for finding in damages(filled))
    path.unlink()
    with pytest.raises(Damaged, match="labels"):
        filled.frame()
    assert any(path.name in finding.where for finding in damages(filled, deep=False))
    with filled.write() as writer:
        kit.list(writer, [kit.ref("0.png")])
    assert filled.frame().num_rows == 1


def malformed(data: bytes, rng: random.Random) -> bytes:
    """The bytes with random damage."""
    match rng.randrange(5):
        case 0:
            return data[: rng.randrange(len(data))]
        case 1:
            return rng.randbytes(rng.randrange(20_000))
        case 2:
            place = rng.randrange(len(data) - 500)
            return data[:place] + rng.randbytes(rng.randrange(1, 500)) + data[place + 500 :]
        case 3:
            start = rng.randrange(0, len(data), 4096)
            return data[:start] + rng.randbytes(4096) + data[start + 4096 :]
        case _:
            broken = bytearray(data)
            for _ in range(rng.randrange(1, 60)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            return bytes(broken)


@contextlib.contextmanager
def one_line() -> Iterator[list[str]]:
    """What fails here fails with an error of boda's, in one line."""
    said: list[str] = []
    try:
        yield said
    except BodaError as error:
        said.append(str(error))
    assert "\n" not in "".join(said)


def ask_everything(path: Path) -> None:
    """Every question that reads."""
    workspace = open_workspace(path)
    for ask in (
        workspace.keys, workspace.recipes, workspace.runs, workspace.quarantined, workspace.frame, workspace.labels,
        workspace.features, lambda: workspace.source, lambda: workspace.ref("3.png"),
        lambda: workspace.content_of("3.png"), lambda: workspace.counts(["76e2e7316ac14517"]), lambda: len(workspace),
        lambda: list(workspace.features().keys), workspace.results, lambda: workspace.result("head", "score"),
        lambda: examine(workspace, deep=True),
    ):  # fmt: skip
        with one_line():
            ask()


def test_fifty_malformed_catalogues_give_one_line_each(filled):
    """Random bytes, cuts and holes in the catalogue: a BodaError in one line, or an answer; never anything else."""
    path = filled.path / "boda.db"
    data = path.read_bytes()
    rng = random.Random(SEED)
    refused = 0
    for _ in range(50):
        path.write_bytes(malformed(data, rng))
        with one_line() as said:
            ask_everything(filled.path)
        refused += bool(said)
    assert refused > 10


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON image BEGIN DELETE FROM feature; END",
        "CREATE VIEW v AS SELECT * FROM image",
        "CREATE TABLE more (a)",
        "DROP INDEX image_content",
        "PRAGMA user_version = 0",
        "PRAGMA application_id = 1",
    ],
)
def test_schema_that_is_not_ours_is_refused(filled, statement):
    """Extra triggers, views and tables, or missing ones, are not opened."""
    connection = sqlite3.connect(filled.path / "boda.db", isolation_level=None)
    connection.execute(statement)
    connection.close()
    with pytest.raises(Damaged, match="does not have the tables"):
        open_workspace(filled.path)
    with pytest.raises(Damaged), filled.write():
        pass


@pytest.mark.parametrize(
    "name", ["../../secret.npy", "/etc/passwd", "x.npy", "0123.npy\n", "0123", "..", "0123.parquet"]
)
def test_names_that_are_not_ours_are_refused(filled, kit, name):
    """A file name in the catalogue that is not hex digits is never opened, and never removed."""
    outside = filled.path.parent / "secret.npy"
    np.save(outside, np.zeros((37, kit.width), np.float32))
    connection = sqlite3.connect(filled.path / "boda.db", isolation_level=None)
    connection.execute("UPDATE segment SET file = ?", (name,))
    connection.close()
    with pytest.raises(Damaged, match="not a name of ours"):
        filled.features()
    assert damages(filled)
    with filled.write():
        pass
    assert outside.exists()


@pytest.mark.parametrize("table", ["recipe", "labels"])
def test_other_hostile_values_are_refused(filled, table):
    """Recipes that lie about their id, and labels outside, are refused."""
    connection = sqlite3.connect(filled.path / "boda.db", isolation_level=None)
    if table == "recipe":
        [(text,)] = connection.execute("SELECT json FROM recipe").fetchall()
        connection.execute("UPDATE recipe SET json = ?", (json.dumps(json.loads(text) | {"layer": "other"}),))
    else:
        connection.execute("UPDATE labels SET file = '../boda.parquet'")
    connection.close()
    with pytest.raises(Damaged):
        filled.features() if table == "recipe" else filled.frame()


def test_folders_that_are_links_are_neither_followed_nor_swept(filled, kit, tmp_path):
    """A linked folder of features is not read through, not written through, and not cleaned."""
    features = filled.path / "features"
    elsewhere = tmp_path / "elsewhere"
    features.rename(elsewhere)
    stranger = elsewhere / kit.recipe.id / "0123456789abcdef.npy"
    stranger.write_bytes(b"keep me")
    features.symlink_to(elsewhere)
    with pytest.raises(Damaged):
        filled.features()
    with filled.write() as writer:
        kit.list(writer, [kit.ref("new")])
        with pytest.raises(Damaged, match="not a folder"):
            writer.commit(kit.block([kit.read(kit.ref("new"))]))
    assert stranger.exists()


@pytest.mark.parametrize("name", ["boda.db", "LOCK", "boda.db-journal"])
def test_links_in_place_of_our_files_are_refused(filled, tmp_path, name):
    """The catalogue, its journal and the lock must be plain files."""
    target = tmp_path / "target"
    if (filled.path / name).exists():
        (filled.path / name).rename(target)
    else:
        target.write_bytes(b"")
    (filled.path / name).symlink_to(target)
    with pytest.raises((Damaged, ReadOnly)), filled.write():
        pass


def test_journal_that_names_another_file_is_refused(filled):
    """SQLite may delete the file that a journal names: such a journal is never given to it."""
    (filled.path / "boda.db-journal").write_bytes(b"\0" * 600 + bytes.fromhex("d9d505f920a163d7"))
    with pytest.raises(Damaged, match="names another file"):
        filled.keys()


def test_missing_catalogue_is_damage(filled):
    """A workspace without its catalogue says so."""
    (filled.path / "boda.db").unlink()
    with pytest.raises(Damaged, match="not there"):
        open_workspace(filled.path)


@contextlib.contextmanager
def mounted_read_only(folder: Path, place: Path) -> Iterator[Path]:
    """The folder once more, on a file system mounted read-only; skips where mounting is not permitted."""
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place.mkdir()
    if subprocess.run([mount, "--bind", str(folder), str(place)], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        subprocess.run([mount, "-o", "remount,bind,ro", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def interrupt_a_commit(folder: Path) -> None:
    """Die in the middle of a transaction that has already written to the catalogue."""
    child = os.fork()
    if child == 0:
        connection = catalogue._connect(folder, "rw")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE image SET shown = hex(randomblob(3000))")
        os._exit(0)
    os.waitpid(child, 0)
    assert (folder / "boda.db-journal").stat().st_size > 0


def test_read_only_disk_answers_every_question(filled, kit, tmp_path):
    """On a file system mounted read-only everything that reads works, and writing is refused in one line."""
    with mounted_read_only(filled.path, tmp_path / "mounted") as place:
        workspace = open_workspace(place)
        assert workspace.read_only is not None
        assert len(workspace) == 41
        kit.check_rows(workspace)
        assert workspace.frame().num_rows == 41
        assert damages(workspace) == []
        with pytest.raises(ReadOnly, match="cannot be written here"), workspace.write():
            pass


def test_interrupted_commit_on_a_read_only_disk_is_explained(filled, tmp_path):
    """What must be undone first cannot be read where nothing can be written; the error says so."""
    interrupt_a_commit(filled.path)
    with (
        mounted_read_only(filled.path, tmp_path / "mounted") as place,
        pytest.raises(ReadOnly, match="interrupted commit"),
    ):
        open_workspace(place)


def test_folder_without_permission_to_write_answers(filled, kit, monkeypatch):
    """Where the system says that writing is not permitted, reading works and writing is refused."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    workspace = open_workspace(filled.path)
    kit.check_rows(workspace)
    with pytest.raises(ReadOnly), workspace.write():
        pass


def test_interrupted_commit_is_undone_by_the_next_reader(filled, kit):
    """A journal that a dead process left is played back when the workspace is opened for reading."""
    interrupt_a_commit(filled.path)
    assert damages(open_workspace(filled.path)) == []
    kit.check_rows(filled)
