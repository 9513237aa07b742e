"""What stays open between two reads: one thing a thread, and not many in all."""

import gzip
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from boda.sources import gzipped
from boda.sources.gzipped import read_unpacked
from boda.sources.kept import KeptByThread


class Thing:
    """Counts how it is opened and closed."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name
        log.append(f"open {name}")

    def close(self) -> None:
        self.log.append(f"close {self.name}")


def test_a_thread_keeps_its_last_thing_and_closes_it_for_another():
    """The same key opens nothing; another key closes the first; a failing use closes for good."""
    log: list[str] = []
    kept: KeptByThread[Thing] = KeptByThread()

    def use(name: str, divided_by: int = 1) -> None:
        with kept.use(name, lambda: Thing(log, name)) as thing:
            assert thing.name == name
            assert 1 // divided_by

    use("a")
    use("a")
    use("b")
    assert log == ["open a", "close a", "open b"]
    with pytest.raises(ZeroDivisionError):
        use("b", divided_by=0)
    use("b")
    assert log[3:] == ["close b", "open b"]


def test_things_of_threads_are_bounded():
    """Threads that went away leave no more open than the bound; the oldest is closed first."""
    log: list[str] = []
    kept: KeptByThread[Thing] = KeptByThread(most=2)
    inside = threading.Barrier(4)

    def use(name: str) -> None:
        with kept.use(name, lambda: Thing(log, name)):
            inside.wait(20)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, "abcd"))
    assert sorted(line for line in log if line.startswith("open")) == ["open a", "open b", "open c", "open d"]
    assert sum(line.startswith("close") for line in log) == 2


def test_threads_at_different_places_never_wind_each_other_back(tmp_path, monkeypatch):
    """Two threads that take turns in one archive each go forward only, and both read what is there."""
    content = os.urandom(40_000)
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    path = os.fsencode(tmp_path / "x.gz")
    seen: dict[int, list[int]] = {}
    streams = []
    original = gzipped._Stream.part

    def part(self, offset: int, size: int) -> bytes:
        streams.append(self)
        seen.setdefault(id(self), []).append(offset)
        return original(self, offset, size)

    monkeypatch.setattr(gzipped._Stream, "part", part)
    monkeypatch.setattr(gzipped, "_last", KeptByThread())
    turn = threading.Barrier(2)

    def read(start: int) -> bytes:
        parts = []
        for offset in range(start, start + 20_000, 2_000):
            turn.wait(20)
            parts.append(read_unpacked(path, offset, 2_000).data)
        return b"".join(parts)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(read, (0, 20_000))
    assert first + second == content
    assert len(seen) == 2
    assert all(offsets == sorted(offsets) for offsets in seen.values())
