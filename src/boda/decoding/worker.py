"""The life of one decoder process: limits first, then chunk after chunk until the pipe closes.

Started as `python -m boda.decoding.worker PIPE_FD PARENT_PID`, so that nothing of the caller's program is imported
again. It has no catalogue, no network and no stdout, and it ends with its parent.
"""

import contextlib
import ctypes
import json
import os
import pickle
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from io import BytesIO
from multiprocessing.connection import Connection

from PIL import Image

from boda.decoding.slots import Slots
from boda.decoding.work import to_wire, work
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.sources.base import Source

ADDRESS_SPACE = 3 << 30
"""Bytes a decoder may map, besides the slots."""

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Die when the parent dies, however that happens: the kernel's signal on Linux, a watchful thread elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def limit(extra: int) -> None:
    """Bound memory, and leave no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        most = ADDRESS_SPACE + extra
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def check_itself() -> None:
    """Decode an image known to be good, so that a broken decoder shows before it meets a user's file."""
    buffer = BytesIO()
    Image.new("RGB", (16, 16), (200, 100, 50)).save(buffer, "PNG")
    pixels, _ = prepare(buffer.getvalue(), PixelSpec(resize=8, crop=(8, 8)))
    if pixels.shape != (8, 8, 3):
        raise RuntimeError(f"a known image decoded to {pixels.shape}")


def serve(pipe: Connection, source: Source, specs: Sequence[PixelSpec], slots: Slots) -> None:
    """Answer chunks until the pipe closes: each is a slot, its first row, references, and how many specs to make."""
    while True:
        try:
            slot, first, refs, wanted = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        answers = []
        for row, ref in enumerate(refs, first):
            places = [slots.pixels(slot, spec)[row] for spec in range(wanted)]
            answers.append(to_wire(work(source, ref, specs[:wanted], places)))
        pipe.send_bytes(json.dumps(answers).encode())


def main() -> None:
    """Set the limits, say that we are ready, serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(int(sys.argv[2]))
    pipe = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        paths = json.loads(pipe.recv_bytes())
        sys.path[:] = paths
        source, specs, fd, count, batch = pickle.loads(pipe.recv_bytes())
        slots = Slots(fd, count, batch, specs)
        limit(slots.nbytes)
        check_itself()
        pipe.send_bytes(b'"ready"')
        serve(pipe, source, specs, slots)


if __name__ == "__main__":
    main()
