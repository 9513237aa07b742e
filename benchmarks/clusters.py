"""k-means against scikit-learn's and faiss's: seconds at how good an inertia, and memory.

    python benchmarks/clusters.py --data DATA [--k 2,10,100] [--seeds 5] [--rows N] [--out FILE]

Data are the 60,000 training images of Fashion-MNIST through their first 512 principal components, float32, computed
once and kept in `--where`; or generated rows of such scales, where `--data` names no folder.

- ours: `kmeans(rows, k, restarts=10)`.
- scikit-learn: `KMeans(k, n_init=10)`, k-means++ and Lloyd, as it comes.
- faiss (where installed): `Kmeans(nredo=10)`, 25 iterations as it comes, `max_points_per_centroid` lifted so that it
  sees all rows.

Each takes part with every seed, in turns that move on by one, each time in a fresh process with `--threads` threads.
What is timed begins with the rows in memory and ends with centres and labels, initialisation included; libraries are
loaded and threads started before, on 1,000 rows. Inertia is computed from everybody's centres in the same way: all
rows, exact, summed in float64. Memory is the data and what the work needs beside it, at its peak, as a multiple of
the data.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, noise_probe

from boda.cores import cores

TIMES = {"scikit-learn": {2: 8.0, 10: 6.0, 100: 8.0}, "faiss": {2: 2.0, 10: 2.0, 100: 2.0}}
"""How many times faster ours should be, by k."""
INERTIA = {2: 1.001, 10: 1.001, 100: 1.003}
"""Our median inertia should be at most so many times the best of scikit-learn's."""
MEMORY = 1.5
"""Data and work together should take less than so many times the data."""
RESTARTS = 10
_LIBRARIES = {"scikit-learn": "sklearn", "faiss": "faiss"}


def ours(rows: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Centres, (k, d)."""
    from boda.clusters.kmeans import kmeans

    found = kmeans(rows, k, restarts=RESTARTS, rng=np.random.default_rng(seed))
    assert found.centres is not None
    return found.centres


def scikit_learn(rows: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Centres, (k, d)."""
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=RESTARTS, random_state=seed).fit(rows).cluster_centers_


