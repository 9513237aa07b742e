"""The one place where commands speak: results on stdout as text or JSON, all else on stderr."""

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeAlias

from boda.keys import shown

if TYPE_CHECKING:
    from boda.cli.progress import ProgressLine
    from boda.pipelines.run.meter import Progress


_ZERO, _SMALL = 1e-9, 5e-5
"""Numbers between these are not 0, but four decimals would say so."""


class Result(Protocol):
    """What a pipeline hands back."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be shown in aligned columns; numbers to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]


Said: TypeAlias = str | Table


def reasons_table(reasons: Mapping[str, int]) -> Table:
    """Why images are quarantined, the most frequent reason first."""
    ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    return Table(("why quarantined", "images"), ordered)


class Show:
    """The sink of one command: human, JSON or quiet."""

    def __init__(self) -> None:
        self.json = self.quiet = self.verbose = False
        self._line: ProgressLine | None = None

    def __call__(self, result: Result, say: Callable[[], Iterable[Said]]) -> None:
        """Show a result: as one JSON object, in the words of `say`, or not at all."""
        self.done()
        if self.json:
            _write(sys.stdout, json.dumps(result.as_json(), allow_nan=False) + "\n")
        elif not self.quiet:
            for said in say():
                _write(sys.stdout, _line(said) if isinstance(said, str) else _aligned(said))

    def note(self, text: str) -> None:
        """Say something on stderr that is no result and no error."""
        if not self.quiet:
            self.done()
            _write(sys.stderr, text + "\n")

    def error(self, text: str) -> None:
        """The one line that says why a command failed."""
        self.done()
        _write(sys.stderr, f"boda: {text}\n")

    def progress(self, progress: "Progress") -> None:
        """Show where a run is: one line with rate and time left, only on a terminal."""
        if self.quiet or not sys.stderr.isatty():
            return
        if self._line is None:
            from boda.cli.progress import ProgressLine

            self._line = ProgressLine()
        self._line.update(progress)

    def done(self) -> None:
        """Take the progress line away."""
        if self._line is not None:
            self._line.close()
            self._line = None


def _write(stream: TextIO, text: str) -> None:
    """Write now. A reader that has gone (`| head`) wants no more: what comes after goes nowhere."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _line(text: str) -> str:
    """A text of one or more lines; no other control sign of a name or a class gets to the terminal."""
    return "".join(f"{shown(line)}\n" for line in text.split("\n"))


def _aligned(table: Table) -> str:
    """Columns two spaces apart, as wide as their widest cell on a terminal."""
    cells = [[_cell(value) for value in row] for row in (table.header, *table.rows)]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(table.header))]
    right = [all(not isinstance(row[i], str) for row in table.rows) for i in range(len(table.header))]
    lines = []
    for row in cells:
        padded = (
            _padded(cell, width, to_the_right) for cell, width, to_the_right in zip(row, widths, right, strict=True)
        )
        lines.append("  ".join(padded).rstrip() + "\n")
    return "".join(lines)


def _cell(value: str | float | None) -> str:
    match value:
        case None:
            return "-"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.1e}" if _ZERO < abs(value) < _SMALL else f"{value:.4f}"
    return shown(value)


def _padded(cell: str, width: int, to_the_right: bool) -> str:  # noqa: FBT001
    space = " " * (width - _width(cell))
    return space + cell if to_the_right else cell + space


def _width(text: str) -> int:
    """Columns on a terminal: two for Korean and other wide signs."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else unicodedata.combining(sign) == 0 for sign in text)
