"""CIFAR-10 test images: what fifty people would call each, from image features.

Score   see cifar_votes.md
Data    10,000 images of 32 x 32 pixels (Krizhevsky 2009), each called something by 47 to 63 people (Peterson et al.,
        "Human uncertainty makes classification more robust", ICCV 2019)
Run     python recipes/cifar_votes.py DATA --to work/

The ten counts are ratings without an order: a cat is not between a bird and a deer. So the whole distribution is
learned by its likelihood, which knows of no order, and judged by figures that know of none. The mean rating, its
correlation and the earth mover's distance, which `boda train` prints for ratings, mean nothing here.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import boda
from boda.errors import BodaError
from boda.evaluation import bootstrap
from boda.evaluation.weighted import Statistic, mean_of, spearman_of
from boda.workspace.workspace import Workspace
from runs.feature_sets import embedded
from runs.receipt import footer, table, write

VOTES, LABEL = "human_counts", "class"
SETS = ("auto", "mobilenet")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""In the order of the counts."""
LEAST = 1e-9
"""Share whose logarithm is taken for that of anything smaller."""

Floats = npt.NDArray[np.float64]


def figures(counts: Floats, shares: Floats) -> dict[str, Statistic]:
    """What a predicted distribution is worth, without an order of classes; each a function of how rows count.

    - `cross entropy`: minus the mean log probability of one judgement, in nats; no prediction of these counts can have
      less than the entropy of the counts themselves;
    - `distance`: half the summed absolute differences of shares (total variation), 0 to 1;
    - `majority`: how often the likeliest class is the one that most people chose;
    - `doubt`: Spearman of predicted and human entropy: does it know which images people disagree on?

    Args:
        counts: (n, 10) people.
        shares: (n, 10) predicted, each row adds up to 1.
    """
    people = counts / counts.sum(axis=1, keepdims=True)
    return {
        "cross entropy": mean_of(-(people * _log(shares)).sum(axis=1)),
        "distance": mean_of(np.abs(people - shares).sum(axis=1) / 2),
        "majority": mean_of((shares.argmax(axis=1) == people.argmax(axis=1)).astype(np.float64)),
        "doubt": spearman_of(entropy(shares), entropy(people)),
    }


def entropy(shares: Floats) -> Floats:
    """(n,) in nats."""
    found: Floats = -(shares * _log(shares)).sum(axis=1)
    return found


def run(data: Path, to: Path, *, sets: Sequence[str] = SETS, seed: int = 0) -> str:
    """Embed, then learn votes and labels from each feature set and from all, on the same folds.

    Args:
        data: the folder of data; `cifar10_test` and `weights` are used.
        to: where workspace and receipt go.
        sets: feature sets.
        seed: of the folds.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    workspace, ids = embedded(data / "cifar10_test" / "test.parquet", sets, data=data, to=to / "cifar.boda")
    inputs = {name: [ids[name]] for name in sets} | {" + ".join(sets): list(ids.values())}
    said: dict[str, Floats] = {}
    for name, one in inputs.items():
        head = boda.train(workspace, VOTES, target_kind="ratings", inputs=one, seed=seed, name=f"votes-{len(said)}")
        said[f"{name}, votes"] = head.answers(head.trained.out_of_fold).points
    counts, folds = people_of(workspace), head.trained.folds
    best = list(inputs)[-1]
    said[f"{best}, labels"] = labels_only(workspace, inputs[best], seed)
    trivial = np.stack([_all_together(counts[folds != fold]) for fold in range(folds.max() + 1)])[folds]
    everything = {"the same of every image": trivial, **said}
    boda.predict(workspace.path, head=head, to=to / "votes.csv", force=True)
    least = entropy(counts / counts.sum(axis=1, keepdims=True)).mean()
    return "\n".join(
        (
            figures_table(counts, everything, seed),
            gains_table(counts, said, seed),
            f"No prediction of these votes has a cross entropy below their own entropy, {least:.3f} nats.\n",
            footer(time.perf_counter() - began, [seed]),
        )
    )


def labels_only(workspace: Workspace, inputs: Sequence[str], seed: int) -> Floats:
    """(n, 10) calibrated probabilities of held-out images, learned from their labels, in the order of the counts."""
    head = boda.train(workspace, LABEL, inputs=inputs, seed=seed, name="labels")
    columns = [head.target.names.index(name) for name in CLASSES]
    return head.answers(head.trained.out_of_fold).points[:, columns]


def people_of(workspace: Workspace) -> Floats:
    """(n, 10) how many people chose each class."""
    return np.array(workspace.frame()[VOTES].to_pylist(), np.float64)


def figures_table(counts: Floats, said: dict[str, Floats], seed: int) -> str:
    """Each prediction with 90 % intervals over images."""
    rows = []
    for name, shares in said.items():
        found = bootstrap.intervals(figures(counts, shares), len(counts), rng=np.random.default_rng(seed))
        rows.append([name, *(f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in found.values())])
    return table([f"{len(counts):,} images, held out", *found], rows)


def gains_table(counts: Floats, said: dict[str, Floats], seed: int) -> str:
    """The best prediction, learned from votes, less each other on the same draws of images."""
    best = list(said)[-2]
    mine = figures(counts, said[best])
    rows = []
    for name, shares in said.items():
        if name == best:
            continue
        other = figures(counts, shares)
        gains = [
            bootstrap.paired_difference(mine[one], other[one], len(counts), rng=np.random.default_rng(seed))
            for one in mine
        ]
        rows.append([name, *(f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})" for one in gains)])
    return table([f"{best}, less", *mine], rows)


def _all_together(counts: Floats) -> Floats:
    total: Floats = counts.sum(axis=0) / counts.sum()
    return total


def _log(shares: Floats) -> Floats:
    found: Floats = np.log(np.maximum(shares, LEAST))
    return found


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: cifar10_test/ and weights/")
    parser.add_argument("--to", type=Path, default=Path("cifar"), metavar="FOLDER", help="of workspace and receipt")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.to)
    except BodaError as error:
        raise SystemExit(f"cifar_votes: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