def faiss(rows: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Centres, (k, d); labels too, as the others find them."""
    import faiss as library

    library.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    found = library.Kmeans(
        rows.shape[1], k, nredo=RESTARTS, seed=seed + 1, min_points_per_centroid=1, max_points_per_centroid=10**9
    )
    found.train(rows)
    found.index.search(rows, 1)
    return found.centroids


CONTESTANTS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "ours": ours,
    "scikit-learn": scikit_learn,
    "faiss": faiss,
}


def work(job: dict[str, Any]) -> dict[str, float]:
    """One contestant, one k, one seed; in a process of its own."""
    from boda.clusters.kmeans import nearest_centres

    rows, contestant = np.load(job["rows"]), CONTESTANTS[job["who"]]
    contestant(rows[:1000], 2, 0)
    nearest_centres(rows[:1000], rows[:2])
    resting = memory(reset=True)
    began, used = time.perf_counter(), time.process_time()
    centres = contestant(rows, job["k"], job["seed"])
    seconds, used = time.perf_counter() - began, time.process_time() - used
    peak = memory(reset=False)
    _, squared = nearest_centres(rows, centres)
    times = (rows.nbytes + peak - resting) / rows.nbytes
    return {"seconds": seconds, "processor_seconds": used, "inertia": float(squared.sum()), "memory": times}


def memory(*, reset: bool) -> int:
    """Linux: the peak of this process's memory so far in bytes; `reset` first sets it back to what is in use now.

    Elsewhere the peak since its start, which is the higher of loading and working.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def in_fresh_process(job: dict[str, Any]) -> dict[str, float]:
    """`work`, by another interpreter with so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    threads = dict.fromkeys(names, str(job["threads"]))
    words = [sys.executable, __file__, "--job", json.dumps(job)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | threads)
    if done.returncode:
        raise RuntimeError(f"{job} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def prepared(asked: argparse.Namespace) -> Path:
    """The rows as a file, made where it is not there yet."""
    from logistic import fashion, generated

    kind = "fashion" if asked.data else "generated"
    place = asked.where / f"{kind}-{asked.rows}x{asked.width}.npy"
    if not place.exists():
        asked.where.mkdir(parents=True, exist_ok=True)
        asked.seed = 0
        rows, _, _ = fashion(asked.data, asked) if asked.data else generated(asked)
        half = place.with_suffix(".part")
        with half.open("wb") as file:
            np.save(file, rows)
        half.replace(place)
    return place


def compete(asked: argparse.Namespace, rows: Path, run: Callable[[dict[str, Any]], dict[str, float]]) -> dict[str, Any]:
    """Every contestant with every k and seed, in turns."""
    installed = [who for who in CONTESTANTS if who == "ours" or importlib.util.find_spec(_LIBRARIES[who])]
    entered = [who for who in installed if who in asked.contestants]
    results: dict[str, Any] = {str(k): {who: [] for who in entered} for k in asked.k}
    probes = [noise_probe()]
    for k in asked.k:
        for seed in range(asked.seeds):
            turn = seed % len(entered)
            for who in entered[turn:] + entered[:turn]:
                job = {"who": who, "k": k, "seed": seed, "rows": str(rows), "threads": asked.threads}
                found = run(job)
                results[str(k)][who].append(found)
                told = ", ".join(f"{name} {value:.6g}" for name, value in found.items())
                print(f"k = {k}, seed {seed}, {who}: {told}", file=sys.stderr, flush=True)
            probes.append(noise_probe())
    return {"results": results, "noise": probes}


def table(results: dict[str, dict[str, list[dict[str, float]]]]) -> list[str]:
    """Medians over the seeds; in brackets the fastest and the slowest."""
    titles = ["k", "contestant", "seconds", "ours is times faster", "inertia / scikit-learn's best", "memory / data"]
    lines = [titles, ["---"] * len(titles)]
    for k, by_who in results.items():
        best = min(one["inertia"] for one in by_who.get("scikit-learn", by_who["ours"]))
        fast = statistics.median(one["seconds"] for one in by_who["ours"])
        for who, found in by_who.items():
            seconds, inertia = [one["seconds"] for one in found], [one["inertia"] / best for one in found]
            memories = max(one["memory"] for one in found)
            times, good, small = statistics.median(seconds) / fast, statistics.median(inertia), f"{memories:.2f}"
            shown = f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
            ratio, quality = (
                "1" if who == "ours" else f"{times:.1f}",
                f"{good:.5f} ({min(inertia):.5f}-{max(inertia):.5f})",
            )
            if who == "ours":
                quality += judged(good, most=INERTIA.get(int(k)) if "scikit-learn" in by_who else None)
                small += judged(memories, most=MEMORY)
            else:
                ratio += judged(times, least=TIMES[who].get(int(k)))
            lines.append([k, who, shown, ratio, quality, small])
    return [f"| {' | '.join(line)} |" for line in lines]


def judged(value: float, *, least: float | None = None, most: float | None = None) -> str:
    """Whether a target was met, in words; nothing where there is none."""
    if least is None and most is None:
        return ""
    met = (least is None or value >= least) and (most is None or value <= most)
    return f", {'met' if met else 'missed'} ({f'>= {least:g}' if least is not None else f'<= {most:g}'})"


def options(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with fashion_mnist/; without it rows are generated")
    parser.add_argument("--k", type=lambda text: [int(one) for one in text.split(",")], default=[2, 10, 100])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--contestants", type=lambda text: text.split(","), default=list(CONTESTANTS))
    parser.add_argument("--where", type=Path, default=Path(tempfile.gettempdir()) / "boda-benchmark-clusters")
    parser.add_argument("--out", type=Path, help="JSON file with every figure")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main(
    words: Sequence[str] | None = None, *, run: Callable[[dict[str, Any]], dict[str, float]] = in_fresh_process
) -> None:
    """Measure, print the table, write the JSON."""
    asked = options(words)
    if asked.job:
        print(json.dumps(work(json.loads(asked.job))))
        return
    packages = {one: importlib.metadata.version(one) for one in ("scikit-learn", "scipy")}
    if importlib.util.find_spec("faiss"):
        packages["faiss"] = getattr(importlib.import_module("faiss"), "__version__", "")
    command = ["benchmarks/clusters.py", *(sys.argv[1:] if words is None else words)]
    about = facts() | {"command": command, "packages": packages, "threads": asked.threads, "load": os.getloadavg()}
    what = f"{asked.rows} x {asked.width}, {'Fashion-MNIST' if asked.data else 'generated'}"
    print(f"{about['date']}, {about['machine']['cpu']}, {asked.threads} threads, {what}, {packages}\n")
    report = about | compete(asked, prepared(asked), run)
    print("\n".join(table(report["results"])))
    seconds = [one["seconds"] for one in report["noise"]]
    apart = (max(seconds) - min(seconds)) / statistics.median(seconds)
    load = max(one["load"] for one in report["noise"])
    print(f"\nnoise: {len(seconds)} probes, from slowest to fastest {apart:.1%} of the median; load at most {load:.1f}")
    if asked.out is not None:
        asked.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
