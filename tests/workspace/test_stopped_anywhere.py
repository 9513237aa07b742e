"""Stopped at any step of the protocol, a workspace is whole, keeps what was acknowledged, and goes on."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

from boda.errors import DiskTrouble, NotAWorkspace
from boda.workspace import catalogue
from boda.workspace.doctor import examine
from boda.workspace.workspace import Workspace, create_workspace, open_workspace

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

KEYS = [f"{n}.png" for n in range(9)]
BAD = "4.png"
MOMENTS = (
    *("BEGIN", "COMMIT", "INSERT INTO seal", "INSERT INTO segment", "DELETE FROM segment"),
    *("INSERT INTO result", "DELETE FROM result"),
)
RESULTS = [{"head.json": b"first", "old": b"1"}, {"head.json": b"second", "new": b"22"}]


def run(kit, path: Path, acknowledged: int | None = None) -> None:
    """The whole life of a workspace: make, list, commit, merge, keep results. May be repeated.

    Acknowledges each commit by its number of images, and each result by 16.
    """
    workspace = create_workspace(path)
    refs = [kit.ref(key) for key in KEYS]
    with workspace.write() as writer:
        kit.list(writer, refs)
        writer.add_recipe(kit.recipe, kit.width)
        number = writer.begin_run([kit.recipe.id], {})
        for page in writer.compute_pages([kit.recipe.id], 3):
            block = kit.block([kit.read(todo.ref) for todo in page if todo.ref.key != BAD])
            block.quarantined = [kit.bad(todo.ref.key) for todo in page if todo.ref.key == BAD]
            writer.commit(block)
            if acknowledged is not None:
                os.write(acknowledged, len(page).to_bytes(1, "little"))
        writer.merge(kit.recipe.id)
        writer.end_run(number, "done", {})
        for files in RESULTS:
            writer.put_result("head", "score", files)
            if acknowledged is not None:
                os.write(acknowledged, b"\x10")
        writer.put_result("head", "gone", {"head.json": b"gone"})
        writer.remove_result("head", "gone")


def check_whole(kit, path: Path, acknowledged: int) -> None:
    """Nothing is damaged, nothing acknowledged is lost, and another run completes it."""
    try:
        workspace = open_workspace(path)
    except NotAWorkspace:
        assert acknowledged == 0
    else:
        assert [finding for finding in examine(workspace, deep=True) if finding.severity == "damage"] == []
        if workspace.recipes():
            kit.check_rows(workspace)
            counts = workspace.counts([kit.recipe.id])
            assert counts.embedded + counts.quarantined >= acknowledged % 16
        names = {info.name for info in workspace.results()}
        possible = RESULTS[acknowledged // 16 - 1 :] if acknowledged >= 16 else RESULTS
        assert acknowledged < 16 or "score" in names
        assert "score" not in names or workspace.result("head", "score") in possible
    run(kit, path)
    workspace = open_workspace(path)
    assert examine(workspace, deep=True) == []
    assert list(workspace.features().keys) == [key for key in KEYS if key != BAD]
    kit.check_rows(workspace)
    counts = workspace.counts([kit.recipe.id])
    assert (counts.listed, counts.embedded, counts.quarantined) == (9, 8, 1)
    assert [info.name for info in workspace.results()] == ["score"]
    assert workspace.result("head", "score") == RESULTS[1]
    assert len(list((path / "results" / "head").iterdir())) == 1


class DiesAt:
    """Counts steps of the protocol, and ends the process before the chosen one."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, *_: object) -> None:
        """One step."""
        self.left -= 1
        if self.left == 0:
            os._exit(9)

    def before(self, function):
        """The function, with a step in front."""

        def stepped(*args, **kwargs):
            self()
            return function(*args, **kwargs)

        return stepped

    def install(self) -> None:
        """Step before every open, fsync, rename and removal, and at the ends and in the middle of transactions."""
        os.fsync, os.replace, os.open = self.before(os.fsync), self.before(os.replace), self.before(os.open)
        os.mkdir = self.before(os.mkdir)
        os.unlink, os.rmdir = self.before(os.unlink), self.before(os.rmdir)
        connect = catalogue._connect

        def traced(*args, **kwargs) -> sqlite3.Connection:
            connection = connect(*args, **kwargs)
            connection.set_trace_callback(lambda sql: self() if sql.startswith(MOMENTS) else None)
            return connection

        catalogue._connect = traced


