"""OASIS: how pleasant and how arousing people find a photograph, and how much they disagree.

Score   see oasis_ratings.md
Data    606 photographs, each rated by about 100 people from 1 to 7 (Kurdi, Lozano and Banaji, "Introducing the Open
        Affective Standardized Image Set", Behavior Research Methods 49, 2017)
Run     python recipes/oasis_ratings.py DATA --to work/
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import boda
from boda.errors import BodaError
from boda.heads.head import Head
from runs.feature_sets import embedded
from runs.receipt import footer, table, trials_table, ways_table, write
from runs.trial import SEEDS, Trial, keep, trial, ways

TARGETS = ("Valence_mean", "Arousal_mean", "Valence_SD", "Arousal_SD")
FLOORS = {"Valence_mean": 0.48, "Arousal_mean": 0.49}
"""Spearman of a ridge on the features of `auto`, by group."""
GROUPS = "group"
"""Photographs of one theme ("Acorns 1", "Acorns 2") are nearly the same and stay on one side."""
SETS = ("auto", "expanded", "expanded gem", "mobilenet")
JOINED = (*SETS, "auto + mobilenet", "expanded + mobilenet", "expanded gem + mobilenet")


def run(
    data: Path,
    to: Path,
    *,
    targets: Sequence[str] = TARGETS,
    sets: Sequence[str] = SETS,
    joined: Sequence[str] = JOINED,
    seeds: Sequence[int] = SEEDS,
) -> str:
    """Embed, label, choose inside the folds, and keep a head of each target.

    Args:
        data: the folder of data; `oasis_ratings` and `weights` are used.
        to: where the workspace and the receipt go.
        targets: columns.
        sets: feature sets to embed.
        joined: those to try, alone and side by side; the first is the plain one.
        seeds: of the folds.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    workspace, ids = embedded(data / "oasis_ratings" / "images.tar", sets, data=data, to=to / "oasis.boda")
    boda.label(workspace, data / "oasis_ratings" / "ratings.csv")
    candidates = ways(ids, joined)
    trials: dict[str, Trial] = {}
    heads: dict[str, Head] = {}
    for target in targets:
        trials[target] = trial(workspace, target, candidates, groups=GROUPS, seeds=seeds)
        heads[target] = keep(workspace, trials[target], candidates, groups=GROUPS)
        boda.predict(workspace.path, head=heads[target], to=to / f"{target}.csv", force=True)
    return "\n".join(
        (
            trials_table(trials, FLOORS),
            ways_table(trials),
            heads_table(heads),
            footer(time.perf_counter() - began, seeds),
        )
    )


def heads_table(heads: dict[str, Head]) -> str:
    """Of the kept heads: folds that keep themes whole beside random ones, what raters allow, and their intervals."""
    rows = []
    for target, head in heads.items():
        record = head.evaluation
        gap, ceiling = record["random_folds"], record.get("ceiling")
        rows.append(
            [
                target,
                f"{gap['grouped']['value']:.3f}",
                f"{gap['random']['value']:.3f}",
                "" if ceiling is None else f"{ceiling['spearman']['value']:.3f}",
                f"{record['conformal']['coverage']['value']:.3f}",
                f"± {record['conformal']['width'] / 2:.2f}",
            ]
        )
    return table(["head", "by group", "random folds", "ceiling", "coverage of 90 % intervals", "half width"], rows)


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: oasis_ratings/ and weights/")
    parser.add_argument("--to", type=Path, default=Path("oasis"), metavar="FOLDER", help="of workspace and receipt")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), metavar="N", help="drawings of the folds, at least 1")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.to, seeds=range(max(1, asked.seeds)))
    except BodaError as error:
        raise SystemExit(f"oasis_ratings: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
