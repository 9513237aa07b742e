"""Kept: what took long is on disk, under a name that says what it was made of."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runs.receipt import write

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of numbers, and their digest."""

    array: npt.NDArray[np.float32]
    """(n, d)"""
    digest: str

    @classmethod
    def of(cls, array: Floats) -> "Rows":
        """Of (n, d) numbers."""
        found = np.ascontiguousarray(array, np.float32)
        return cls(found, sha256(f"{found.shape}".encode() + found.tobytes()).hexdigest())


@dataclass(frozen=True)
class Kept:
    """A folder of what was made."""

    folder: Path

    def array(self, rows: Rows, how: str, make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """What is made of rows, made once.

        Args:
            rows: of which it is made.
            how: everything else that it depends on.
            make: makes it.
        """
        file = self._file(rows, how, "npy")
        if not file.is_file():
            data = io.BytesIO()
            np.save(data, make(), allow_pickle=False)
            write(file, data.getvalue())
        found: npt.NDArray[Any] = np.load(file, allow_pickle=False)
        return found

    def record(self, rows: Rows, how: str, make: Callable[[], Any]) -> Any:
        """The same of plain JSON."""
        file = self._file(rows, how, "json")
        if not file.is_file():
            write(file, json.dumps(make(), indent=1).encode())
        return json.loads(file.read_bytes())

    def _file(self, rows: Rows, how: str, ending: str) -> Path:
        digest = sha256(f"{rows.digest} {how}".encode()).hexdigest()[:16]
        return self.folder / f"{''.join(sign if sign.isalnum() else '-' for sign in how)}-{digest}.{ending}"
