"""One writer at a time: `flock` on `LOCK`, which the kernel frees when the process dies.

Where locks do not work (some network file systems), nothing is written at all: a sweep beside another writer would
delete a file that the other is about to name. So it is tried first whether a second descriptor is refused.
"""

import contextlib
import errno
import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from boda.errors import Busy, Damaged, ReadOnly

NAME = "LOCK"

_REFUSED = {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}
_TRY_IN_ANOTHER_PROCESS = (
    "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the workspace's lock.

    Raises:
        Busy: another process holds it; says which.
        ReadOnly: the lock cannot be had here.
        Damaged: `LOCK` is not a plain file.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(folder / NAME, flags, 0o666)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise Damaged(f"{folder}: LOCK is not a plain file; such a workspace is not written to") from error
        raise ReadOnly(f"{folder}: LOCK cannot be opened for writing: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _REFUSED:
                raise Busy(str(folder), holder(folder)) from error
            raise ReadOnly(f"{folder}: locks do not work here: {error.strerror}") from error
        with contextlib.suppress(OSError):  # on a full disk the lock still holds; only who holds it is not told
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder(folder: Path) -> int | None:
    """The process that says it holds the lock; None where none does."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 32).strip()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return int(text) if text.isdigit() else None


def why_not(folder: Path, probe: Path) -> str | None:
    """Why locks cannot be relied on here; None where they work.

    Args:
        folder: the workspace, for the text.
        probe: a file in it that nobody locks for long; it is locked for a moment.
    """
    with contextlib.ExitStack() as stack:
        try:
            first, second = (_opened(probe, stack) for _ in range(2))
        except OSError as error:
            return f"{probe.name} cannot be opened: {error.strerror}"
        flags = fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.flock(first, flags)
        except OSError as error:
            return None if error.errno in _REFUSED else f"locks do not work in {folder}: {error.strerror}"
        if not _is_refused(second, flags) and not _second_process_is_refused(probe):
            return f"locks do not hold in {folder}: a second one is granted"
        return _why_ranges_fail(probe, stack)


def _opened(path: Path, stack: contextlib.ExitStack, flags: int = os.O_RDONLY) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


def _is_refused(descriptor: int, flags: int) -> bool:
    try:
        fcntl.flock(descriptor, flags)
    except OSError:
        return True
    return False


def _second_process_is_refused(probe: Path) -> bool:
    """Over NFS a process never refuses itself; so ask another one."""
    command = [sys.executable, "-I", "-S", "-c", _TRY_IN_ANOTHER_PROCESS, str(probe)]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    return done.returncode != 0


def _why_ranges_fail(probe: Path, stack: contextlib.ExitStack) -> str | None:
    """SQLite locks ranges by `fcntl`; where locks can belong to a descriptor, two of them show whether they hold."""
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        return None
    whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    try:
        first, second = (_opened(probe, stack, os.O_RDWR) for _ in range(2))
    except OSError:
        return None
    try:
        fcntl.fcntl(first, command, whole)
    except OSError as error:
        if error.errno in _REFUSED or error.errno == errno.EINVAL:
            return None
        return f"locks of ranges do not work: {error.strerror}"
    try:
        fcntl.fcntl(second, command, whole)
    except OSError:
        return None
    return "locks of ranges do not hold: a second one is granted"


def clock_ns(folder: Path) -> int:
    """The file system's own time now, in nanoseconds: that of the lock file, just touched."""
    lock = folder / NAME
    os.utime(lock)
    return lock.stat().st_mtime_ns
