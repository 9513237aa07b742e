"""How fast one t-SNE map is made, against scikit-learn's TSNE, and how faithful both are.

    OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 python benchmarks/maps.py --data FOLDER --out maps.json
    python benchmarks/maps.py --rows 5000 --threads 1 --rounds 1

Data are training images of Fashion-MNIST, pixels / 255, through their first `--width` principal components; or, where
`--data` names no folder, normal rows around fifty centres. `ours` is all that `boda map` does for the points of a map
(principal components, exact neighbours, start, descent), `sklearn` is `TSNE(n_jobs=threads)` with its defaults, whose
perplexity is 30 as well. Contestants take turns, round after round, in an order that moves on by one.

Trustworthiness, continuity and the share of neighbours kept are of the same drawn rows for both, each with its exact
ranks among all rows and all columns; k is 5, as in scikit-learn's `trustworthiness`, and 15, as in `boda map`. Target:
at most 1 / 2.5 of the time at equal or better trustworthiness; 1 / 5 is tried for.
"""

import argparse
import gzip
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, noise_probe

from boda.cores import cores
from boda.maps.faithful import faithful, rows_looked_at
from boda.maps.mapping import map_rows, settings_for

TARGET, TRIED = 2.5, 5.0


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with fashion_mnist/; without it rows are generated")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--looked-at", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="all figures as JSON")
    given = parser.parse_args(words)
    x, source = fashion(given.data, given) if given.data else generated(given)
    report = measure(x, given) | {
        "data": source,
        "rows": len(x),
        "threads": given.threads,
        "seed": given.seed,
        **facts(),
    }
    print_table(report)
    if given.out:
        given.out.write_text(json.dumps(report, indent=1))


def measure(x: np.ndarray, given: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each contestant in each round, and how faithful its maps are."""
    contestants: dict[str, Callable[[int], np.ndarray]] = {
        "ours": lambda seed: ours(x, seed, given.threads),
        "sklearn": lambda seed: theirs(x, seed, given.threads),
    }
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    maps: dict[str, list[np.ndarray]] = {name: [] for name in names}
    probes = []
    for turn in range(given.rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            probes.append(noise_probe())
            began = time.perf_counter()
            maps[name].append(contestants[name](given.seed + turn))
            seconds[name].append(time.perf_counter() - began)
            print(f"{name}: {seconds[name][-1]:.1f} s, load {probes[-1]['load']:.1f}", flush=True)
    rows = rows_looked_at(len(x), np.random.default_rng(given.seed), most=given.looked_at)
    worth = {name: [worths(x, maps[name], rows, k) for k in (5, 15)] for name in names}
    return {"seconds": seconds, "worth": worth, "noise": probes, "looked_at": len(rows)}


def ours(x: np.ndarray, seed: int, threads: int) -> np.ndarray:
    return map_rows(x, settings_for(len(x), "tsne", seed=seed), threads=threads).places


def theirs(x: np.ndarray, seed: int, threads: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    places: np.ndarray = TSNE(random_state=seed, n_jobs=threads).fit_transform(x)
    return places


def worths(x: np.ndarray, maps: list[np.ndarray], rows: np.ndarray, k: int) -> dict[str, Any]:
    """The mean of each measure over rows, one number a map."""
    found = faithful(x, maps, rows, k=k)
    names = ("trustworthiness", "continuity", "kept")
    return {"k": k} | {name: [float(getattr(one, name).mean()) for one in found] for name in names}


def fashion(folder: Path, given: argparse.Namespace) -> tuple[np.ndarray, str]:
    """Principal components of the first training images, (n, d) float32."""
    raw = gzip.decompress((folder / "fashion_mnist" / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    images = np.frombuffer(raw, np.uint8).reshape(-1, 784)[: given.rows].astype(np.float32) / 255
    images -= images.mean(axis=0)
    _, vectors = np.linalg.eigh((images.T @ images).astype(np.float64))
    x = np.ascontiguousarray(images @ vectors[:, ::-1][:, : given.width].astype(np.float32))
    return x, f"Fashion-MNIST, {x.shape} components"


def generated(given: argparse.Namespace) -> tuple[np.ndarray, str]:
    """Rows around fifty centres, of columns whose variances fall."""
    rng = np.random.default_rng(given.seed)
    scales = np.arange(1, given.width + 1) ** -0.5
    centres = 2 * rng.normal(size=(50, given.width)) * scales
    x = centres[rng.integers(50, size=given.rows)] + rng.normal(size=(given.rows, given.width)) * scales
    return x.astype(np.float32), f"generated, {x.shape}"


def print_table(report: dict[str, Any]) -> None:
    """One row a contestant, then the verdict."""
    seconds, worth = report["seconds"], report["worth"]
    print("| contestant | seconds (all rounds) | k | trustworthiness | continuity | kept |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, times in seconds.items():
        listed = f"{statistics.median(times):.1f} ({', '.join(f'{one:.1f}' for one in times)})"
        for told in worth[name]:
            means = [f"{np.mean(told[one]):.4f}" for one in ("trustworthiness", "continuity", "kept")]
            print("| " + " | ".join([name, listed, str(told["k"]), *means]) + " |")
    ratio = statistics.median(b / a for a, b in zip(seconds["ours"], seconds["sklearn"], strict=True))
    behind = [
        float(np.mean(theirs["trustworthiness"]) - np.mean(ours["trustworthiness"]))
        for ours, theirs in zip(worth["ours"], worth["sklearn"], strict=True)
    ]
    met = "met" if ratio >= TARGET and max(behind) <= 0 else "missed"
    print(
        f"sklearn / ours, median of rounds: {ratio:.2f} ({met}: at least {TARGET}; {TRIED} is tried for); "
        f"trustworthiness of ours is higher by {', '.join(f'{-one:.4f}' for one in behind)} at k = 5, 15"
    )


if __name__ == "__main__":
    main()
