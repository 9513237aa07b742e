"""Decoder processes that may die: each has its own pipe, so that the death of one touches nothing else.

A chunk whose process dies or takes too long is tried again image by image, each alone; the one that fails alone is
answered as unreadable, the others are decoded. Why no pool library: docs/decisions/0002-decoder-processes.md.
"""

import contextlib
import json
import logging
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

from boda.decoding.executor import Chunk, Deliver
from boda.decoding.slots import Slots
from boda.decoding.work import Answer, from_wire
from boda.errors import BodaError, DecoderBroken, Refused
from boda.pixels.spec import PixelSpec
from boda.sources.base import Source
from boda.unreadable import Code, Stage, Unreadable

log = logging.getLogger(__name__)

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "LD_PRELOAD")

_WORD_SECONDS = 10
_WORD_BYTES = 1 << 24
"""What a decoder says comes whole within this time, and is no longer than this; else it is taken for broken."""
_TRIES = 2
_TRIES_WHEN_SHOT = 4
"""Somebody else's SIGKILL (the kernel short of memory) says little about the image in hand."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a decoder may take, in seconds, and how often decoders may die in a row."""

    chunk: float = 60.0
    alone: float = 30.0
    start: float = 60.0
    deaths: int = 20


@dataclass
class _Task:
    """A chunk, or one image of a chunk that failed together, on its way to an answer."""

    chunk: Chunk
    whole: "_Whole | None" = None
    place: int = 0
    deaths: int = 0

    @property
    def alone(self) -> bool:
        return len(self.chunk.refs) == 1


@dataclass
class _Whole:
    """A chunk that is being tried image by image."""

    chunk: Chunk
    answers: list[Answer | None]


@dataclass(eq=False)
class _Decoder:
    """One process and its pipe."""

    process: "subprocess.Popen[bytes]"
    pipe: Connection
    deadline: float
    ready: bool = False
    task: _Task | None = None
    killed: bool = False
    """By us, because it hung or closed its pipe."""


