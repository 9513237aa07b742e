"""Galaxies with photometry: class and redshift from the image, from magnitudes, and from both. Small and dirty.

Score   see galaxies_photometry.md
Data    160 galaxies of SDSS: classes of Galaxy Zoo 2, magnitudes, radii and redshifts
Run     python recipes/galaxies_photometry.py DATA --to work/

What is done about the dirt: magnitudes of 31 to 38 are no measurements and become missing; a redshift that 19 galaxies
share to seven digits was filled in, so these rows have none here; and what was computed from the redshift (absolute
magnitudes, kiloparsecs) or from the class (its one-hot columns) is no input.
"""

import argparse
import csv
import io
import math
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import boda
from boda.errors import BodaError
from boda.evaluation import bootstrap
from boda.evaluation.weighted import Floats, spearman_of
from runs.feature_sets import embedded
from runs.receipt import footer, fusion_table, table, trials_table, ways_table, write
from runs.trial import SEEDS, Trial, Way, keep, trial, ways

TARGETS = ("class", "redshift")
NUMBERS = ("u", "g", "r", "i", "z", "u_g", "g_r", "r_i", "i_z", "log_radius", "concentration", "brightness")
SETS = ("auto", "expanded", "mobilenet")
JOINED = (*SETS, "auto + mobilenet", "expanded + mobilenet")
FAINTEST = 28.0
"""Magnitude of nothing at all: SDSS sees no galaxy beyond 23."""


def cleaned(row: Mapping[str, str]) -> dict[str, str | float | None]:
    """What may be known of a galaxy: apparent magnitudes, colours, size in the sky, class, and its own redshift."""
    bands = {band: _magnitude(row[f"PETROMAG_{band.upper()}"]) for band in "ugriz"}
    half, most = float(row["PETROR50_R"]), float(row["PETROR90_R"])
    return {
        "file": row["file"],
        **bands,
        **{f"{a}_{b}": _less(bands[a], bands[b]) for a, b in zip("ugri", "griz", strict=True)},
        "log_radius": math.log10(half),
        "concentration": most / half,
        "brightness": float(row["MU50_R"]),
        "class": row["class"],
        "redshift": None if row["redshift_repeated"] == "1" else float(row["REDSHIFT"]),
    }


def belonging(images: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """Whether pictures are of the galaxies in their rows: is a picture as red as its row, and as large?

    Args:
        images: tar.
        rows: cleaned.
    """
    redness, area = [], []
    with tarfile.open(images) as tar:
        for row in rows:
            member = tar.extractfile(str(row["file"]))
            assert member is not None
            pixels = np.asarray(Image.open(io.BytesIO(member.read())).convert("RGB"), np.float64)
            light = pixels.sum(axis=2)
            redness.append(pixels[..., 0].sum() / pixels[..., 2].sum())
            area.append((light > light.max() / 4).sum())
    known = np.array([row["g_r"] is not None for row in rows])
    colours = np.array([row["g_r"] for row in rows], np.float64)[known]
    radii = np.array([row["log_radius"] for row in rows], np.float64)
    found = {
        **_correlated("red over blue light and g - r", np.array(redness)[known], colours),
        **_correlated("bright area and radius", np.array(area, np.float64), radii),
    }
    lines = [[name, f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})"] for name, one in found.items()]
    return table(["of picture and row", "Spearman, 90 %"], lines)


def _correlated(name: str, one: Floats, other: Floats) -> dict[str, bootstrap.Interval]:
    return bootstrap.intervals({name: spearman_of(one, other)}, len(one), rng=np.random.default_rng(0))


def run(
    data: Path,
    to: Path,
    *,
    targets: Sequence[str] = TARGETS,
    sets: Sequence[str] = SETS,
    joined: Sequence[str] = JOINED,
    seeds: Sequence[int] = SEEDS,
) -> str:
    """Clean, embed, label, choose inside the folds, and keep a head of each target.

    Args:
        data: the folder of data; `galaxies_photometry` and `weights` are used.
        to: where workspace, table and receipt go.
        targets: `class`, `redshift`.
        sets: feature sets to embed.
        joined: those to try; the first is the one of the table image / numbers / both.
        seeds: of the folds.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    folder = data / "galaxies_photometry"
    with (folder / "catalog.csv").open(newline="") as file:
        rows = [cleaned(row) for row in csv.DictReader(file)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write(to / "cleaned.csv", text.getvalue().encode())
    workspace, ids = embedded(folder / "images.tar", sets, data=data, to=to / "photometry.boda")
    boda.label(workspace, to / "cleaned.csv")
    both = {f"{name}, with numbers": way for name, way in ways(ids, joined, columns=NUMBERS).items()}
    candidates = {"numbers": Way(NUMBERS), **ways(ids, joined), **both}
    trials: dict[str, Trial] = {}
    heads = {}
    for target in targets:
        trials[target] = trial(workspace, target, candidates, seeds=seeds)
        keep(workspace, trials[target], candidates)
        heads[target] = boda.train(
            workspace, target, inputs=[ids[joined[0]], *NUMBERS], scaling="normalised", name=f"{target}-fusion"
        )
    return "\n".join(
        (
            belonging(folder / "images.tar", rows),
            trials_table(trials, {}),
            ways_table(trials),
            fusion_table(heads),
            footer(time.perf_counter() - began, seeds),
        )
    )


def _magnitude(text: str) -> float | None:
    return float(text) if float(text) < FAINTEST else None


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: galaxies_photometry/ and weights/")
    parser.add_argument("--to", type=Path, default=Path("photometry"), metavar="FOLDER", help="of workspace, receipt")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), metavar="N", help="drawings of the folds, at least 1")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.to, seeds=range(max(1, asked.seeds)))
    except BodaError as error:
        raise SystemExit(f"galaxies_photometry: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
