"""A source whose images misbehave as their names say: stand-ins for files that break a decoder."""

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image

from boda.sources.base import Blob, ImageRef, Unlistable
from boda.unreadable import BadImage, Code, Stage


def picture(seed: int) -> bytes:
    """A small PNG whose pixels depend on the seed alone."""
    rng = np.random.default_rng(seed)
    buffer = BytesIO()
    Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class HostileSource:
    """`names[i]` is image i; a name that begins with a misdeed does it when it is read."""

    names: list[str]
    description: dict[str, str] = field(default_factory=lambda: {"kind": "hostile", "root": "hostile"})
    ignored: int = 0

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every name, in order."""
        for name in self.names:
            yield ImageRef(name, name.encode(), size=1, mtime_ns=1)

    def columns(self) -> None:
        """Nothing is known."""

    def read(self, ref: ImageRef) -> Blob:
        """A good picture, or the misdeed."""
        deed = ref.key.split("-")[0]
        if deed == "abort":
            os.abort()
        elif deed == "segfault":
            ctypes.string_at(0)
        elif deed == "hang":
            time.sleep(3600)
        elif deed == "spin":
            while True:
                pass
        elif deed == "eat":
            return Blob(bytes(bytearray(30 << 30)), 1, 1)
        elif deed == "exit0":
            os._exit(0)
        elif deed == "closepipe":
            os.closerange(3, 64)
        elif deed == "stdout":
            os.write(1, b"rubbish\n" * 1000)
        elif deed == "raise":
            raise ZeroDivisionError("not a named error")
        elif deed == "missing":
            raise BadImage(Stage.READ, Code.MISSING, "gone")
        elif deed == "shoot":
            os.kill(os.getpid(), signal.SIGKILL)
        return Blob(picture(sum(ref.key.encode())), 1, 1)
