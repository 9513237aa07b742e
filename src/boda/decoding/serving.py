"""What a decoder process does: limits first, then chunk after chunk until the pipe closes."""

import contextlib
import json
import pickle
import resource
import sys
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


def run(pipe: Connection) -> None:
    """Hear what there is to do, set the limits, say that we are ready, serve."""
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            source, specs, fd, count, batch = pickle.loads(pipe.recv_bytes())
        except (AttributeError, ImportError) as error:
            reason = f"the source cannot be made in another process ({error}); define its class in a module"
            pipe.send_bytes(json.dumps({"failed": reason}).encode())
            return
        slots = Slots(fd, count, batch, specs)
        limit(slots.nbytes)
        check_itself()
        pipe.send_bytes(b'"ready"')
        serve(pipe, source, specs, slots)
