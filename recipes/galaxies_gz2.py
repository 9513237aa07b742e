"""Galaxy Zoo 2: four classes, mergers against the rest, and the vote fractions as a tree.

Score   see galaxies_gz2.md
Data    800 galaxies, 200 of each class (Willett et al. 2013, MNRAS 435, 2835; Hart et al. 2016, MNRAS 461, 3663)
Run     python recipes/galaxies_gz2.py DATA --to work/

The sky has no up, so every galaxy is looked at four times, turned by quarter turns, and the features are averaged: the
four images are one unit. The networks never saw galaxies and do care which way up things are.
"""

import argparse
import csv
import io
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import boda
from boda.errors import BodaError
from boda.evaluation.metrics import measure
from boda.heads.assembling import Unit
from boda.heads.head import Head
from boda.heads.vote_tree import VoteTree
from boda.workspace.workspace import Workspace
from runs.feature_sets import embedded
from runs.receipt import footer, table, trials_table, ways_table, write
from runs.trial import SEEDS, Trial, Way, keep, trial, ways

SMOOTH = "t01_smooth_or_features_a01_smooth_fraction"
TARGETS = {"four classes": "derived_label", "merger": "derived_label=merger", "fraction smooth": SMOOTH}
FLOORS = {"four classes": 0.58, "merger": 0.74, "fraction smooth": 0.63}
"""Accuracy, area under the ROC curve and Spearman of logistic regression or ridge on `auto`, images not turned."""
VOTES = "*_weighted_fraction"
"""Of the 37 answers: shares of the people who were asked, those who disagree with everybody weighing less."""
SETS = ("auto", "expanded", "middle", "mobilenet")
JOINED = (*SETS, "auto + mobilenet", "expanded + mobilenet", "middle + mobilenet")
TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def turned(catalogue: Path, images: Path, to: Path) -> Path:
    """Write every galaxy in four directions, losslessly, and a table of them; what is there already stays.

    Args:
        catalogue: CSV with the column `file`, the path in the tar.
        images: tar.
        to: folder; gets `images/` and `turned.csv`, with `galaxy` and `turn` before the columns of the catalogue.

    Returns:
        The table.
    """
    (to / "images").mkdir(parents=True, exist_ok=True)
    with catalogue.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines: list[dict[str, Any]] = []
    with tarfile.open(images) as tar:
        for row in rows:
            galaxy, whole = Path(row["file"]).stem, None
            for turn, how in enumerate(TURNS):
                place = to / "images" / f"{galaxy}_{turn}.png"
                lines.append({"key": place.name, "galaxy": galaxy, "turn": turn, **row})
                if place.exists():
                    continue
                whole = whole or _opened(tar, row["file"])
                made = io.BytesIO()
                (whole if how is None else whole.transpose(how)).save(made, "PNG", compress_level=1)
                write(place, made.getvalue())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [name for name in lines[0] if name != "file"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    write(to / "turned.csv", text.getvalue().encode())
    return to / "turned.csv"


def run(
    data: Path,
    to: Path,
    *,
    targets: Sequence[str] = tuple(TARGETS),
    sets: Sequence[str] = SETS,
    joined: Sequence[str] = JOINED,
    seeds: Sequence[int] = SEEDS,
    votes: bool = True,
) -> str:
    """Turn, embed, label, choose inside the folds, keep a head of each target and one of the votes.

    Args:
        data: the folder of data; `galaxies_gz2` and `weights` are used.
        to: where turned images, workspace and receipt go.
        targets: of `TARGETS`.
        sets: feature sets to embed.
        joined: those to try; the first is the plain one.
        seeds: of the folds.
        votes: learn the tree too.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    folder = data / "galaxies_gz2"
    rows = turned(folder / "catalog.csv", folder / "images.tar", to)
    workspace, ids = embedded(to / "images", sets, data=data, to=to / "gz2.boda")
    boda.label(workspace, rows)
    candidates = ways(ids, joined, unit=Unit("galaxy"))
    as_it_is = Way((ids["auto"],), unit=Unit("galaxy", "turn", ("0",)))
    trials: dict[str, Trial] = {}
    for name in targets:
        trials[name] = trial(workspace, TARGETS[name], candidates, plain=as_it_is, seeds=seeds)
        keep(workspace, trials[name], candidates)
    parts = [trials_table(trials, FLOORS), ways_table(trials)]
    if votes:
        best = candidates[next(reversed(trials.values())).best]
        head = boda.train(
            workspace, VOTES, tree="gz2", total="total_classifications",
            inputs=best.inputs, scaling=best.scaling, unit="galaxy", name="votes",
        )  # fmt: skip
        boda.predict(workspace.path, head=head, to=to / "votes.csv", force=True)
        parts.append(votes_table(head))
        parts.append(f"Fraction smooth by the tree: Spearman {smooth_spearman(workspace, head):.3f}.\n")
    return "\n".join((*parts, footer(time.perf_counter() - began, seeds)))


def votes_table(head: Head) -> str:
    """Of each question: how far predicted fractions are off, and how often confident votes are met."""
    metrics = head.evaluation["metrics"]
    rows = []
    for question in ("", *(f":{one.name}" for one in _tree(head).questions)):
        off, met = metrics[f"mae{question}"], metrics[f"confident_accuracy{question}"]
        rows.append([question[1:] or "all", *(_beside(one) for one in (off, met))])
    return table(["question", "mean error of fractions (trivial)", "confident votes met (trivial)"], rows)


def smooth_spearman(workspace: Workspace, head: Head) -> float:
    """Spearman of the fraction "smooth" as the tree has it, on held-out galaxies."""
    frame = workspace.frame()
    said = dict(zip(map(str, frame["galaxy"].to_pylist()), frame[SMOOTH].to_pylist(), strict=True))
    truth = np.array([said[galaxy] for galaxy in head.trained.keys], np.float64)
    place = head.target.names.index(SMOOTH.removesuffix("_fraction"))
    return measure("number", truth, head.answers(head.trained.out_of_fold).points[:, place])["spearman"]


def _tree(head: Head) -> VoteTree:
    assert head.target.tree is not None
    return head.target.tree


def _beside(metric: dict[str, float | None]) -> str:
    """A metric with its interval and the trivial one; "" where nobody was confident."""
    if metric["value"] is None:
        return ""
    return f"{metric['value']:.3f}, {metric['low']:.3f} to {metric['high']:.3f} ({metric['baseline']:.3f})"


def _opened(tar: tarfile.TarFile, name: str) -> Image.Image:
    member = tar.extractfile(name)
    assert member is not None
    return Image.open(io.BytesIO(member.read())).convert("RGB")


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: galaxies_gz2/ and weights/")
    parser.add_argument("--to", type=Path, default=Path("gz2"), metavar="FOLDER", help="of images, workspace, receipt")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), metavar="N", help="drawings of the folds, at least 1")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.to, seeds=range(max(1, asked.seeds)))
    except BodaError as error:
        raise SystemExit(f"galaxies_gz2: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
