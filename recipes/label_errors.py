"""CIFAR-10 test images: how many of the labels that are doubted first are wrong.

Score   see label_errors.md
Data    10,000 images of 32 x 32 pixels (Krizhevsky 2009). 275 labels that an earlier study doubted were shown to five
        people each, who upheld 221 and not the other 54 (Northcutt, Athalye and Mueller, "Pervasive label errors in
        test sets", NeurIPS 2021)
Run     python recipes/label_errors.py DATA --to work/

Features come from networks that learned from the other 50,000 images of CIFAR-10; heads are cross-fitted on the 10,000,
so nobody judges an image that it has seen. The 54 are only looked at to count. Everything was fixed before: each
network alone, and the mean of all. cleanlab is given the same probabilities, where it is installed.
"""

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import boda
from boda.errors import BodaError
from boda.evaluation.proportion import share_of
from boda.health.label_errors import label_errors
from boda.pipelines.health.mislabelled import HeldOut, held_out
from boda.workspace.workspace import Workspace
from runs.receipt import footer, table, write

LABEL = "class"
NETWORKS = {
    "resnet20": "resnet20-12fca82f.th",
    "resnet32": "resnet32-d509ac18.th",
    "resnet44": "resnet44-014dd654.th",
    "resnet56": "resnet56-4bfd9763.th",
}
"""Weights in the folder of data; trained on the training images of CIFAR-10."""
ALL = "mean of all"
DEPTHS = (54, 275)

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def confirmed(votes: Path) -> set[int]:
    """The images whose given label has no majority of the five."""
    with votes.open(newline="") as file:
        return {int(row["index"]) for row in csv.DictReader(file) if int(row["votes_given"]) < 3}


def order_of(wrong: npt.NDArray[np.bool_], score: Floats) -> Rows:
    """All images, the most doubtful first: those that are doubted by score, then the others."""
    return np.lexsort((score, ~wrong)).astype(np.int64)


def ours(labels: Rows, probabilities: Floats) -> tuple[Rows, int]:
    """The order of `boda inspect`, and how many it doubts."""
    found = label_errors(labels, probabilities)
    return order_of(found.wrong, found.margin), int(found.wrong.sum())


def of_cleanlab(labels: Rows, probabilities: Floats) -> tuple[Rows, int]:
    """The same from cleanlab's own functions."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    wrong = np.asarray(find_label_issues(labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1), bool)
    score = np.asarray(get_label_quality_scores(labels, probabilities, method="normalized_margin"), np.float64)
    return order_of(wrong, score), int(wrong.sum())


def run(data: Path, to: Path, *, networks: Sequence[str] = tuple(NETWORKS), seed: int = 0) -> str:
    """Embed, cross-fit heads, rank the labels, and count the confirmed errors among the first.

    Args:
        data: the folder of data; `cifar10_test` and `weights` are used.
        to: where workspace and receipt go.
        networks: of `NETWORKS`.
        seed: of the folds.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    encoders = [boda.load_encoder(f"resnet:{name}", weights=data / "weights" / NETWORKS[name]) for name in networks]
    workspace = boda.embed(data / "cifar10_test" / "test.parquet", encoders=encoders, to=to / "cifar.boda")
    said = {
        name: held_out(workspace, LABEL, [one.recipe], seed=seed) for name, one in zip(networks, encoders, strict=True)
    }
    first = next(iter(said.values()))
    probabilities = {name: one.probabilities for name, one in said.items()}
    probabilities |= {ALL: np.mean(list(probabilities.values()), axis=0)}
    wrong = is_wrong(workspace, first, data / "cifar10_test" / "label_errors_mturk.csv")
    lines = precision_table(first.labels, probabilities, wrong)
    return "\n".join((lines, footer(time.perf_counter() - began, [seed])))


def is_wrong(workspace: Workspace, found: HeldOut, votes: Path) -> npt.NDArray[np.bool_]:
    """(n,) whether the label of each image was not upheld; its number is that of its row in the source."""
    names = confirmed(votes)
    numbers = dict(zip(workspace.keys(), range(len(workspace)), strict=True))
    return np.array([numbers[key] in names for key in found.material.assembled.keys], bool)


def precision_table(labels: Rows, probabilities: Mapping[str, Floats], wrong: npt.NDArray[np.bool_]) -> str:
    """One line a network and method: how right its heads are, how many labels are doubted, and how many were wrong."""
    methods = {"boda": ours} | ({"cleanlab": of_cleanlab} if _has_cleanlab() else {})
    rows = [["any order", "", "", "", *(f"{wrong.mean() * depth:.1f}: {wrong.mean():.4f}" for depth in DEPTHS)]]
    for name, one in probabilities.items():
        right = f"{np.mean(one.argmax(axis=1) == labels):.4f}"
        for method, rank in methods.items():
            order, doubted = rank(labels, one)
            among = f"{wrong[order[:doubted]].sum()} of {doubted}"
            rows.append([name, right, method, among, *(_precision(wrong[order[:depth]]) for depth in DEPTHS)])
    header = ["heads on", "accuracy", "by", "wrong among the doubted", *(f"wrong among the first {n}" for n in DEPTHS)]
    return table(header, rows)


def _precision(hits: npt.NDArray[np.bool_]) -> str:
    share = share_of(hits)
    return f"{hits.sum()}: {share.value:.3f} ({share.low:.3f} to {share.high:.3f})"


def _has_cleanlab() -> bool:
    from importlib.util import find_spec

    return find_spec("cleanlab") is not None


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: cifar10_test/ and weights/")
    parser.add_argument("--to", type=Path, default=Path("labels"), metavar="FOLDER", help="of workspace and receipt")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.to)
    except BodaError as error:
        raise SystemExit(f"label_errors: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
