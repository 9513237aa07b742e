"""Kill a run with SIGKILL at any moment and run it again: nothing lost, nothing twice, the same bits."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.pixels.prepare import prepare
from hashing import HashEncoder, hash_features
from hostile import picture

IMAGES = 1500
BAD = range(7, IMAGES, 97)
CHILD = Path(__file__).with_name("embed_child.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real PNG files, some cut short, some copies of others."""
    root = tmp_path_factory.mktemp("kill") / "images"
    root.mkdir()
    for i in range(IMAGES):
        data = picture(i % 1400)
        (root / f"{i:05d}.png").write_bytes(data[: len(data) // 2] if i in BAD else data)
    return root


@pytest.mark.slow
def test_killed_runs_lose_nothing(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """After every kill the store is whole; what was acknowledged is there; the end equals an undisturbed run."""
    kills = int(request.config.getoption("--kills"))
    rng = np.random.default_rng(2026)
    expected = _expected(folder)
    finished = inside = killed = 0
    while killed < kills or not finished:
        workspace = tmp_path / f"{finished}.boda"
        run = _Child(folder, workspace)
        if killed < kills:
            dead, in_commit = run.kill_somewhere(rng, in_commit=bool(killed % 2))
            killed += dead
            inside += dead and in_commit
        else:
            run.wait()
        if workspace.exists() and (workspace / "boda.db").exists():
            _assert_whole(workspace, run.acknowledged)
        if run.done:
            _assert_equal(workspace, expected)
            finished += 1
    assert killed == kills
    assert inside >= max(1, kills // 4), f"only {inside} of {kills} kills fell inside a commit"
    request.node.user_properties.append(("kills", f"{killed}, {inside} inside a commit, {finished} runs finished"))


class _Child:
    """One run in a process of its own."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(folder), str(workspace), "0.004"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines: list[str] = []
        self.begun = threading.Event()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            self.begun.set()

    def wait(self) -> None:
        """To its end."""
        code = self.process.wait()
        self._listener.join()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert code in {0, -signal.SIGKILL}, errors

    def kill_somewhere(self, rng: np.random.Generator, *, in_commit: bool) -> tuple[bool, bool]:
        """Kill it at a random moment, or at a random moment after a commit began; whether it hit, and where."""
        self.begun.wait(30)
        if in_commit:
            seen = len(self.lines) + int(rng.integers(0, 40))
            while self.process.poll() is None and not (len(self.lines) > seen and self.lines[-1] == "begin"):
                time.sleep(0.0002)
            time.sleep(rng.uniform(0, 0.004))
        else:
            time.sleep(rng.uniform(0, 0.8))
        alive = self.process.poll() is None
        self.process.kill()
        self.wait()
        hit = alive and self.process.returncode == -signal.SIGKILL
        return hit, hit and bool(self.lines) and self.lines[-1] == "begin"

    @property
    def done(self) -> bool:
        return "done" in self.lines

    @property
    def acknowledged(self) -> int:
        """Images whose commit was acknowledged in this run."""
        return max([int(line.split()[1]) for line in self.lines if line.startswith("end ")], default=0)


def _expected(folder: Path) -> dict[str, np.ndarray]:
    spec = HashEncoder().recipe.pixels
    assert spec is not None
    files = [path for i, path in enumerate(sorted(folder.iterdir())) if i not in BAD]
    return {path.name: hash_features(prepare(path.read_bytes(), spec)[0][None])[0] for path in files}


def _assert_whole(workspace: Path, acknowledged: int) -> None:
    ws = boda.open(workspace)
    report = boda.doctor(workspace, deep=True)
    assert report.as_json()["whole"], report.as_json()
    identity = HashEncoder().recipe.id
    answered = ws.counts([identity])
    assert answered.embedded + answered.quarantined >= acknowledged


def _assert_equal(workspace: Path, expected: dict[str, np.ndarray]) -> None:
    ws = boda.open(workspace)
    counts = ws.counts([HashEncoder().recipe.id])
    assert (counts.listed, counts.embedded, counts.quarantined) == (IMAGES, IMAGES - len(BAD), len(BAD))
    features = ws.features()
    assert list(features.keys) == sorted(expected)
    for key, row in zip(features.keys, features.array, strict=True):
        np.testing.assert_array_equal(row, expected[key])
