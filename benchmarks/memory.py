"""Memory is flat in the number of images: the peak of all of boda's processes together, for few and for many files.

    python benchmarks/memory.py --out memory.json
    python benchmarks/memory.py --counts 6000,60000
    python benchmarks/memory.py --folders 600

Each count is a run of its own: a fresh process embeds a folder of small JPEG files, made distinct by bytes after their
end mark, with an encoder that costs nothing. Every 50 ms the memory of this process and all its children is added up.
On Linux pages that several processes share count once (PSS); elsewhere only pages of their own count (USS), and where
the system tells neither, everything counts in every process (RSS). Pages of mapped files are part of it, although the
kernel drops them when it needs room; on Linux the rest, anonymous memory, is shown beside it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from image_sets import after_end_mark, as_jpeg, photographs
from machine import facts

from boda.arrays import Features, Pixels
from boda.pixels.spec import PixelSpec
from boda.recipe import Precision, Recipe

COUNTS = (60_000, 600_000)
FLAT = 1.10
"""The peak for the most files is at most this many times the peak for the fewest."""
_EVERY = 0.05
_SIDE = 32


@dataclass(frozen=True)
class FirstPixel:
    """An encoder whose cost does not matter: every feature is the image's first pixel, red."""

    width: int = 64

    @property
    def recipe(self) -> Recipe:
        """Its own for each width."""
        spec = PixelSpec(resize=_SIDE, crop=(_SIDE, _SIDE))
        return Recipe("benchmark:first-pixel", "", "pooled", "none", spec, arguments={"width": self.width})

    @property
    def device(self) -> str:
        """Always the processor."""
        return "cpu"

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) to (n, width)."""
        return np.repeat(pixels[:, 0, 0, :1], self.width, axis=1).astype(np.float32)

    def at(self, precision: Precision) -> "FirstPixel":
        """Knows only one precision."""
        return self


def write_files(folder: Path, count: int, folders: int) -> None:
    """`count` different JPEG files: flat where `folders` is 0, else dealt out to so many sub-folders."""
    picture = as_jpeg(photographs()[0].resize((64, 48)))
    places = [folder / f"{i:04d}" for i in range(folders)] or [folder]
    for place in places:
        place.mkdir(parents=True)
    for i in range(count):
        (places[i % len(places)] / f"{i:07d}.jpg").write_bytes(after_end_mark(picture, i))


def measure(count: int, folders: int, width: int, where: Path | None) -> dict[str, Any]:
    """Make the files, embed them in a fresh process, and watch its memory."""
    with tempfile.TemporaryDirectory(dir=where) as temporary:
        work = Path(temporary)
        write_files(work / "images", count, folders)
        began = time.perf_counter()
        with (work / "errors").open("w+") as errors:
            child = subprocess.Popen(
                [sys.executable, __file__, "--embed", str(work), "--width", str(width)], stderr=errors
            )
            peaks, samples, processes = _watch(child)
            errors.seek(0)
            if child.returncode:
                raise RuntimeError(f"embedding {count} files ended with {child.returncode}: {errors.read()[-2000:]}")
        seconds = time.perf_counter() - began
        report = json.loads((work / "report.json").read_text(encoding="utf-8"))
    if report["embedded"] != count:
        raise RuntimeError(f"embedded {report['embedded']} of {count}: {report['reasons']}")
    return {
        "files": count,
        "folders": folders,
        "width": width,
        "peaks_mib": {name: peak / 2**20 for name, peak in peaks.items()},
        "samples": samples,
        "processes": processes,
        "seconds": seconds,
        "images_per_s": report["images_per_s"],
    }


def _watch(child: "subprocess.Popen[bytes]") -> tuple[dict[str, int], int, int]:
    """(peak bytes by kind, samples taken, most processes seen at once), until the child has ended."""
    peaks: dict[str, int] = {}
    samples = most = 0
    while child.poll() is None:
        if now := _memory(child.pid):
            samples, most = samples + 1, max(most, len(now))
            sums = {kind: sum(one[kind] for one in now if kind in one) for kind in now[0]}
            peaks |= {kind: max(peaks.get(kind, 0), size) for kind, size in sums.items()}
        time.sleep(_EVERY - time.monotonic() % _EVERY)
    return peaks, samples, most


def _memory(pid: int) -> list[dict[str, int]]:
    """Bytes by kind of a process and of everything below it; those that end meanwhile are left out."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    return list(_each(family))


