"""Embed in trouble: failing disks, decoders that cannot start, files that change under it, impatient users."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.errors import DecoderBroken, DiskTrouble, NotFound, Refused, SourceFailing
from boda.pipelines.run.lanes import Fitting
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.sources.base import Blob, ImageRef, Unlistable
from boda.unreadable import BadImage, Code, Stage
from hashing import HashEncoder, hash_features
from hostile import HostileSource, picture


@dataclass
class Mount:
    """A source on a disk that comes and goes: `failing` keys give I/O errors; `version` changes every file."""

    count: int
    failing: frozenset[int] = frozenset()
    version: int = 0
    description: dict[str, str] = field(default_factory=lambda: {"kind": "mount", "root": "mount"})
    ignored: int = 0
    change_while_reading: frozenset[int] = frozenset()

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every image, with a stat that follows the version."""
        for i in range(self.count):
            yield ImageRef(f"{i:04d}", str(i).encode(), size=10, mtime_ns=10**15 + self.version)

    def columns(self) -> None:
        """Nothing is known."""

    def read(self, ref: ImageRef) -> Blob:
        """The picture, or an I/O error."""
        number = int(ref.path)
        if number in self.failing:
            raise BadImage(Stage.READ, Code.IO_ERROR, os.strerror(errno.EIO))
        other = 5000 if number in self.change_while_reading else 0
        return Blob(picture(number + other), 10, 10**15 + self.version)


def embed(source: Mount | HostileSource, to: Path, **options: object) -> boda.Workspace:
    """In this process, with the hash encoder unless another is given."""
    chosen = {"encoders": HashEncoder(), "executor": "in-process"} | options
    return boda.embed(source, to=to, **chosen)  # type: ignore[arg-type]


def test_a_mount_that_fails_while_verifying_costs_nothing(tmp_path: Path) -> None:
    """The run stops and says so; once the mount is back everything is embedded as before, without computing."""
    to = tmp_path / "w.boda"
    embed(Mount(100), to)
    with pytest.raises(SourceFailing, match="in a row gave I/O errors"):
        embed(Mount(100, frozenset(range(100)), version=1), to)
    report = embed(Mount(100, version=1), to).report
    assert (report["embedded"], report["skipped"]) == (100, 100)


def test_a_single_io_error_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    """It is quarantined for now, and needs no retry by hand."""
    to = tmp_path / "w.boda"
    embed(Mount(30), to)
    report = embed(Mount(30, frozenset({4}), version=1), to).report
    assert (report["embedded"], report["reasons"]) == (29, {"read/io_error": 1})
    report = embed(Mount(30, version=1), to).report
    assert (report["embedded"], report["quarantined"]) == (30, 0)


def test_a_source_that_fails_midway_keeps_what_was_computed(tmp_path: Path) -> None:
    """Twenty I/O errors in a row stop the run; the batches before are in the store."""
    to = tmp_path / "w.boda"
    with pytest.raises(SourceFailing):
        embed(Mount(200, frozenset(range(150, 200))), to)
    ws = boda.open(to)
    assert ws.counts([HashEncoder().recipe.id]).embedded >= 144
    assert ws.runs()[-1].state == "failed"
    assert embed(Mount(200), to).report["embedded"] == 200


def test_a_file_that_changes_after_the_listing_keeps_the_sum(tmp_path: Path) -> None:
    """With a second encoder too: its new content is computed for both."""
    to = tmp_path / "w.boda"
    one, two = HashEncoder(), HashEncoder(salt="x")
    embed(Mount(5), to, encoders=one)
    ws = embed(Mount(5, change_while_reading=frozenset({2})), to, encoders=[one, two])
    assert [r["embedded"] for r in ws.report["recipes"]] == [5, 5]
    assert ws.report["listed"] == ws.report["embedded"] + ws.report["quarantined"] == 5
    assert boda.doctor(to, deep=True).as_json()["whole"]


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the writer that gave up because of it."""
    from boda.workspace import segments

    def full(*_: object, **__: object) -> None:
        raise DiskTrouble("No space left on device")

    monkeypatch.setattr(segments, "write_array", full)
    with pytest.raises(DiskTrouble, match="No space left"):
        embed(Mount(5), tmp_path / "w.boda")


def test_decoders_that_cannot_be_started_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's reason, instead of waiting for ever."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("boda.decoding.processes.subprocess.Popen", refuse)
    with pytest.raises(DecoderBroken, match=r"cannot be kept going.*temporarily unavailable"):
        embed(Mount(5), tmp_path / "w.boda", executor="processes")


class Stranger(Mount):
    """A source whose class lies in a module that only this process has."""


class Held(Mount):
    """A source that holds something which cannot be pickled."""

    def __init__(self) -> None:
        super().__init__(5)
        self.module = sys


def test_a_source_that_cannot_travel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the decoder that is broken."""
    nowhere = types.ModuleType("nowhere")
    nowhere.Stranger = Stranger  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nowhere", nowhere)
    monkeypatch.setattr(Stranger, "__module__", "nowhere")
    with pytest.raises(DecoderBroken, match="define its class in a module"):
        embed(Stranger(5), tmp_path / "w.boda", executor="processes")
    with pytest.raises(Refused, match="make it picklable"):
        embed(Held(), tmp_path / "v.boda", executor="processes")


