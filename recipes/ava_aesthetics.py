"""Aesthetic scores on AVA from CLIP features with one linear layer: as published, and in closed form.

Score   Spearman 0.7059 (0.6994 to 0.7123) in closed form, raw scores or divided by ten, on generated features and real
        ratings; the published training comes to 0.5784 and 0.6914. Tables and receipt: ava_aesthetics.md
Cost    3.5 s for the closed form with its folds, 7.5 minutes for everything, on two shared cores
After   the published linear probe of CLIP on AVA (Murray et al., CVPR 2012; Radford et al., ICML 2021)
Run     python recipes/ava_aesthetics.py AVA.txt --cache ViT-B/16='ava_embeddings/*.pt' --to ava/
        python recipes/ava_aesthetics.py AVA.txt --images AVA/images --to ava/
        python recipes/ava_aesthetics.py AVA_partial.txt.gz --generated --to ava/        without images
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ava.curves_picture import curves_picture
from ava.features import AvaFeatures, of_cache, of_images
from ava.generated import generated_features
from ava.published_training import Settings
from ava.report import Report, riddle
from ava.split import published_split, training_rows
from ava.study import SCALINGS, Effort, Study, one_thread, study
from ava.table import LEVELS, AvaTable, read_table
from boda.errors import BodaError, Refused
from boda.evaluation.ceiling import ceiling_of_counts
from boda.workspace.atomic import write_whole

QUICK_ROWS = 20_000


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="AVA.txt, or a part of it")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--cache", action="append", metavar="NAME=PATTERN", help="the .pt files of one encoder; repeat")
    given.add_argument("--images", type=Path, metavar="FOLDER", help="embed these with both published encoders")
    given.add_argument("--generated", action="store_true", help="features drawn from the ratings: no images needed")
    parser.add_argument(
        "--to", type=Path, default=Path("ava"), metavar="FOLDER", help="of report, picture, checkpoints"
    )
    parser.add_argument("--epochs", type=int, default=300, help="of the curves to convergence")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows and 30 epochs: under a minute")
    parser.add_argument("--seed", type=int, default=0, help="of first weights, folds, draws and generated features")
    asked = parser.parse_args()
    rounds, epochs = (200, 30) if asked.quick else (1000, asked.epochs)
    effort = Effort(Settings(seed=asked.seed), epochs, rounds, asked.seed)
    try:
        table = read_table(asked.table)
        if asked.quick:
            table = table.take(np.linspace(0, len(table) - 1, min(QUICK_ROWS, len(table))).astype(np.intp))
        asked.to.mkdir(parents=True, exist_ok=True)
        everything = run(table, sources(asked, table), asked.to, effort)
    except BodaError as error:
        raise SystemExit(f"ava_aesthetics: {error}") from error
    print(everything)


def sources(asked: argparse.Namespace, table: AvaTable) -> tuple[AvaFeatures, ...]:
    """The features that were asked for."""
    if asked.generated:
        return (generated_features(table, np.random.default_rng(asked.seed)),)
    if asked.images is not None:
        return of_images(asked.images, asked.to / "ava.boda")
    pairs = [one.partition("=") for one in asked.cache]
    wrong = next(
        (one for one, (name, _, pattern) in zip(asked.cache, pairs, strict=True) if not name or not pattern), None
    )
    if wrong is not None:
        raise Refused(f"--cache {wrong}: write it as NAME=PATTERN, as ViT-B/16='ava_embeddings/*.pt'")
    return tuple(of_cache(name, pattern) for name, _, pattern in pairs)


def run(table: AvaTable, features: tuple[AvaFeatures, ...], to: Path, effort: Effort) -> str:
    """Study all features, and write `report.md`, `report.json` and a picture of each encoder's curves.

    Returns:
        The report, for people.
    """
    began = time.perf_counter()
    found: list[Study] = []
    say = partial(print, flush=True)
    for one in features:
        split = published_split(table, one.ids)
        if min(len(split.train), len(split.test)) < 100:
            raise Refused(f"{one.name}: {len(split.train)} training and {len(split.test)} test rows have features")
        of_this = [
            study(one, table, split, scaling, effort, checkpoints=to / "checkpoints", say=say) for scaling in SCALINGS
        ]
        picture = curves_picture(of_this)
        name = f"curves-{one.name}.svg".replace("/", "")
        write_whole(to / name, partial(_written, picture))
        found += of_this
    split = published_split(table, features[0].ids)
    test = table.means[split.test]
    counts, rng = table.counts[split.test], np.random.default_rng(effort.seed)
    with one_thread():
        ceiling = ceiling_of_counts(counts, np.array(LEVELS), rng=rng, rounds=effort.rounds // 5)
    report = Report(
        f"{len(table):,} rows of AVA.txt, shuffled as published; the first {training_rows(len(table)):,} train. "
        f"{len(split.train) + len(split.test):,} of them have features.",
        tuple(found),
        float(np.abs(test - table.means[split.train].mean()).mean()),
        ceiling,
        tuple(f"{one.name}: {line}" for one in features for line in one.said),
        time.perf_counter() - began,
    )
    text = f"# AVA\n\n{riddle(found)}\n\n{report.markdown()}"
    plain = json.dumps(report.as_json(), indent=1, allow_nan=False)
    write_whole(to / "report.md", partial(_written, text.encode()))
    write_whole(to / "report.json", partial(_written, plain.encode()))
    return text


def _written(data: bytes, file: BinaryIO) -> int:
    return file.write(data)


if __name__ == "__main__":
    main()