def _each(family: Sequence[psutil.Process]) -> Iterator[dict[str, int]]:
    for process in family:
        try:
            told = process.memory_full_info()._asdict()
        except psutil.AccessDenied:
            told = process.memory_info()._asdict()
        except psutil.NoSuchProcess:
            continue
        if told["rss"]:  # a zombie has none
            yield {kind: told[kind] for kind in ("pss", "uss", "rss") if kind in told} | _anonymous(process.pid)


def _anonymous(pid: int) -> dict[str, int]:
    """Linux: the share of the PSS that no file stands behind."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeError):
        return {}
    found = next((line for line in lines if line.startswith("Pss_Anon:")), None)
    return {"anonymous": int(found.split()[1]) * 1024} if found else {}


def embed_here(work: Path, width: int) -> None:
    """The child: embed `work/images`; torch is never loaded."""
    import boda

    workspace = boda.embed(work / "images", encoders=[FirstPixel(width)], to=work / "w.boda", precision="fp32")
    (work / "report.json").write_text(json.dumps(workspace.report), encoding="utf-8")


def verdict(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The ratio of the peaks for most and fewest files, in the best kind of memory that every run has."""
    fewest, most = results[0], results[-1]
    kind = next(k for k in ("pss", "uss", "rss") if all(k in result["peaks_mib"] for result in results))
    ratio = most["peaks_mib"][kind] / fewest["peaks_mib"][kind]
    return {"kind": kind, "ratio": ratio, "at_most": FLAT, "met": ratio <= FLAT}


def as_markdown(results: Sequence[dict[str, Any]]) -> str:
    """The table."""
    names = {"pss": "PSS", "anonymous": "anonymous PSS", "uss": "USS", "rss": "RSS"}
    kinds = [kind for kind in names if kind in results[0]["peaks_mib"]]
    titles = ["files", "sub-folders", *(f"peak {names[kind]}, MiB" for kind in kinds), "processes", "images/s", "s"]
    lines = [titles, ["---"] * len(titles)]
    for result in results:
        peaks = [f"{result['peaks_mib'][kind]:.1f}" for kind in kinds]
        ends = [str(result["processes"]), f"{result['images_per_s']:.0f}", f"{result['seconds']:.0f}"]
        lines.append([str(result["files"]), str(result["folders"] or "none"), *peaks, *ends])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=_numbers, default=COUNTS, help="files, with commas between")
    parser.add_argument("--folders", type=int, default=0, help="deal the files out to so many sub-folders")
    parser.add_argument("--width", type=int, default=64, help="numbers an image")
    parser.add_argument("--where", type=Path, help="folder for temporary files; by default the system's")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--embed", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(number) for number in text.split(",")))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each count, print the table, write the JSON."""
    chosen = options(arguments)
    if chosen.embed is not None:
        embed_here(chosen.embed, chosen.width)
        return
    about = facts() | {"command": ["benchmarks/memory.py", *(arguments or sys.argv[1:])], "load": os.getloadavg()}
    print(f"{about['date']}, {about['machine']['cpu']}, {about['machine']['cores']} cores, commit {about['commit']}\n")
    results = []
    for count in chosen.counts:
        results.append(measure(count, chosen.folders, chosen.width, chosen.where))
        print(f"{count} files: {results[-1]['peaks_mib']}", file=sys.stderr, flush=True)
    found = verdict(results)
    print(as_markdown(results))
    told = "met" if found["met"] else "missed"
    print(f"\npeak {found['kind'].upper()}, most files to fewest: {found['ratio']:.3f}, {told} (<= {FLAT:g})")
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(about | {"results": results, "verdict": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