def test_python_files_lying_about_are_not_run(tmp_path: Path) -> None:
    """A json.py in the current folder is an image folder's business, not the decoder's."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture(1))
    for name in ("json", "struct", "numpy"):
        (folder / f"{name}.py").write_text("open('was_run', 'w').close()\nraise SystemExit\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "boda", "embed", ".", "-e", "handmade:hog-colour", "--to", "w.boda", "--json"],
        cwd=folder, env=_environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["embedded"] == 1
    assert not (folder / "was_run").exists()


def test_an_encoder_cannot_spoil_what_the_next_one_sees(tmp_path: Path) -> None:
    """Both look at the same memory, so nobody may write to it."""

    class Scribbler(HashEncoder):
        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            pixels[...] = 0
            return super().__call__(pixels)

    with pytest.raises(ValueError, match="read-only"):
        embed(Mount(5), tmp_path / "w.boda", encoders=[Scribbler(salt="s"), HashEncoder()])


def test_an_encoder_that_leaves_the_program_ends_the_run(tmp_path: Path) -> None:
    """Instead of leaving it waiting for a thread that is gone."""

    class Leaver(HashEncoder):
        def __call__(self, pixels: np.ndarray) -> np.ndarray:
            raise SystemExit(3)

    with pytest.raises(SystemExit):
        embed(Mount(5), tmp_path / "w.boda", encoders=Leaver())


def test_features_without_numbers_are_refused(tmp_path: Path) -> None:
    """Before anything is stored that could not be read again."""

    class Empty(HashEncoder):
        @property
        def width(self) -> int:
            return 0

    with pytest.raises(Refused, match="not 0"):
        embed(Mount(5), tmp_path / "w.boda", encoders=Empty())
    assert embed(Mount(5), tmp_path / "w.boda").report["embedded"] == 5


def test_fresh_files_do_not_count_as_changed(tmp_path: Path) -> None:
    """Their time is not trusted yet, which is something else."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes(picture(i))
    ws = boda.embed(folder, encoders=HashEncoder(), to=tmp_path / "w.boda", executor="in-process")
    assert ws.report["changed_since_listing"] == 0


def test_nonsense_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """No source, no encoder, no workers."""
    with pytest.raises(NotFound, match="empty"):
        boda.embed("", to=tmp_path / "w.boda")
    with pytest.raises(Refused, match="no encoder was named"):
        embed(Mount(5), tmp_path / "w.boda", encoders=[])
    with pytest.raises(Refused, match="at least 1"):
        embed(Mount(5), tmp_path / "w.boda", workers=0)
    assert not (tmp_path / "w.boda").exists()


def test_pixels_of_other_rules_are_refused(tmp_path: Path) -> None:
    """Before any file could be blamed for it."""

    class Old(HashEncoder):
        @property
        def recipe(self) -> Recipe:
            spec = PixelSpec(resize=8, crop=(8, 8), rules=0)
            return Recipe("test:hash", "", "pooled", "none", spec, name="old")

    with pytest.raises(Refused, match="PixelSpec"):
        embed(Mount(5), tmp_path / "w.boda", encoders=Old())


@dataclass
class Small(HashEncoder):
    """Takes five images at most, as a device short of memory."""

    tried: list[int] = field(default_factory=list)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Hash, or run out of memory."""
        self.tried.append(len(pixels))
        if len(pixels) > 5:
            raise MemoryError
        return super().__call__(pixels)


def test_a_batch_too_large_is_halved_once_per_size() -> None:
    """Later batches begin at the size that fitted; the numbers are the same."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
    encoder, fitting = Small(), Fitting()
    np.testing.assert_array_equal(fitting.encode(lambda piece: [encoder(piece)], pixels)[0], hash_features(pixels))
    assert encoder.tried == [16, 8, 4, 4, 4, 4]
    encoder.tried.clear()
    np.testing.assert_array_equal(fitting.encode(lambda piece: [encoder(piece)], pixels)[0], hash_features(pixels))
    assert encoder.tried == [4, 4, 4, 4]
    assert fitting.most == 4


@pytest.mark.slow
def test_ctrl_c_during_the_listing_stops_at_once(tmp_path: Path) -> None:
    """Nothing is encoded yet, so nothing is waited for; the workspace is whole."""
    script = (
        "import sys, time, boda\nfrom hashing import HashEncoder\nfrom test_source import Slow\n"
        f"try:\n    boda.embed(Slow(['a'] * 10000), encoders=HashEncoder(), to={str(tmp_path / 'w.boda')!r})\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    (tmp_path / "test_source.py").write_text(
        "import time\nfrom hostile import HostileSource\nfrom boda.sources.base import ImageRef\n"
        "class Slow(HostileSource):\n    def entries(self):\n        print('listing', flush=True)\n"
        "        for i in range(10000):\n            time.sleep(0.01)\n            yield ImageRef(str(i), b'x')\n"
    )
    environment = _environment() | {"PYTHONPATH": f"{tmp_path}:{_environment()['PYTHONPATH']}"}
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout is not None
    assert run.stdout.readline() == "listing\n"
    time.sleep(0.3)
    sent = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=20) == 130
    assert time.monotonic() - sent < 5
    run.stdout.close()
    assert boda.doctor(tmp_path / "w.boda", deep=True).as_json()["whole"]


def _environment() -> dict[str, str]:
    return dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
