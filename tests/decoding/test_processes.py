"""Decoder processes: one bad image costs one image, whatever it does."""

import queue
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pytest

from boda.decoding.executor import Chunk, InProcess
from boda.decoding.processes import Patience, Processes
from boda.decoding.slots import Slots, make_slots
from boda.decoding.work import Answer, from_wire, to_wire
from boda.errors import BodaError, DecoderBroken
from boda.pixels.spec import PixelSpec
from boda.unreadable import Code, Stage
from hostile import HostileSource

SPECS = [PixelSpec(resize=8, crop=(8, 8), decoder="exact"), PixelSpec(resize=(6, 10), crop=None, decoder="exact")]


def decode(names: list[str], *, patience: Patience | None = None, workers: int = 2, chunk: int = 4):
    """All answers and pixels, by decoder processes."""
    source = HostileSource(names)
    slots = make_slots(1, len(names), SPECS)
    answered: queue.SimpleQueue[tuple[Chunk, list[Answer]] | BodaError] = queue.SimpleQueue()
    executor = Processes(
        source, SPECS, slots, lambda c, a: answered.put((c, a)), answered.put, workers=workers, patience=patience
    )
    answers: list[Answer | None] = [None] * len(names)
    try:
        for chunk_ in cut(source, chunk):
            executor.submit(chunk_)
        while any(answer is None for answer in answers):
            event = answered.get(timeout=60)
            if isinstance(event, BodaError):
                raise event
            answers[event[0].first : event[0].first + len(event[1])] = event[1]
    finally:
        executor.close()
    return answers, [slots.pixels(0, spec).copy() for spec in range(2)]


def cut(source: HostileSource, size: int) -> list[Chunk]:
    """The source's images in chunks of one slot."""
    refs = tuple(source.entries())
    return [Chunk(0, 0, first, refs[first : first + size], 2) for first in range(0, len(refs), size)]


def oracle(names: list[str]) -> tuple[list[Answer], list[np.ndarray]]:
    """The same in this process."""
    source = HostileSource(names)
    slots = make_slots(1, len(names), SPECS)
    answers: list[Answer] = []
    executor = InProcess(source, SPECS, slots, lambda _, a: answers.extend(a))
    for chunk in cut(source, 4):
        executor.submit(chunk)
    return answers, [slots.pixels(0, spec).copy() for spec in range(2)]


def meaning(answer: Answer) -> tuple[object, ...]:
    """An answer without its timings."""
    return (answer.content, answer.size, answer.mtime_ns, answer.facts, answer.verdicts)