class Processes:
    """Decodes chunks in processes of their own."""

    def __init__(
        self,
        source: Source,
        specs: Sequence[PixelSpec],
        slots: Slots,
        deliver: Deliver,
        fail: Callable[[BodaError], None],
        *,
        workers: int,
        patience: Patience | None = None,
    ) -> None:
        """Start at most `workers` processes, as work comes.

        Args:
            source: pickled into each process.
            specs: the pixels to make.
            slots: where they go.
            deliver: takes each chunk's answers, in the dispatching thread.
            fail: takes the error that ends everything, in the dispatching thread.
            workers: how many processes at most.
            patience: time limits.
        """
        self._patience = patience or Patience()
        self._slots, self._deliver, self._fail = slots, deliver, fail
        try:
            self._hello = pickle.dumps((source, tuple(specs), slots.fd, slots.count, slots.batch))
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise Refused(f"the source cannot be given to decoder processes ({error}); make it picklable") from error
        self._environment = _environment(remote=str(source.description.get("kind")) == "url")
        self._waiting: deque[_Task] = deque()
        self._decoders: list[_Decoder] = []
        self._deaths = 0
        self._workers = workers
        self._closing = False
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._dispatch, name="boda-decoders", daemon=True)
        self._thread.start()

    def submit(self, chunk: Chunk) -> None:
        """Ask for one chunk. Returns at once."""
        with self._lock:
            self._waiting.append(_Task(chunk))
        os.write(self._wake_write, b"x")

    def close(self) -> None:
        """Kill every process; chunks without an answer get none."""
        self._closing = True
        os.write(self._wake_write, b"x")
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    @property
    def pids(self) -> list[int]:
        """Of the processes alive now."""
        return [decoder.process.pid for decoder in self._decoders]

    def _dispatch(self) -> None:
        """The one thread that starts, feeds, hears and buries the processes (the kernel ties them to it)."""
        try:
            while not self._closing:
                self._start_missing()
                self._feed()
                self._hear()
        except Exception as error:  # noqa: BLE001 - whatever ends this thread must end the run too, not hang it
            told = error if isinstance(error, BodaError) else DecoderBroken(f"decoders cannot be kept going: {error!r}")
            self._fail(told)
        finally:
            for decoder in self._decoders:
                _end(decoder)

    def _start_missing(self) -> None:
        """As many as there is work for, and at most `workers`."""
        free = sum(decoder.task is None for decoder in self._decoders)
        wanted = min(self._workers - len(self._decoders), len(self._waiting) - free)
        self._decoders += [self._start() for _ in range(wanted)]

    def _start(self) -> _Decoder:
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _WORD_SECONDS, 0))
        with contextlib.ExitStack() as undo, theirs:
            undo.callback(ours.close)
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "boda.decoding.worker", str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(), self._slots.fd),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
            undo.pop_all()
        pipe = Connection(ours.detach())
        decoder = _Decoder(process, pipe, time.monotonic() + self._patience.start)
        try:
            pipe.send_bytes(json.dumps(sys.path).encode())
            pipe.send_bytes(self._hello)
        except OSError:
            log.debug("decoder %d died before it was greeted", process.pid)
        return decoder

    def _feed(self) -> None:
        for decoder in [d for d in self._decoders if d.ready and d.task is None]:
            with self._lock:
                task = self._waiting.popleft() if self._waiting else None
            if task is None:
                return
            patience = self._patience.alone if task.alone else self._patience.chunk
            decoder.task, decoder.deadline = task, time.monotonic() + patience
            chunk = task.chunk
            try:
                decoder.pipe.send_bytes(pickle.dumps((chunk.slot, chunk.first, chunk.refs, chunk.specs)))
            except OSError:
                self._bury(decoder)

    def _hear(self) -> None:
        pipes = {decoder.pipe: decoder for decoder in self._decoders}
        working = [d.deadline for d in self._decoders if d.task or not d.ready]
        patience = max(0.0, min(working) - time.monotonic()) if working else None
        if self._waiting and len(self._decoders) < self._workers:
            patience = 0.0  # one was buried while it was fed: start another at once
        for ready in wait([*pipes, self._wake_read], patience):
            if isinstance(ready, int):
                os.read(self._wake_read, 4096)
            elif isinstance(ready, Connection):
                self._receive(pipes[ready])
        now = time.monotonic()
        for decoder in [d for d in self._decoders if (d.task or not d.ready) and d.deadline <= now]:
            self._bury(decoder, late=True)

    def _receive(self, decoder: _Decoder) -> None:
        try:
            said = json.loads(decoder.pipe.recv_bytes(_WORD_BYTES))
            if isinstance(said, dict):
                raise DecoderBroken(f"decoders cannot start here: {said['failed']}")
            answers = None if said == "ready" else [from_wire(wire) for wire in said]
        except (EOFError, OSError, ValueError, TypeError, LookupError):
            self._bury(decoder)
            return
        if answers is None:
            decoder.ready = True
        elif decoder.task is None or len(answers) != len(decoder.task.chunk.refs):
            self._bury(decoder)
        else:
            task, decoder.task = decoder.task, None
            self._deaths = 0
            self._answer(task, answers)

    def _answer(self, task: _Task, answers: list[Answer]) -> None:
        if task.whole is None:
            self._deliver(task.chunk, answers)
            return
        task.whole.answers[task.place] = answers[0]
        done = [answer for answer in task.whole.answers if answer is not None]
        if len(done) == len(task.whole.answers):
            self._deliver(task.whole.chunk, done)

    def _bury(self, decoder: _Decoder, *, late: bool = False) -> None:
        """Put an end to a process that died, lied or hung, and decide what becomes of its task."""
        _end(decoder)
        self._decoders.remove(decoder)
        task = decoder.task
        if task is not None and not task.alone:
            self._split(task.chunk)
            return
        if task is not None and not late and self._has_another_try(task, decoder):
            with self._lock:
                self._waiting.appendleft(task)
            return
        self._deaths += 1
        if self._deaths >= self._patience.deaths:
            raise DecoderBroken(
                f"the decoder is broken here: it died {self._deaths} times in a row, last with {_how(decoder)}; look "
                "at memory limits and Pillow's installation, then run again, and retry what was quarantined"
            )
        if task is not None:
            if late:
                verdict = Unreadable(Stage.DECODE, Code.TIMEOUT, f"took longer than {self._patience.alone:g} s")
            else:
                verdict = Unreadable(Stage.DECODE, Code.WORKER_DIED, f"its decoder ended with {_how(decoder)}")
            self._answer(task, [Answer.unread(verdict, task.chunk.specs)])

    @staticmethod
    def _has_another_try(task: _Task, decoder: _Decoder) -> bool:
        task.deaths += 1
        shot = decoder.process.returncode == -signal.SIGKILL and not decoder.killed
        return task.deaths < (_TRIES_WHEN_SHOT if shot else _TRIES)

    def _split(self, chunk: Chunk) -> None:
        whole = _Whole(chunk, [None] * len(chunk.refs))
        with self._lock:
            for place in reversed(range(len(chunk.refs))):
                one = replace(chunk, first=chunk.first + place, refs=(chunk.refs[place],))
                self._waiting.appendleft(_Task(one, whole, place))


def _environment(*, remote: bool) -> dict[str, str]:
    """What a decoder may know: no credentials, unless it must fetch from afar itself."""
    kept = dict(os.environ) if remote else {k: os.environ[k] for k in _KEPT if k in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def _end(decoder: _Decoder) -> None:
    decoder.pipe.close()
    if decoder.process.poll() is None:
        try:  # one that is dying already gets a moment, so that its own exit code is what is reported
            decoder.process.wait(0.05)
        except subprocess.TimeoutExpired:
            decoder.killed = True
            decoder.process.kill()
            decoder.process.wait()


def _how(decoder: _Decoder) -> str:
    if decoder.killed:
        return "a closed pipe"
    code = decoder.process.returncode
    if code is not None and code < 0:
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"exit code {code}"
