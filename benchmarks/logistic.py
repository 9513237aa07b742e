"""Logistic regression against scikit-learn's: one penalty at an equal objective, and a path of penalties on folds.

Data are the 60,000 training images of Fashion-MNIST, pixels / 255, through their first 512 principal components,
which are as unevenly scaled as features are; or generated rows of the same scales, where `--data` names no folder.

- fit: `fit_softmax` to a certified relative gap of 1e-6 against `LogisticRegression` (lbfgs), float32 and float64,
  until its own `--tol` or `--iterations` stops it. Where it is then more than 1e-6 above the bound, the ratio is a
  lower bound, marked ">".
- path: ten penalties on the same five stratified folds, log loss, then the best on all rows, against
  `LogisticRegressionCV`, which stops every fit after `--cv-iterations` (100, its default).

Contestants take turns, round after round. Run with as many threads as cores:

    OMP_NUM_THREADS=2 python benchmarks/logistic.py --data FOLDER [--rounds 3] [--cv-rounds 1]
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from boda.evaluation.folds import split
from boda.heads.design import Design
from boda.heads.links import Softmax
from boda.heads.newton import solve
from boda.heads.penalty_path import choose
from boda.heads.problems import Problems
from boda.heads.softmax import fit_softmax

GAP = 1e-6
CV_PENALTIES = tuple(float(one) for one in 10.0 ** np.arange(-0.5, 4.5, 0.5))


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with fashion_mnist/; without it rows are generated")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--penalty", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--cv-rounds", type=int, default=1)
    parser.add_argument("--cv-iterations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    command = "python benchmarks/logistic.py " + " ".join(sys.argv[1:] if words is None else words)
    x, y, source = fashion(given.data, given) if given.data else generated(given)
    report = {
        "command": command,
        "facts": facts() | {"scikit-learn": __import__("sklearn").__version__},
        "data": source,
        "seed": given.seed,
    }
    print(json.dumps(report, indent=2), flush=True)
    print_row("what", "contestant", "seconds (all rounds)", "ratio", "objective above the bound", "note")
    print_row(*["---"] * 6)
    measure_fits(x, y, given)
    if given.cv_rounds:
        measure_paths(x, y, given)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}")


def fashion(folder: Path, given: argparse.Namespace) -> tuple[Any, Any, str]:
    """Principal components of the training images, (n, d) float32, and their classes."""
    raw = gzip.decompress((folder / "fashion_mnist" / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / "fashion_mnist" / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    rows = slice(0, given.rows)
    images = np.frombuffer(raw, np.uint8).reshape(-1, 784)[rows].astype(np.float32) / 255
    images -= images.mean(axis=0)
    _, vectors = np.linalg.eigh((images.T @ images).astype(np.float64))
    x = np.ascontiguousarray(images @ vectors[:, ::-1][:, : given.width].astype(np.float32))
    return x, np.frombuffer(labels, np.uint8)[rows].astype(np.int64), f"Fashion-MNIST, {x.shape} components"


def generated(given: argparse.Namespace) -> tuple[Any, Any, str]:
    """Normal columns whose variances fall as 1 / j^1.3, and ten classes drawn from a softmax of them."""
    rng = np.random.default_rng(given.seed)
    scales = 5 * np.arange(1, given.width + 1) ** -0.65
    x = (rng.normal(size=(given.rows, given.width)) * scales).astype(np.float32)
    scores = x @ (rng.normal(size=(given.width, 10)) / scales[:, None] ** 0.5).astype(np.float32)
    return x, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1), f"generated, {x.shape}"


def measure_fits(x: Any, y: Any, given: argparse.Namespace) -> None:
    """One penalty."""
    shares, ones = np.eye(y.max() + 1)[y], np.ones(len(y))
    kinds = {"float32": x, "float64": x.astype(np.float64)}
    ours: list[float] = []
    theirs: dict[str, list[float]] = {kind: [] for kind in kinds}
    notes: dict[str, tuple[float, str]] = {}
    for _ in range(given.rounds):
        seconds, fitted = timed(
            "fit, ours", lambda: fit_softmax(Design.of(x), shares, ones, given.penalty, tolerance=GAP)
        )
        ours.append(seconds)
        bound = fitted.objective - fitted.gap
        for kind, rows in kinds.items():
            oracle = LogisticRegression(C=1 / given.penalty, tol=given.tol, max_iter=given.iterations)
            seconds, oracle = timed(
                f"fit, lbfgs {kind}", lambda oracle=oracle, rows=rows: quietly(lambda: oracle.fit(rows, y))
            )
            theirs[kind].append(seconds)
            above = objective(x, y, oracle, given.penalty) / bound - 1
            notes[kind] = above, f"{oracle.n_iter_[0]} iterations, {kind}"
    if not ours:
        return
    note = f"gap certified {fitted.gap / fitted.objective:.1e}, {fitted.passes} passes, float32 rows"
    print_row("fit", "ours", listed(ours), "1", f"{fitted.objective / bound - 1:.1e}", note)
    for kind, (above, note) in notes.items():
        ratio = statistics.median(theirs[kind]) / statistics.median(ours)
        sign = "" if above <= GAP else "> "
        print_row("fit", "lbfgs", listed(theirs[kind]), f"{sign}{ratio:.1f}", f"{above:.1e}", note)


def measure_paths(x: Any, y: Any, given: argparse.Namespace) -> None:
    """Ten penalties, five folds."""
    numbers = split(len(y), folds=5, strata=y, rng=np.random.default_rng(given.seed))
    ours, theirs = [], []
    for _ in range(given.cv_rounds):
        seconds, (penalty, loss, relative) = timed("path, ours", lambda: path(x, y, numbers))
        ours.append(seconds)
        oracle = LogisticRegressionCV(
            Cs=[1 / one for one in CV_PENALTIES],
            cv=[(np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold)) for fold in range(5)],
            scoring="neg_log_loss",
            max_iter=given.cv_iterations,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
        )
        seconds, oracle = timed("path, LogisticRegressionCV", lambda oracle=oracle: quietly(lambda: oracle.fit(x, y)))
        theirs.append(seconds)
    bound = objective(x, y, oracle, 1 / oracle.C_)
    print_row("path", "ours", listed(ours), "1", f"{relative:.1e}", f"penalty {penalty:.3g}, held-out loss {loss:.5f}")
    loss = -oracle.scores_.reshape(5, -1).mean(axis=0).max()
    ratio = statistics.median(theirs) / statistics.median(ours)
    what = f"penalty {1 / oracle.C_:.3g}, held-out loss {loss:.5f}, objective {bound:.2f}, float32"
    print_row("path", "LogisticRegressionCV", listed(theirs), f"{ratio:.1f}", "", what)


def path(x: Any, y: Any, numbers: Any) -> tuple[float, float, float]:
    """The chosen penalty, its held-out loss, and the certified relative gap of the fit to all rows."""
    shares, ones = np.ascontiguousarray(np.eye(y.max() + 1)[y].T), np.ones((1, len(y)))
    folds = (numbers != np.arange(5)[:, None]).astype(np.float32)
    choice = choose(Design.of(x), Softmax(), shares, ones, folds, CV_PENALTIES)
    every = Problems(Design.of(x), Softmax(), shares, np.ones((1, len(y)), np.float32), ones)
    found = solve(every, choice.penalties, start=choice.start, tolerance=GAP)
    return (
        float(choice.penalties[0]),
        min(row[0] for row in choice.held_out),
        float(found.gap[0, 0] / found.objective[0, 0]),
    )


def objective(x: Any, y: Any, oracle: Any, penalty: float) -> float:
    """Sum of log losses plus penalty / 2 |W|^2, in float64."""
    weights = oracle.coef_.astype(np.float64)
    scores = x.astype(np.float64) @ weights.T + oracle.intercept_
    scores -= scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(y)), y]
    return float(losses.sum() + penalty / 2 * (weights**2).sum())


def timed(name: str, work: Any) -> tuple[float, Any]:
    """Seconds, and what came of it; said at once, so that a long run can be followed."""
    began, used = time.perf_counter(), time.process_time()
    found = work()
    seconds, used = time.perf_counter() - began, time.process_time() - used
    load = os.getloadavg()[0]
    print(f"{name}: {seconds:.2f} s, {used:.2f} s of processors, load {load:.1f}", file=sys.stderr, flush=True)
    return seconds, found


def quietly(work: Any) -> Any:
    """Not converged is what is measured here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


def listed(seconds: list[float]) -> str:
    """The median, and every round."""
    return f"{statistics.median(seconds):.2f} ({', '.join(f'{one:.2f}' for one in seconds)})"


def print_row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
