"""Near duplicates of photographs: which changes of a picture are seen through, by hash, by features, and by both.

Score   see duplicates.md
Data    400 photographs, one of each of 400 ImageNet classes, and 428 houses with four photographs each (Ahmed and
        Moustafa 2016, arXiv:1609.08399), in which two houses are one and some photographs are there twice
Run     python recipes/duplicates.py DATA --to work/

Copies of some photographs are made in a known way and put beside all 400, one kind of change at a time. A copy is found
where it is in one group with the photograph it was made of; a group is false where it holds photographs of two.
"""

import argparse
import csv
import io
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

import boda
from boda.errors import BodaError
from boda.evaluation.proportion import share_of
from boda.health.near_duplicates import NearDuplicates
from boda.pipelines.health.collection import Collection, collect
from boda.pipelines.health.copied import search
from boda.pipelines.health.measuring import Measured, measured
from boda.workspace.workspace import Workspace
from runs.receipt import footer, table, write

PLANTED = 100
"""Photographs that copies are made of."""
KEPT_QUALITY = 90
"""Of the JPEG file that a changed picture is kept as, where the change is no compression."""

Rng = np.random.Generator
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Change:
    """A way to make another picture of one."""

    kind: str
    strength: str
    make: Callable[[Image.Image, Rng], Image.Image]
    quality: int = KEPT_QUALITY

    @property
    def name(self) -> str:
        """As files are called."""
        return f"{self.kind} {self.strength}".replace("/", " of ")


def cut(share: float) -> Callable[[Image.Image, Rng], Image.Image]:
    """Keep this share of each side, at a place that is drawn."""

    def make(image: Image.Image, rng: Rng) -> Image.Image:
        width, height = round(image.width * share), round(image.height * share)
        left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
        return image.crop((left, top, left + width, top + height))

    return make


def shrunk(share: float) -> Callable[[Image.Image, Rng], Image.Image]:
    """Each side this much of what it was."""
    return lambda image, _: image.resize((round(image.width * share), round(image.height * share)))


def brightened(times: float) -> Callable[[Image.Image, Rng], Image.Image]:
    """Each value so many times what it was."""
    return lambda image, _: ImageEnhance.Brightness(image).enhance(times)


def turned(degrees: float) -> Callable[[Image.Image, Rng], Image.Image]:
    """Turned, and cut so that no corner is empty."""

    def make(image: Image.Image, _: Rng) -> Image.Image:
        angle, (width, height) = np.radians(degrees), image.size
        kept = 1 / (np.cos(angle) + max(width, height) / min(width, height) * np.sin(angle))
        inner = width * kept, height * kept
        box = ((width - inner[0]) / 2, (height - inner[1]) / 2, (width + inner[0]) / 2, (height + inner[1]) / 2)
        return image.rotate(degrees, Image.Resampling.BICUBIC).crop(tuple(map(round, box)))

    return make


def as_it_is(image: Image.Image, _: Rng) -> Image.Image:
    """Nothing but what a compression does."""
    return image


CHANGES = (
    Change("recompressed", "quality 60", as_it_is, 60),
    Change("recompressed", "quality 30", as_it_is, 30),
    Change("recompressed", "quality 10", as_it_is, 10),
    Change("shrunk", "to 1/2", shrunk(1 / 2)),
    Change("shrunk", "to 1/4", shrunk(1 / 4)),
    Change("brightness", "times 0.6", brightened(0.6)),
    Change("brightness", "times 1.4", brightened(1.4)),
    Change("grey", "all", lambda image, _: ImageOps.grayscale(image)),
    Change("blurred", "by 2 pixels", lambda image, _: image.filter(ImageFilter.GaussianBlur(2))),
    Change("mirrored", "left to right", lambda image, _: ImageOps.mirror(image)),
    Change("turned", "3 degrees", turned(3)),
    Change("cut", "to 95 %", cut(0.95)),
    Change("cut", "to 90 %", cut(0.9)),
    Change("cut", "to 80 %", cut(0.8)),
    Change("cut", "to 70 %", cut(0.7)),
    Change("cut", "to 50 %", cut(0.5)),
)


def plant(photographs: Path, to: Path, *, count: int = PLANTED, seed: int = 0) -> Path:
    """Write the photographs of an archive and changed copies of some into a folder, a folder a change.

    Args:
        photographs: a tar of JPEG files.
        to: the folder; made.
        count: photographs that copies are made of, the same for every change.
        seed: draws these, and where they are cut.
    """
    with tarfile.open(photographs) as archive:
        files = {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]
    for name, data in files.items():
        write(to / "original" / name, data)
    chosen = np.random.default_rng(seed).choice(sorted(files), min(count, len(files)), replace=False)
    for place, change in enumerate(CHANGES):
        rng = np.random.default_rng([seed, place])
        for name in chosen:
            into = io.BytesIO()
            image = Image.open(io.BytesIO(files[name])).convert("RGB")
            change.make(image, rng).save(into, "JPEG", quality=change.quality)
            write(to / change.name / name, into.getvalue())
    return to


