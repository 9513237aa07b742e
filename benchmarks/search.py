"""Exact search beside other exact searches, and the index beside exact search: seconds, answers and recall.

    python benchmarks/search.py [--rows 100000 1000000] [--width 512] [--times 5] [--types float32 float16] [--index]

Rows are drawn around 200 centres in 32 directions, with noise in all: as features of networks, they have far fewer
directions than numbers. Each contestant answers the same 1 query and the same 100 queries for 20 neighbours, `times`
times; the median is reported, with what it needs before the first query. Answers are compared with float64.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, noise_probe

from boda.cores import cores
from boda.neighbours.exact import nearest

K = 20
QUERIES = 100
Rows = np.ndarray
Ask = Callable[[Rows], Rows]


def main() -> None:
    """Print one JSON object; on the error stream each run as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--types", nargs="+", default=["float32", "float16"], choices=["float32", "float16"])
    parser.add_argument("--index", action="store_true", help="build usearch's index too, which takes minutes")
    given = parser.parse_args()
    before = noise_probe()
    found = []
    for rows in given.rows:
        for kind in given.types:
            found.append(measured(rows, given.width, kind, given.times, index=given.index))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    print(json.dumps(facts() | {"probes": [before, noise_probe()], "cores": cores(), "runs": found}, indent=2))


def measured(rows: int, width: int, kind: str, times: int, *, index: bool) -> dict[str, Any]:
    """Every contestant on the same rows and queries."""
    rng = np.random.default_rng(0)
    features, queries = drawn(rows, width, rng), drawn(QUERIES, width, rng)
    features = features.astype(kind)
    truth = nearest(features, queries, K)
    answers = {}
    for name, contestant in CONTESTANTS.items():
        began = time.perf_counter()
        try:
            ask = contestant(features)
        except ImportError as error:
            answers[name] = {"not_here": str(error)}
            continue
        prepared = time.perf_counter() - began
        one, many = median_of(partial(ask, queries[:1]), times), median_of(partial(ask, queries), times)
        same = float(np.mean([np.isin(a, b).mean() for a, b in zip(truth.rows, ask(queries), strict=True)]))
        answers[name] = {"prepare_s": prepared, "one_s": one, "hundred_s": many, "agrees": same}
    record = {"rows": rows, "width": width, "type": kind, "contestants": answers}
    return record | ({"index": indexed(features, queries, times)} if index else {})


def drawn(rows: int, width: int, rng: np.random.Generator) -> Rows:
    """(n, d) float32 around the same centres, in blocks, since a million rows in float64 are 4 GB."""
    fixed = np.random.default_rng(1)
    centres = fixed.normal(size=(200, 32)).astype(np.float32)
    directions = fixed.normal(size=(32, width)).astype(np.float32)
    features = np.empty((rows, width), np.float32)
    for start in range(0, rows, 65_536):
        block = features[start : start + 65_536]
        inside = centres[rng.integers(200, size=len(block))] + 0.7 * rng.standard_normal((len(block), 32), np.float32)
        block[:] = inside @ directions + rng.standard_normal(block.shape, np.float32)
    return features


def median_of(work: Callable[[], object], times: int) -> float:
    """Seconds; once before for free."""
    work()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def ours(features: Rows) -> Ask:
    """boda's: float32 proposes, float64 decides."""
    return lambda queries: nearest(features, queries, K).rows


def textbook(features: Rows) -> Ask:
    """All cosines, all sorted, as notebooks do."""

    def ask(queries: Rows) -> Rows:
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        found = [np.argsort(-(unit @ (query / np.linalg.norm(query))))[:K] for query in queries]
        return np.stack(found)

    return ask


def scikit_learn(features: Rows) -> Ask:
    """NearestNeighbors, brute force."""
    from sklearn.neighbors import NearestNeighbors

    fitted = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute").fit(features)
    return lambda queries: fitted.kneighbors(queries, return_distance=False)


def faiss_flat(features: Rows) -> Ask:
    """IndexFlatIP over a float32 copy at unit length."""
    import faiss

    unit = np.ascontiguousarray(features, np.float32)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    return lambda queries: index.search(queries / np.linalg.norm(queries, axis=1, keepdims=True), K)[1]


CONTESTANTS: dict[str, Callable[[Rows], Ask]] = {
    "boda": ours,
    "numpy": textbook,
    "scikit-learn": scikit_learn,
    "faiss IndexFlatIP": faiss_flat,
}


def indexed(features: Rows, queries: Rows, times: int) -> dict[str, Any]:
    """The index of `boda search --approximate`: building, file, one query with the exact end, and recall."""
    from boda.retrieval.index import build, recall, view

    began = time.perf_counter()
    graph = build(features, rng=np.random.default_rng(0), threads=cores())
    built = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph"
        file.write_bytes(graph.data())
        began = time.perf_counter()
        mapped = view(file, features.shape[1])
        opened = time.perf_counter() - began

        def ask(query: Rows) -> Rows:
            proposed = mapped.candidates(query, K)
            return proposed[nearest(features[proposed], query[None], K).rows[0]]

        one = median_of(lambda: ask(queries[0]), times)
        exact = nearest(features, queries, K).rows
        outside = float(
            np.mean([np.isin(truth, ask(query)).mean() for truth, query in zip(exact, queries, strict=True)])
        )
        share = recall(mapped, features, rng=np.random.default_rng(1))
        size = file.stat().st_size
    return {
        "build_s": built, "bytes": size, "open_s": opened, "one_s": one,
        "recall_of_rows": {"value": share.value, "low": share.low, "high": share.high},
        "recall_of_other_queries": outside,
    }  # fmt: skip


if __name__ == "__main__":
    main()
