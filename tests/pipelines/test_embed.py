"""Embed: everything listed is embedded or quarantined, and only what is new is computed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.decoding.processes import Patience
from boda.errors import Busy, NothingEmbedded, Refused
from boda.pixels.prepare import prepare
from boda.unreadable import Code, Stage
from hashing import HashEncoder, hash_features
from hostile import HostileSource, picture


def make_folder(root: Path, names: list[str], first: int = 0) -> Path:
    """A folder of small PNG files with different pixels."""
    root.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names, first):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(i))
    return root


def expected(path: Path, encoder: HashEncoder) -> np.ndarray:
    """The features that this file must have."""
    spec = encoder.recipe.pixels
    assert spec is not None
    return hash_features(prepare(path.read_bytes(), spec)[0][None], encoder.salt)[0]


def age(folder: Path) -> None:
    """Let every file look an hour old, so that its stat can be trusted."""
    then = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


@pytest.mark.parametrize("executor", ["processes", "in-process"])
def test_every_file_is_embedded_or_quarantined(tmp_path: Path, executor: str) -> None:
    """Rows belong to their keys; bad files have their reason."""
    folder = make_folder(tmp_path / "photos", [f"{i:03d}.png" for i in range(75)])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "note.jpg").write_text("hello")
    encoder = HashEncoder()
    ws = boda.embed(folder, encoders=encoder, to=tmp_path / "w.boda", executor=executor)
    assert (ws.report["listed"], ws.report["embedded"], ws.report["quarantined"]) == (77, 75, 2)
    assert ws.report["reasons"] == {"read/empty": 1, "identify/not_an_image": 1}
    features = ws.features()
    assert list(features.keys) == [f"{i:03d}.png" for i in range(75)]
    for key, row in zip(features.keys, features.array, strict=True):
        np.testing.assert_array_equal(row, expected(folder / key, encoder))
    assert {q.key: q.unreadable.code for q in ws.quarantined()} == {
        "empty.jpg": Code.EMPTY,
        "note.jpg": Code.NOT_AN_IMAGE,
    }


def test_a_second_run_computes_only_what_changed(tmp_path: Path) -> None:
    """New and changed files are computed, vanished ones leave, copies and renames cost nothing."""
    folder = make_folder(tmp_path / "photos", [f"{i:03d}.png" for i in range(40)])
    age(folder)
    encoder = Counting()
    to = tmp_path / "w.boda"
    boda.embed(folder, encoders=encoder, to=to)
    assert encoder.seen == 40
    boda.embed(folder, encoders=encoder, to=to)
    assert encoder.seen == 40
    make_folder(folder, ["new.png", "003.png"], first=500)
    (folder / "004.png").unlink()
    (folder / "005.png").rename(folder / "renamed.png")
    shutil.copy(folder / "006.png", folder / "copy.png")
    ws = boda.embed(folder, encoders=encoder, to=to)
    assert encoder.seen == 42
    assert ws.report["listed"] == ws.report["embedded"] == 41
    assert ws.report["listing"] == {"new": 3, "changed": 1, "vanished": 2}
    features = ws.features()
    assert list(features.keys) == sorted(path.name for path in folder.iterdir())
    for key, row in zip(features.keys, features.array, strict=True):
        np.testing.assert_array_equal(row, expected(folder / key, encoder))


def test_a_touched_file_is_read_again_but_not_computed(tmp_path: Path) -> None:
    """Another mtime with the same bytes costs a hash, no forward pass; new bytes of the same size are noticed."""
    folder = make_folder(tmp_path / "photos", ["a.png", "b.png", "c.png"])
    age(folder)
    encoder = Counting()
    to = tmp_path / "w.boda"
    boda.embed(folder, encoders=encoder, to=to)
    os.utime(folder / "a.png", (1e9, 1e9))
    (folder / "b.png").write_bytes(picture(77))
    ws = boda.embed(folder, encoders=encoder, to=to)
    assert encoder.seen == 4
    np.testing.assert_array_equal(ws.features().array[1], expected(folder / "b.png", encoder))


def test_a_file_that_became_unreadable_is_quarantined_and_comes_back(tmp_path: Path) -> None:
    """Listed = embedded + quarantined also when a good file turns bad; mended, it is embedded again."""
    folder = make_folder(tmp_path / "photos", ["a.png", "b.png"])
    good = (folder / "a.png").read_bytes()
    to = tmp_path / "w.boda"
    boda.embed(folder, encoders=HashEncoder(), to=to)
    (folder / "a.png").write_bytes(b"")
    report = boda.embed(folder, encoders=HashEncoder(), to=to).report
    assert (report["listed"], report["embedded"], report["quarantined"]) == (2, 1, 1)
    (folder / "a.png").write_bytes(good)
    ws = boda.embed(folder, encoders=HashEncoder(), to=to)
    assert (ws.report["listed"], ws.report["embedded"], ws.report["quarantined"]) == (2, 2, 0)
    assert boda.doctor(to, deep=True).as_json()["whole"]


class Counting(HashEncoder):
    """Counts the images it sees."""

    def __init__(self, **kwargs: float) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.seen = 0
        self._lock = threading.Lock()

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Count, then hash."""
        with self._lock:
            self.seen += len(pixels)
        return super().__call__(pixels)


