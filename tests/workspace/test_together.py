"""Several processes at one workspace: one writes, the others read whole states."""

import errno
import fcntl
import os
import pickle
import subprocess
import sys
import time

import pytest

from boda.errors import Busy, Damaged, ReadOnly, Refused
from boda.workspace import locking
from boda.workspace.doctor import examine
from boda.workspace.workspace import create_workspace, open_workspace

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


def in_child(work) -> int:
    """Run in a child process. Returns its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def status_of(child: int) -> int:
    """How a child ended."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_second_writer_is_refused_with_the_first_ones_pid(workspace, kit):
    """While one process writes, another is refused at once; afterwards it may."""
    with workspace.write() as writer:
        kit.list(writer, [kit.ref("a")])
        started = time.monotonic()
        code = "import sys, boda.workspace.workspace as w\nwith w.open_workspace(sys.argv[1]).write(): pass"
        done = subprocess.run(
            [sys.executable, "-c", code, str(workspace.path)], check=False, capture_output=True, text=True
        )
        assert time.monotonic() - started < 30
        assert f"Busy: {workspace.path}: process {os.getpid()} is writing" in done.stderr
        with pytest.raises(Busy) as caught, open_workspace(workspace.path).write():
            pass
        assert caught.value.pid == os.getpid()
        assert open_workspace(workspace.path).read_only is None
    with workspace.write() as writer:
        kit.list(writer, [kit.ref("b")])
    assert workspace.keys() == ["b"]


def test_lock_of_a_dead_process_is_free(workspace):
    """The kernel frees the lock of a process that was killed."""
    ready, say = os.pipe()

    def hold() -> None:
        with workspace.write():
            os.write(say, b"x")
            time.sleep(60)

    child = in_child(hold)
    os.read(ready, 1)
    with pytest.raises(Busy) as caught, workspace.write():
        pass
    assert caught.value.pid == child
    os.kill(child, 9)
    os.waitpid(child, 0)
    with workspace.write():
        pass


def test_writer_does_not_cross_a_fork(workspace, kit):
    """A forked child may not use its parent's writer; a workspace object it may."""
    kit.fill(workspace, ["a"])
    with workspace.write() as writer:

        def work() -> None:
            with pytest.raises(Refused, match="fork"):
                kit.list(writer, [kit.ref("b")])
            assert workspace.keys() == ["a"]

        assert status_of(in_child(work)) == 0


def test_closed_writer_writes_nothing(workspace, kit):
    """After its block a writer is over."""
    with workspace.write() as writer:
        pass
    with pytest.raises(OSError, match="closed"):
        kit.list(writer, [])


def test_readers_see_whole_states_during_writes(workspace, kit):
    """Through listings, commits, merges, results and sweeps: each row is right, and nothing named is missing."""
    kit.fill(workspace, [f"{n}" for n in range(20)])

    def keep(turn: int) -> None:
        number = str(turn)
        with workspace.write() as writer:
            writer.put_result("head", "turn", {"a": number.encode(), "b": number.encode(), f"only-{number}": b""})

    keep(0)

    def write() -> None:
        until = time.monotonic() + 4
        turn = 0
        while time.monotonic() < until:
            turn += 1
            kit.fill(workspace, [f"{n}" for n in range(turn, turn + 20)], per_block=7)
            keep(turn)

    child = in_child(write)
    reads = 0
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        kit.check_rows(workspace)
        assert len(workspace.frame()) == 20
        kept = workspace.result("head", "turn")
        assert kept["a"] == kept["b"]
        assert f"only-{kept['a'].decode()}" in kept
        assert [finding for finding in examine(workspace, deep=True) if finding.severity == "damage"] == []
        reads += 1
    assert reads > 20
    assert examine(workspace, deep=True) == []


def test_locks_that_do_not_hold_make_it_read_only(workspace, kit, monkeypatch):
    """Where a second lock is granted, or none at all, the workspace is read-only and says why."""
    kit.fill(workspace, ["a"])
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", lambda descriptor, flags: None)
        patch.setattr(locking, "_second_process_is_refused", lambda probe: False)
        granted = open_workspace(workspace.path)
        assert "a second one is granted" in (granted.read_only or "")
        with pytest.raises(ReadOnly, match="a second one is granted"), granted.write():
            pass
        kit.check_rows(granted)

    def failing(descriptor: int, flags: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", failing)
        failed = open_workspace(workspace.path)
        assert "No locks available" in (failed.read_only or "")
        kit.check_rows(failed)
        with pytest.raises(ReadOnly), create_workspace(workspace.path.parent / "new.boda").write():
            pass
    if hasattr(fcntl, "F_OFD_SETLK"):
        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "fcntl", lambda *_: b"")
            assert "ranges" in (open_workspace(workspace.path).read_only or "")


def test_second_process_shows_whether_locks_hold(workspace):
    """Asked for the truth, another process is refused a lock that this one holds, and gets one that is free."""
    probe = workspace.path / "FORMAT"
    assert not locking._second_process_is_refused(probe)
    with probe.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locking._second_process_is_refused(probe)


def test_pickled_workspace_that_broke_says_so(workspace):
    """A workspace that is gone is reported where it is opened again."""
    travelled = pickle.dumps(workspace)
    (workspace.path / "boda.db").unlink()
    with pytest.raises(Damaged):
        pickle.loads(travelled)