def test_processes_equal_this_process_bit_for_bit() -> None:
    """Answers and pixels are those of the plain function."""
    names = [f"good-{i}" for i in range(11)] + ["missing-0", "stdout-1", "raise-2"]
    answers, pixels = decode(names)
    expected, expected_pixels = oracle(names)
    assert [meaning(a) for a in answers] == [meaning(a) for a in expected]
    for ours, theirs in zip(pixels, expected_pixels, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert expected[11].verdicts[0].code == Code.MISSING
    assert expected[13].verdicts[0].code == Code.OTHER
    assert "ZeroDivisionError" in expected[13].verdicts[0].reason


@pytest.mark.parametrize(
    ("deed", "code", "said"),
    [
        ("abort", Code.WORKER_DIED, "SIGABRT"),
        ("segfault", Code.WORKER_DIED, "SIGSEGV"),
        ("exit0", Code.WORKER_DIED, "exit code 0"),
        ("shoot", Code.WORKER_DIED, "SIGKILL"),
        ("eat", Code.MEMORY_LIMIT, "memory"),
        ("hang", Code.TIMEOUT, "longer than"),
        ("spin", Code.TIMEOUT, "longer than"),
        ("closepipe", Code.WORKER_DIED, "ended with"),
    ],
)
def test_a_misdeed_costs_that_image_alone(deed: str, code: Code, said: str) -> None:
    """The others of its chunk are decoded as if nothing had been."""
    names = ["good-0", "good-1", f"{deed}-2", "good-3", "good-4"]
    seconds = 1.0 if code is Code.TIMEOUT else 20.0
    answers, pixels = decode(names, patience=Patience(chunk=seconds, alone=seconds))
    verdict = answers[2].verdicts[0]
    assert (verdict.stage, verdict.code) == (Stage.DECODE, code)
    assert said in verdict.reason
    good = [0, 1, 3, 4]
    expected, expected_pixels = oracle([names[i] for i in good])
    assert [meaning(answers[i]) for i in good] == [meaning(a) for a in expected]
    np.testing.assert_array_equal(pixels[0][good], expected_pixels[0])


def test_many_deaths_in_a_row_blame_the_machine() -> None:
    """When everything dies the run ends with that, and nothing is quarantined."""
    with pytest.raises(DecoderBroken, match="the decoder is broken here"):
        decode([f"abort-{i}" for i in range(12)], patience=Patience(deaths=6))


def test_innocents_survive_somebody_shooting_decoders() -> None:
    """SIGKILL to a random decoder again and again loses no image and blames none."""
    names = [f"good-{i}" for i in range(400)]
    source = HostileSource(names)
    slots = make_slots(1, len(names), SPECS)
    answered: queue.SimpleQueue[tuple[Chunk, list[Answer]]] = queue.SimpleQueue()
    errors: list[BodaError] = []
    executor = Processes(source, SPECS, slots, lambda c, a: answered.put((c, a)), errors.append, workers=2)
    rng = np.random.default_rng(3)
    answers: dict[int, Answer] = {}
    try:
        for chunk in cut(source, 8):
            executor.submit(chunk)
        shots = 0
        while len(answers) < len(names):
            assert not errors
            if shots < 6 and executor.pids:
                psutil.Process(int(rng.choice(executor.pids))).send_signal(signal.SIGKILL)
                shots += 1
            chunk, got = answered.get(timeout=60)
            assert chunk.first not in answers, "an image was answered twice"
            answers |= {chunk.first + i: answer for i, answer in enumerate(got)}
    finally:
        executor.close()
    assert all(answer.verdicts == (None, None) for answer in answers.values())


def test_closing_ends_every_process() -> None:
    """Also while work is under way."""
    source = HostileSource(["hang-0", "hang-1", "good-2"])
    slots = make_slots(1, 3, SPECS)
    executor = Processes(source, SPECS, slots, lambda *_: None, lambda _: None, workers=2)
    for chunk in cut(source, 1):
        executor.submit(chunk)
    time.sleep(0.8)
    pids = executor.pids
    executor.close()
    assert len(pids) == 2
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_no_child_and_no_memory_outlive_a_killed_parent() -> None:
    """After SIGKILL of the parent its decoders are gone within 2 s, and no shared memory has a name anywhere."""
    script = textwrap.dedent(
        """
        import sys, time
        from hostile import HostileSource
        from boda.decoding.executor import Chunk
        from boda.decoding.processes import Processes
        from boda.decoding.slots import make_slots
        from boda.pixels.spec import PixelSpec
        specs = [PixelSpec(resize=8, crop=(8, 8))]
        source = HostileSource(["spin-0", "good-1", "hang-2"])
        slots = make_slots(1, 3, specs)
        executor = Processes(source, specs, slots, lambda *_: None, lambda e: None, workers=2)
        for i, ref in enumerate(source.entries()):
            executor.submit(Chunk(0, 0, i, (ref,), 1))
        time.sleep(1)
        print(*executor.pids, flush=True)
        time.sleep(60)
        """
    )
    shm = set(_names_of_shared_memory())
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=_environment())
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and any(psutil.pid_exists(pid) for pid in pids):
        time.sleep(0.02)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert set(_names_of_shared_memory()) <= shm


def _names_of_shared_memory() -> list[str]:
    import os

    return os.listdir("/dev/shm")


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))


def test_slots_share_memory_without_copies() -> None:
    """Two mappings of one descriptor see the same pixels; slots and specs do not overlap."""
    slots = make_slots(3, 2, SPECS)
    again = Slots(slots.fd, 3, 2, SPECS)
    for slot in range(3):
        for spec in range(2):
            slots.pixels(slot, spec)[...] = 10 * slot + spec
    for slot in range(3):
        for spec in range(2):
            seen = again.pixels(slot, spec)
            assert seen.shape == (2, *SPECS[spec].shape, 3)
            assert (seen == 10 * slot + spec).all()


def test_answers_survive_the_wire() -> None:
    """JSON there and back."""
    answers, _ = oracle(["good-0", "missing-1"])
    assert [from_wire(to_wire(answer)) for answer in answers] == answers
