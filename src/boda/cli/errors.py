"""Which error ends a command how: one table."""

import os

from boda.errors import BodaError
from boda.keys import shown

DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 130

EXPECTED: tuple[type[BaseException], ...] = (BodaError, OSError, MemoryError, KeyboardInterrupt)
"""Errors that are told in one line; any other is a bug of boda, and its line says so."""


def exit_code(error: BaseException) -> int:
    """130 where the user stopped it, else 1."""
    return STOPPED if isinstance(error, KeyboardInterrupt) else FAILED


def text(error: BaseException) -> str:
    """One line: what, where, what to do. Names from the world are escaped."""
    match error:
        case BodaError():
            words = str(error)
        case KeyboardInterrupt():
            words = "stopped; what was committed stays. Run the same command again to go on"
        case MemoryError():
            words = "out of memory; what was committed stays"
        case OSError() if error.filename is not None:
            words = (
                f"{os.fsdecode(error.filename)}: {error.strerror}"
                if not isinstance(error.filename, int)
                else str(error)
            )
        case OSError():
            words = error.strerror or str(error)
        case _:
            words = f"{type(error).__name__}: {error} (a bug in boda: please report it, with the trace that -v shows)"
    return shown(" ".join(words.splitlines()))