@dataclass(frozen=True, eq=False)
class Planted:
    """What was found of one kind of change."""

    found: dict[str, Rows]
    """By evidence: (p,) 1 for each copy in one group with its photograph."""
    false: dict[str, int]
    """By evidence: groups that hold photographs of two."""


EVIDENCE = ("hash", "features", "both together")


def measure(collection: Collection, facts: Measured, change: str) -> Planted:
    """Look for the copies of one kind among all photographs, by each evidence."""
    kinds = [key.split("/")[0] for key in collection.keys]
    names = [key.rpartition("/")[2] for key in collection.keys]
    rows = np.array([row for row, kind in enumerate(kinds) if kind in {"original", change}])
    here = [names[row] for row in rows]
    original = {names[row]: place for place, row in enumerate(rows) if kinds[row] == "original"}
    copies = [place for place, row in enumerate(rows) if kinds[row] == change]
    found, false = {}, {}
    for evidence in EVIDENCE:
        groups = by(evidence, collection, facts, rows)
        numbers = groups.numbers(len(rows))
        found[evidence] = np.array([int(numbers[copy] == numbers[original[here[copy]]]) for copy in copies], np.int64)
        members = [[group.middle, *(copy.row for copy in group.copies)] for group in groups.groups]
        false[evidence] = sum(len({here[place] for place in one}) > 1 for one in members)
    return Planted(found, false)


def by(evidence: str, collection: Collection, facts: Measured, rows: Rows) -> NearDuplicates:
    """Near duplicates among these rows, by hash alone, features alone, or both."""
    told = replace(collection, features=None) if evidence == "hash" else collection
    return search(told, rows, None if evidence == "features" else facts, seed=0)


def planted_table(workspace: Workspace) -> str:
    """One line a change: how many of its copies are found, and how many groups are false, by evidence."""
    collection = collect(workspace, workspace.recipe())
    facts = measured(collection, keep=True)
    rows = []
    for change in (one for one in CHANGES if any(key.startswith(f"{one.name}/") for key in collection.keys)):
        one = measure(collection, facts, change.name)
        rows.append([change.kind, change.strength, *(_said(one.found[name]) for name in EVIDENCE), _counted(one.false)])
    return table(["change", "strength", *EVIDENCE, "false groups"], rows)


def _said(found: Rows) -> str:
    share = share_of(found.astype(bool))
    return f"{share.value:.2f} ({share.low:.2f} to {share.high:.2f})"


def _counted(false: Mapping[str, int]) -> str:
    return " / ".join(str(false[name]) for name in EVIDENCE)


def houses_table(workspace: Workspace, houses: Path, to: Path) -> str:
    """What `boda inspect` finds among the houses: pairs of houses, and of photographs of one house."""
    found = boda.inspect(workspace, only=("duplicates",), to=to)
    with houses.open(newline="") as file:
        known = {row["house"] for row in csv.DictReader(file)}
    rows = []
    for name in ("exact duplicates", "near duplicates"):
        groups: dict[int, list[str]] = {}
        reasons: dict[int, list[str]] = {}
        for one in found.finding(name).images:
            groups.setdefault(one.group or 0, []).append(Path(one.key).stem)
            reasons.setdefault(one.group or 0, []).append(one.reason)
        for number, keys in groups.items():
            houses_there = {key.partition("_")[0] for key in keys} & known
            kind = "one house" if len(houses_there) == 1 else "several houses"
            rows.append([name, ", ".join(keys), kind, "; ".join(reasons[number][1:])])
    return table(["finding", "photographs", "of", "evidence"], rows)


def run(data: Path, to: Path, *, count: int = PLANTED, encoder: str = "auto", seed: int = 0) -> str:
    """Plant copies, embed them and the houses, and look for what is there twice.

    Args:
        data: the folder of data; `imagenet_photos` and `houses` are used.
        to: where pictures, workspaces and receipt go.
        count: photographs that copies are made of.
        encoder: of the features.
        seed: draws photographs, and where they are cut.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    if not (to / "planted").is_dir():
        plant(data / "imagenet_photos" / "images.tar", to / "planted", count=count, seed=seed)
    planted = boda.embed(to / "planted", encoders=encoder, to=to / "planted.boda")
    houses = boda.embed(data / "houses" / "images.tar", encoders=encoder, to=to / "houses.boda")
    return "\n".join(
        (
            planted_table(planted),
            houses_table(houses, data / "houses" / "houses.csv", to / "houses-inspect"),
            footer(time.perf_counter() - began, [seed], of="photographs and cuts"),
        )
    )


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: imagenet_photos/ and houses/")
    parser.add_argument("--to", type=Path, default=Path("duplicates"), metavar="FOLDER", help="of all that is made")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.to)
    except BodaError as error:
        raise SystemExit(f"duplicates: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