class NaN(HashEncoder):
    """Gives NaN for images whose first pixel is even."""

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """A NaN anywhere spoils its whole batch, as a real overflow may."""
        features = super().__call__(pixels)
        return features * np.nan if (pixels[:, 0, 0, 0] % 2 == 0).any() else features


def test_images_that_give_nan_are_quarantined_alone(tmp_path: Path) -> None:
    """The innocent ones of the batch keep the features they have alone; copies of a guilty one are guilty too."""
    folder = make_folder(tmp_path / "photos", [f"{i:03d}.png" for i in range(40)])
    for i in range(40):
        shutil.copy(folder / f"{i:03d}.png", folder / f"copy{i:03d}.png")
    encoder = NaN()
    spec = encoder.recipe.pixels
    assert spec is not None
    guilty = {p.name for p in folder.iterdir() if prepare(p.read_bytes(), spec)[0][0, 0, 0] % 2 == 0}
    ws = boda.embed(folder, encoders=encoder, to=tmp_path / "w.boda")
    assert {q.key for q in ws.quarantined()} == guilty
    assert {(q.unreadable.stage, q.unreadable.code) for q in ws.quarantined()} == {(Stage.ENCODE, Code.NOT_FINITE)}
    features = ws.features()
    assert 0 < len(guilty) < 80
    assert len(features.keys) == 80 - len(guilty)
    for key, row in zip(features.keys, features.array, strict=True):
        np.testing.assert_array_equal(row, expected(folder / key, HashEncoder()))


def test_several_encoders_share_one_read(tmp_path: Path) -> None:
    """Each has its own recipe and rows; a later one is added without computing the others again."""
    folder = make_folder(tmp_path / "photos", [f"{i:03d}.png" for i in range(20)])
    age(folder)
    one, two, three = Counting(), HashEncoder(salt="x"), HashEncoder(salt="y", side=6)
    to = tmp_path / "w.boda"
    ws = boda.embed(folder, encoders=[one, two], to=to)
    ws = boda.embed(folder, encoders=[one, three], to=to)
    assert one.seen == 20
    for encoder in (one, two, three):
        features = ws.features(encoder.recipe)
        for key, row in zip(features.keys, features.array, strict=True):
            np.testing.assert_array_equal(row, expected(folder / key, encoder))
    assert [r.id for r in ws.recipes()] == [e.recipe.id for e in (one, two, three)]


