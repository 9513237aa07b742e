"""Receipts: what was measured, as Markdown that can be pasted, with the command, the date and the machine."""

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import numpy as np

from boda.cores import cores
from boda.counted import counted
from boda.heads.head import Head
from boda.workspace.atomic import write_whole
from runs.trial import Trial


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def trials_table(trials: Mapping[str, Trial], floors: Mapping[str, float]) -> str:
    """One line a target: trivial, floor, plain, chosen, and what choosing gained.

    Args:
        trials: by what they are called.
        floors: what a plain head was known to reach, of those that have one.
    """
    header = ["target", "metric", "rows", "trivial", "floor", "plain", "chosen", "first folds, 90 %", "gain, 90 %"]
    rows = [
        [
            name,
            one.metric,
            f"{one.rows:,}",
            f"{one.trivial:.3f}",
            f"{floors[name]:.2f}" if name in floors else "",
            spread(one.plain),
            f"**{spread(one.chosen)}**",
            f"{one.interval.low:.3f} to {one.interval.high:.3f}",
            _within({"value": one.gain.value, "low": one.gain.low, "high": one.gain.high}, "+"),
        ]
        for name, one in trials.items()
    ]
    return table(header, rows)


def ways_table(trials: Mapping[str, Trial]) -> str:
    """What helped: of each way the metric inside training rows, and in how many folds it was chosen."""
    names = dict.fromkeys(way for one in trials.values() for way in one.inner)
    rows = [
        [way, *(f"{one.inner[way]:.3f}{_times(one.picked.get(way, 0))}" for one in trials.values())] for way in names
    ]
    return table(["inside training rows", *trials], rows)


def fusion_table(heads: Mapping[str, Head]) -> str:
    """Of heads with features and columns: what image, numbers and both are worth, and what both gain."""
    header = ["head", "metric", "image", "numbers", "both", "both less numbers", "both less image"]
    rows = []
    for name, head in heads.items():
        record = head.evaluation
        alone = {one["inputs"]: _within(one) for one in record["inputs"]}
        gains = {one["of"]: _within(one, "+") for one in record["differences"]}
        values = [alone[one] for one in ("image", "numbers", "both")]
        rows.append([name, record["primary"], *values, gains["both - numbers"], gains["both - image"]])
    return table(header, rows)


def _within(found: Mapping[str, float], sign: str = "") -> str:
    return f"{found['value']:{sign}.3f} ({found['low']:{sign}.3f} to {found['high']:{sign}.3f})"


def _times(count: int) -> str:
    return f" ({count}×)" if count else ""


def footer(seconds: float, seeds: Sequence[int], *, of: str = "folds") -> str:
    """Command, date, machine, versions, seconds, and seeds of what, where there are some."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("boda", "numpy", "torch", "timm"))
    command = shlex.join(["recipes/" + Path(sys.argv[0]).name, *(Path(word).name for word in sys.argv[1:])])
    drawn = f"seeds of {of} {', '.join(map(str, seeds))}; " if seeds else ""
    return (
        f"`python {command}`, {datetime.now(UTC):%Y-%m-%d}, {seconds:,.0f} s on {counted(cores(), 'core')} "
        f"({_processor()}); {drawn}Python {platform.python_version()}, {versions}.\n"
    )


def write(place: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, partial(_written, data))


def _written(data: bytes, file: BinaryIO) -> int:
    return file.write(data)


def _processor() -> str:
    """The kind of machine, as the system calls it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()
