"""How long it takes to open the features of a large workspace: a fresh process, 1,000,000 x 512 float16.

The workspace is made through the public API, in blocks, from random numbers.

Run    python benchmarks/open_features.py [--images 1000000] [--width 512] [--keep FOLDER]
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from boda.recipe import Recipe
from boda.sources.base import ImageRef
from boda.workspace.records import Block, Read
from boda.workspace.workspace import create_workspace
from boda.workspace.writer import Writer

RECIPE = Recipe("bench:random", "", "pooled", "model", None, precision="bf16")
BLOCK = 50_000
OLD_NS = 10**18

OPEN = """
import json, sys, time
import numpy, boda
from boda.workspace.workspace import open_workspace
start = time.perf_counter()
workspace = open_workspace(sys.argv[1])
found = workspace.features()
opened = time.perf_counter() - start
last = found.keys[-1]
row = found.array[-1].sum()
used = time.perf_counter() - start
total = float(sum(found.array[i:i + 65536].sum(dtype="f4") for i in range(0, len(found), 65536)))
touched = time.perf_counter() - start
print(json.dumps([opened, used, touched, type(found.array).__name__, found.array.shape, last]))
"""


def main() -> None:
    """Make the workspace, open it in fresh processes, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="make the workspace here and leave it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.keep or Path(folder) / "million.boda"
        made = make(path, given.images, given.width)
        opened = [open_once(path) for _ in range(given.times)]
        seconds, used, touched = (statistics.median(column) for column in zip(*(o[:3] for o in opened), strict=True))
        print(json.dumps(made | {
            "open_s": round(seconds, 4),
            "open_worst_s": round(max(o[0] for o in opened), 4),
            "open_and_first_row_s": round(used, 4),
            "open_and_touch_all_s": round(touched, 3),
            "array": opened[0][3],
            "shape": opened[0][4],
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        }, indent=2))  # fmt: skip


def make(path: Path, images: int, width: int) -> dict[str, float]:
    """List, commit in blocks, merge; how long each took, and the memory that was needed."""
    workspace = create_workspace(path)
    with workspace.write() as writer:
        listing = timed(lambda: writer.list(refs(images), lambda: None, now_ns=2 * OLD_NS))
        writer.add_recipe(RECIPE, width)
        committing = timed(lambda: commit_all(writer, width))
        merging = timed(lambda: writer.merge(RECIPE.id))
    return {
        "list_s": round(listing, 1),
        "commit_s": round(committing, 1),
        "merge_s": round(merging, 1),
        "catalogue_mb": round((path / "boda.db").stat().st_size / 1e6),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def timed(work: object) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def refs(images: int) -> Iterator[ImageRef]:
    """Images in a hundred folders."""
    for number in range(images):
        key = f"class_{number * 100 // images:02}/image_{number:07}.jpg"
        yield ImageRef(key, key.encode(), "", 54_321, OLD_NS + number)


def commit_all(writer: Writer, width: int) -> None:
    """One block after the other, as a run does."""
    rng = np.random.default_rng(0)
    for page in writer.compute_pages([RECIPE.id], BLOCK):
        contents = [hashlib.sha256(todo.ref.path).digest() for todo in page]
        reads = [
            Read(todo.ref.key, content, todo.ref.size, todo.ref.mtime_ns, 500, 375, 1, "JPEG")
            for todo, content in zip(page, contents, strict=True)
        ]
        rows = rng.standard_normal((len(page), width), np.float32).astype(np.float16)
        writer.commit(Block(reads=reads, features={RECIPE.id: (contents, rows)}))


def open_once(path: Path) -> list[object]:
    """Open the features in a fresh process: NumPy is imported before the clock starts."""
    done = subprocess.run([sys.executable, "-c", OPEN, str(path)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