def run_and_die(kit, path: Path, step: int) -> tuple[bool, int]:
    """Run in a child that dies before a step. Returns whether it died, and how many images it had acknowledged."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            DiesAt(step).install()
            run(kit, path, writer)
            status = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        acknowledged = sum(pipe.read())
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, 9}
    return status == 9, acknowledged


def steps(kit, folder: Path, first: int, stride: int) -> int:
    """Try every so manieth step until none is left. Returns how many were tried."""
    tried = 0
    step = first
    while True:
        path = folder / f"{step}.boda"
        died, acknowledged = run_and_die(kit, path, step)
        check_whole(kit, path, acknowledged)
        shutil.rmtree(path)
        if not died:
            return tried
        tried += 1
        step += stride


def test_death_at_steps_of_the_protocol_leaves_a_whole_workspace(tmp_path, kit):
    """Every 19th step, from making the folder to the last sweep, is survived."""
    assert steps(kit, tmp_path, first=1 + os.getpid() % 19, stride=19) > 5


@pytest.mark.slow
def test_death_at_every_step_of_the_protocol_leaves_a_whole_workspace(tmp_path, kit):
    """Every single step is survived."""
    assert steps(kit, tmp_path, first=1, stride=1) > 100


SCRIPT = """
import sys
from pathlib import Path
from importlib.util import module_from_spec, spec_from_file_location
def load(name, path):
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
kit = load("kit", Path(sys.argv[2]) / "conftest.py").Kit()
load("run", Path(sys.argv[2]) / "test_stopped_anywhere.py").run(kit, Path(sys.argv[1]), 1)
"""


def script(path: Path) -> list[str]:
    """The command that runs the whole life of a workspace."""
    return [sys.executable, "-c", SCRIPT, str(path), str(Path(__file__).parent)]


STORED = re.compile("/(features|results)/")


def strace() -> str:
    """Where strace is, if it may trace here; else skip."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("no strace here")
    tried = subprocess.run([found, "-o", "/dev/null", "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("strace may not trace processes here")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "fsync", "unlink", "ftruncate"])
def test_kill_inside_a_commit_leaves_a_whole_workspace(tmp_path, kit, call):
    """SIGKILL at system calls of SQLite's own commit: each kind of call, at five moments of a run."""
    tracer = strace()
    for count in (1, 4, 11, 23, 41):
        path = tmp_path / f"{count}.boda"
        done = subprocess.run(
            [tracer, "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={count}", *script(path)],
            check=False,
            stdout=subprocess.PIPE,
        )
        assert done.returncode in {0, -signal.SIGKILL, 128 + signal.SIGKILL}
        check_whole(kit, path, sum(done.stdout))


def test_files_are_durable_before_they_are_named(tmp_path):
    """On disk each segment is fsynced, renamed, and its folder fsynced, before SQLite's first sync of that commit."""
    tracer = strace()
    path, log = tmp_path / "a.boda", tmp_path / "log"
    subprocess.run(
        [tracer, "-f", "-y", "-o", str(log), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", *script(path)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    renames = [place for place, line in enumerate(lines) if line.startswith("rename") and STORED.search(line)]
    assert len(renames) == 5 + 5  # three blocks, the merged file, its keys; five files of results
    for place in renames:
        before, after = lines[place - 1], lines[place + 1]
        assert before.startswith("fsync(")
        assert ".part>" in before
        assert after.startswith("fsync(")
        assert STORED.search(after)
        assert not after.rpartition("/")[2].startswith(("head.json", "old", "new"))
        assert ".npy" not in after
        later = lines[place + 2]
        assert "boda.db-journal" in later or ".part>" in later


def test_failed_fsync_is_final(workspace, kit, monkeypatch):
    """After an fsync that failed the writer does nothing more; the workspace is as before, and is opened again."""
    kit.fill(workspace, ["a"])

    def failing(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with workspace.write() as writer:
        kit.list(writer, [kit.ref("a"), kit.ref("b")])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            with pytest.raises(DiskTrouble, match="Input/output error"):
                writer.commit(kit.block([kit.read(kit.ref("b"))]))
        with pytest.raises(DiskTrouble, match="open the workspace again"):
            writer.commit(kit.block([kit.read(kit.ref("b"))]))
        with pytest.raises(DiskTrouble):
            writer.retry()
    assert examine(workspace, deep=True) == []
    assert list(workspace.features().keys) == ["a"]
    kit.fill(workspace, ["a", "b"])
    kit.check_rows(workspace)


def mounted(folder: Path, size: str) -> Path:
    """A small file system of its own; skips where mounting is not permitted."""
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False)
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    return folder


def fill_up(kit, workspace: Workspace, refs: list, rows: int, filler: Path) -> None:
    """Commit and merge with ever less room."""
    with workspace.write() as writer:
        kit.list(writer, refs)
        writer.add_recipe(kit.recipe, kit.width)
        while True:
            for page in writer.compute_pages([kit.recipe.id], rows):
                writer.commit(kit.block([kit.read(todo.ref) for todo in page]))
            filler.write_bytes(b"\0" * (filler.stat().st_size + 200_000))
            writer.merge(kit.recipe.id)
            refs = [kit.ref(f"{ref.key}+") for ref in refs]
            kit.list(writer, refs)


@pytest.mark.parametrize("rows", [100, 333, 1000, 2500, 5000])
def test_full_disk_keeps_what_was_committed(tmp_path, kit, rows):
    """On a full disk a commit fails naming the disk; the workspace is whole, and resumes once there is room."""
    small = mounted(tmp_path / "small", "4m")
    try:
        workspace = create_workspace(small / "a.boda")
        refs = [kit.ref(f"{n:05}") for n in range(6000)]
        filler = small / "filler"
        filler.write_bytes(b"\0" * 2_000_000)
        with pytest.raises(DiskTrouble, match=r"[Nn]o space left"):
            fill_up(kit, workspace, refs, rows, filler)
        filler.unlink()
        assert [finding for finding in examine(workspace, deep=True) if finding.severity == "damage"] == []
        if workspace.recipes():
            kit.check_rows(workspace)
        kit.fill(workspace, [f"{n}" for n in range(50)])
        kit.check_rows(workspace)
        assert examine(workspace, deep=True) == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_interrupted_write_leaves_the_older_file(tmp_path):
    """A writer that raises leaves the file as it was, and no temporary file."""
    from boda.workspace.atomic import write_whole

    path = tmp_path / "report.html"
    write_whole(path, lambda file: file.write(b"first"))

    def failing(file) -> None:
        file.write(b"half of the sec")
        raise KeyError("stopped")

    with pytest.raises(KeyError):
        write_whole(path, failing)
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["report.html"]
    assert np.fromfile(path, np.uint8).size == 5
