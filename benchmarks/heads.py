"""How fast heads are learned from cached features, against what people write instead.

    python benchmarks/heads.py --out heads.json
    python benchmarks/heads.py --rows 20000 --rounds 1

Regression of (rows, width) float32 on one number: `published` is the usual notebook, a `torch.nn.Linear(width, 1)`
trained by Adam (rate 1e-4), mean squared error, batches of 32 in file order, 5 epochs, the batches being slices of one
tensor in memory (a DataLoader would only be slower). `ours` is everything that `boda train` learns: 46 penalties, each
tested on 5 folds with the penalty chosen inside, and the final model of all rows. Both start from the same array; ours
counts from before standardising. Round after round each works once, in an order that moves on by one.

`refit` adds 10 labelled rows to a fitted ridge; `predict` says all rows. Both are ours alone.

Data are generated: a decaying spectrum, as features of networks have, and a target of which half the variance can be
predicted. Classification is measured by `logistic.py`.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from machine import facts

from boda.heads.crossfit import cross_fit, outputs_of
from boda.heads.design import Design
from boda.heads.inputs import FeatureInput, Inputs
from boda.heads.moments import Moments
from boda.heads.penalties import Choice
from boda.heads.ridge import Ridge
from boda.heads.ridge_model import solve
from boda.heads.target import Target


def made(rows: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) float32 and a target (n,) float64."""
    rng = np.random.default_rng(seed)
    spread = np.arange(1, width + 1) ** -0.5
    features = rng.standard_normal((rows, width), dtype=np.float32) * spread.astype(np.float32)
    turn, _ = np.linalg.qr(rng.normal(size=(width, width)))
    features = features @ turn.astype(np.float32)
    signal = features @ rng.normal(size=width).astype(np.float32)
    return features, 5.4 + 0.5 * (signal / signal.std() + rng.normal(size=rows))


def published(features: np.ndarray, target: np.ndarray, epochs: int = 5) -> np.ndarray:
    """The notebook's training; returns what it says of all rows, (n,)."""
    import torch

    torch.manual_seed(0)
    x, y = torch.from_numpy(features), torch.from_numpy(target.astype(np.float32))[:, None]
    model = torch.nn.Linear(features.shape[1], 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    for _ in range(epochs):
        for start in range(0, len(x), 32):
            optimiser.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x[start : start + 32]), y[start : start + 32])
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        return model(x)[:, 0].numpy()


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Of ranks."""
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def regression(rows: int, width: int, rounds: int, seed: int) -> dict[str, object]:
    """Seconds of each contestant in each round, and how well both rank rows that were held out."""
    features, target = made(rows, width, seed)
    held_out = np.arange(rows) % 10 == 0
    folds = np.random.default_rng(seed).permutation(np.arange(rows) % 5)
    inputs, wanted = Inputs((FeatureInput("f", "", features),)), Target("number", "y", target)
    groups = np.arange(rows)
    seconds: dict[str, list[float]] = {"published": [], "ours": []}
    found: dict[str, float] = {}

    def run_published() -> None:
        published(features, target)

    def run_ours() -> None:
        _, fit = cross_fit(inputs, wanted, Ridge(), folds, groups=groups, rng=np.random.default_rng(seed))
        found["ours, out of fold"] = spearman(fit.out_of_fold[:, 0], target)

    contestants = {"published": run_published, "ours": run_ours}
    for number in range(rounds):
        names = list(contestants)
        for name in names[number % 2 :] + names[: number % 2]:
            began = time.perf_counter()
            contestants[name]()
            seconds[name].append(time.perf_counter() - began)
    trained = published(features[~held_out], target[~held_out])
    assert len(trained) == int((~held_out).sum())
    found["published, last tenth of each ten"] = _published_held_out(features, target, held_out)
    ratio = statistics.median(a / b for a, b in zip(seconds["published"], seconds["ours"], strict=True))
    return {
        "rows": rows,
        "width": width,
        "seconds": seconds,
        "times published": ratio,
        "times published on the same folds": 6 * ratio,
        "spearman": found,
        **_afterwards(features, target),
    }


def _published_held_out(features: np.ndarray, target: np.ndarray, held_out: np.ndarray) -> float:
    import torch

    torch.manual_seed(0)
    x = torch.from_numpy(features[~held_out])
    y = torch.from_numpy(target[~held_out].astype(np.float32))[:, None]
    model = torch.nn.Linear(features.shape[1], 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    for _ in range(5):
        for start in range(0, len(x), 32):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(model(x[start : start + 32]), y[start : start + 32]).backward()
            optimiser.step()
    with torch.no_grad():
        return spearman(model(torch.from_numpy(features[held_out]))[:, 0].numpy(), target[held_out])


def _afterwards(features: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Seconds of a refit with 10 more labels among up to 100,000 rows, and of predicting all of these."""
    rows = min(100_000, len(features) - 10)
    old = Moments.of(Design.of(features[:rows]), target[:rows])
    choice = Choice(1.0)
    refits, predictions = [], []
    for _ in range(5):
        began = time.perf_counter()
        more = Moments.of(Design.of(features[rows : rows + 10]), target[rows : rows + 10], old.origin)
        model = solve(old + more, choice)
        refits.append(time.perf_counter() - began)
        began = time.perf_counter()
        outputs_of(model, Design.of(features[:rows]))
        predictions.append(time.perf_counter() - began)
    return {"refit seconds": statistics.median(refits), "predict seconds": statistics.median(predictions)}


def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=230_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file with every round")
    asked = parser.parse_args()
    found = regression(asked.rows, asked.width, asked.rounds, asked.seed)
    found |= facts() | {"seed": asked.seed}
    print(json.dumps(found, indent=1))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