def test_an_empty_folder_and_a_folder_of_rubbish_are_refused(tmp_path: Path) -> None:
    """One line that says so; rubbish is in the quarantine all the same."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingEmbedded, match="no images in"):
        boda.embed(tmp_path / "empty", encoders=HashEncoder(), to=tmp_path / "e.boda")
    (tmp_path / "rubbish").mkdir()
    (tmp_path / "rubbish" / "a.jpg").write_text("x")
    with pytest.raises(NothingEmbedded, match=r"the only image in .* gave no features"):
        boda.embed(tmp_path / "rubbish", encoders=HashEncoder(), to=tmp_path / "r.boda")
    assert len(boda.open(tmp_path / "r.boda").quarantined()) == 1


def test_another_source_is_refused(tmp_path: Path) -> None:
    """A workspace lists one source."""
    a, b = make_folder(tmp_path / "a", ["a.png"]), make_folder(tmp_path / "b", ["b.png"])
    boda.embed(a, encoders=HashEncoder(), to=tmp_path / "w.boda")
    with pytest.raises(Refused, match="lists"):
        boda.embed(b, encoders=HashEncoder(), to=tmp_path / "w.boda")


def test_hostile_files_take_down_their_decoder_only(tmp_path: Path) -> None:
    """Abort, crash, hang, 30 GB: each quarantined alone, all others embedded."""
    names = [f"good-{i}" for i in range(30)]
    names[4:4] = ["abort-0", "eat-1"]
    names[20:20] = ["segfault-2", "hang-3", "exit0-4"]
    source = HostileSource(names)
    ws = boda.embed(source, encoders=HashEncoder(), to=tmp_path / "w.boda", patience=Patience(chunk=2, alone=1))
    assert (ws.report["embedded"], ws.report["quarantined"]) == (30, 5)
    codes = {q.key: str(q.unreadable.code) for q in ws.quarantined()}
    assert codes == {
        "abort-0": "worker_died",
        "eat-1": "memory_limit",
        "segfault-2": "worker_died",
        "hang-3": "timeout",
        "exit0-4": "worker_died",
    }


def test_two_writers_on_one_workspace_are_refused(tmp_path: Path) -> None:
    """The second is told the pid of the first, at once."""
    folder = make_folder(tmp_path / "photos", ["a.png"])
    ws = boda.embed(folder, encoders=HashEncoder(), to=tmp_path / "w.boda")
    with ws.write(), pytest.raises(Busy, match=str(os.getpid())):
        boda.embed(folder, encoders=HashEncoder(), to=tmp_path / "w.boda")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_keeps_what_is_done(tmp_path: Path, number: signal.Signals) -> None:
    """Exit 130 within 5 s; the store is whole; the next run ends the work."""
    folder = make_folder(tmp_path / "photos", [f"{i:04d}.png" for i in range(900)])
    to = tmp_path / "w.boda"
    script = (
        "import boda, sys\nfrom hashing import HashEncoder\n"
        "def tell(p):\n    print(p.done, flush=True)\n"
        f"try:\n    boda.embed({str(folder)!r}, encoders=HashEncoder(0.15), to={str(to)!r}, progress=tell)\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout is not None
    while int(run.stdout.readline()) < 96:
        pass
    sent = time.monotonic()
    run.send_signal(number)
    run.stdout.read()
    run.stdout.close()
    assert run.wait(timeout=10) == 130
    assert time.monotonic() - sent < 5
    ws = boda.open(to)
    identity = HashEncoder().recipe.id
    assert 96 <= ws.counts([identity]).embedded < 900
    assert boda.doctor(to, deep=True).as_json()["whole"]
    assert ws.runs()[-1].state == "stopped"
    assert boda.embed(folder, encoders=HashEncoder(), to=to).report["embedded"] == 900


def test_the_report_adds_up(tmp_path: Path) -> None:
    """The JSON has what the contract names, and its counts agree with the store."""
    folder = make_folder(tmp_path / "photos", [f"{i:03d}.png" for i in range(10)])
    seen = []
    ws = boda.embed(folder, encoders=HashEncoder(), to=tmp_path / "w.boda", progress=seen.append)
    report = ws.report
    assert {
        "workspace", "listed", "embedded", "quarantined", "skipped", "recipes", "images_per_s", "limit_share",
        "bottleneck", "seconds",
    } <= set(report)  # fmt: skip
    assert report["images_per_s"] > 0
    assert [p.stage for p in seen][:2] == ["checking", "listing"]
    assert max(p.done for p in seen) == 10


@pytest.mark.parametrize(("seconds", "commits"), [(30.0, 1), (0.0, 13)])
def test_blocks_are_committed_after_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, commits: int
) -> None:
    """200 images in 13 batches: together where the block's time is long, each at once where there is none."""
    from boda.workspace.writer import Writer

    blocks: list[int] = []
    commit = Writer.commit
    monkeypatch.setattr(Writer, "commit", lambda self, block: (blocks.append(len(block.reads)), commit(self, block)))
    folder = make_folder(tmp_path / "photos", [f"{i:03d}.png" for i in range(200)])
    boda.embed(folder, encoders=HashEncoder(), to=tmp_path / "w.boda", executor="in-process", block_seconds=seconds)
    assert len(blocks) == commits
    assert sum(blocks) == 200


def test_blocks_are_committed_after_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the encoder is."""
    from boda.workspace.writer import Writer

    blocks: list[int] = []
    commit = Writer.commit
    monkeypatch.setattr(Writer, "commit", lambda self, block: (blocks.append(len(block.reads)), commit(self, block)))
    monkeypatch.setattr("boda.pipelines.run.computing.BLOCK_ROWS", 64)
    folder = make_folder(tmp_path / "photos", [f"{i:03d}.png" for i in range(200)])
    boda.embed(folder, encoders=HashEncoder(), to=tmp_path / "w.boda", executor="in-process")
    assert blocks == [64, 64, 64, 8]
