"""Tiny workspaces of real image files, made through the writer alone: no run of `embed` is needed."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from boda.encoders.registry import load_encoder
from boda.pixels.prepare import prepare
from boda.recipe import Recipe
from boda.sources.base import ImageRef
from boda.sources.opening import open_source
from boda.unreadable import Code, Stage, Unreadable
from boda.workspace.records import Block, Quarantined, Read
from boda.workspace.workspace import Workspace, create_workspace

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def make_photos(folder: Path, *, each: int = 4) -> Path:
    """`each` PNG files of noisy red, green and blue, one copy of the first, and a file that is no image."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for number in range(each):
            noise = rng.integers(-25, 25, (40, 48, 3))
            Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(folder / f"{name} {number}.png")
    (folder / "사진, copy.png").write_bytes((folder / "red 0.png").read_bytes())
    (folder / "broken.jpg").write_bytes(b"no image at all")
    return folder


@cache
def features_of(data: bytes, name: str) -> np.ndarray:
    """What an encoder says of one image; the same images come again in every test."""
    encoder = load_encoder(name)
    pixels, _ = prepare(data, encoder.recipe.pixels)
    return encoder(pixels[None])[0]


def make_workspace(place: Path, photos: Path, *, recipes: Sequence[str] = ("handmade:hog-colour",)) -> Workspace:
    """A workspace of a folder with features of some encoders; what is no image is quarantined."""
    source = open_source(photos)
    workspace = create_workspace(place)
    with workspace.write() as writer:
        writer.set_source(source.description)
        refs = list(source.entries())
        writer.list(refs, source.columns, now_ns=2**62)
        for name in recipes:
            encoder = load_encoder(name)
            writer.add_recipe(encoder.recipe, encoder.width)
            block = Block()
            rows: dict[bytes, np.ndarray] = {}
            for ref in refs:
                assert isinstance(ref, ImageRef)
                blob = source.read(ref)
                content = hashlib.sha256(blob.data).digest()
                block.reads.append(Read(ref.key, content, blob.size, blob.mtime_ns, 48, 40, 1, "PNG"))
                if ref.key == "broken.jpg":
                    verdict = Unreadable(Stage.IDENTIFY, Code.NOT_AN_IMAGE, "begins with 'no image'")
                    block.quarantined.append(Quarantined(ref.key, encoder.recipe.id, verdict))
                else:
                    rows[content] = features_of(blob.data, name)
            block.features[encoder.recipe.id] = (list(rows), np.stack(list(rows.values())))
            run = writer.begin_run([encoder.recipe.id], {})
            writer.commit(block)
            writer.merge(encoder.recipe.id)
            writer.end_run(run, "done", {})
    return workspace


def plain_recipe(name: str = "plain") -> Recipe:
    """A recipe that nothing can compute."""
    return Recipe(architecture="unknown", weights=name, layer="unknown", pooling="unknown", pixels=None, name=name)
