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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

import boda
from boda.errors import BodaError
from boda.evaluation.proportion import share_of
from boda.health.near_duplicates import NearDuplicates, near_duplicates
from boda.health.perceptual_hash import Perceived
from boda.pipelines.health.collection import Collection, collect
from boda.pipelines.health.measuring import measured, perceived_of
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
