"""Measuring: what the pixels say of each image, from one pass over all of them, kept in the workspace.

Each image is decoded small in a process that may die, as thumbnails are, and measured there: what comes back is not its
picture but a row of numbers, written as pixels, since these are what a decoder hands on. Facts belong to a content, so
the next inspection decodes only what is new.
"""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from boda.cores import cores
from boda.counted import counted
from boda.errors import Damaged, NotFound, Refused
from boda.health.blur import blur_effect
from boda.health.perceptual_hash import SIDE, Perceived, perceive
from boda.pictures.sheet import thumbnail
from boda.pipelines.decoded import decoded
from boda.pipelines.health.collection import Collection
from boda.pipelines.thumbnails import source_of
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.sources.base import Blob, Description, ImageRef, Source, Unlistable
from boda.unreadable import BadImage, Unreadable
from boda.workspace.workspace import Workspace

KIND, NAME = "inspection", "pixels"
"""Of the result in a workspace."""
RULES = 1
"""Raised whenever the same bytes would give other facts."""
FITTED = 512
"""Long side of what is measured, in pixels; smaller images stay as they are."""

FACTS = np.dtype(
    [
        ("content", "u1", (32,)),
        ("straight", "<u8"),
        ("mirrored", "<u8"),
        ("flat", "u1"),
        ("low", "<f4"),
        ("high", "<f4"),
        ("blur", "<f4"),
    ]
)
"""SHA-256 of the file; its perceptual hashes; 5 % of the pixels are darker than `low`, and 5 % lighter than `high`, of
255; its blur effect."""

_TAIL = 5.0
_GONE = "the source of the images is not there"
_Facts = npt.NDArray[np.void]
_WIDTH = -(-FACTS.itemsize // 3)


@dataclass(frozen=True, eq=False)
class Measured:
    """What the pixels of n images say."""

    facts: _Facts
    """(n,) of dtype `FACTS`."""
    known: npt.NDArray[np.bool_]
    """(n,) whether the image could be looked at."""
    decoded: int
    """Images that were decoded for it now; the facts of the others were kept."""
    notes: tuple[str, ...]


def measured(collection: Collection, *, keep: bool) -> Measured:
    """Facts of every image: those that are kept, and a pass over the others.

    Args:
        collection: n images.
        keep: new facts in the workspace.

    Raises:
        Refused: no image can be read, and nothing is kept.
        DecoderBroken: decoders die on everything here.
        Busy, DiskTrouble: facts cannot be kept now.
    """
    kept = _kept(collection.workspace, collection.recipe)
    todo = [int(row) for row in collection.distinct if collection.contents[row] not in kept]
    source = source_of(collection.workspace)
    fresh: dict[bytes, np.void] = {}
    notes: list[str] = []
    if todo:
        fresh, notes = _pass(collection, source, todo) if source is not None else ({}, [_GONE])
    every = kept | fresh
    if not every:
        raise Refused(f"the pixels were not looked at: {'; '.join(notes)}")
    if fresh and keep:
        _keep(collection, every)
    facts, known = np.zeros(len(collection), FACTS), np.zeros(len(collection), bool)
    for row, content in enumerate(collection.contents):
        if (found := every.get(content)) is not None:
            facts[row], known[row] = found, True
    return Measured(facts, known, len(fresh), tuple(notes))


def perceived_of(facts: _Facts) -> Perceived:
    """The hashes among facts."""
    return Perceived(facts["straight"], facts["mirrored"], facts["flat"].astype(bool))


def facts_of(data: bytes, small: Image.Image) -> _Facts:
    """(1,) what one picture says.

    Args:
        data: the bytes of the file.
        small: the picture, RGB.
    """
    grey = small.convert("L")
    square = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    pixels = np.asarray(grey)
    perceived = perceive(square[None])
    found = np.zeros(1, FACTS)
    found["content"] = np.frombuffer(hashlib.sha256(data).digest(), np.uint8)
    found["straight"], found["mirrored"], found["flat"] = perceived.straight, perceived.mirrored, perceived.flat
    found["low"], found["high"] = np.percentile(pixels, [_TAIL, 100 - _TAIL])
    found["blur"] = blur_effect(pixels)
    return found


def _pass(collection: Collection, source: Source, rows: list[int]) -> tuple[dict[bytes, np.void], list[str]]:
    """Facts by content, and what to say of images that could not be looked at."""
    refs = collection.workspace.refs([collection.keys[row] for row in rows])
    spec = PixelSpec(resize=(1, _WIDTH), crop=None)
    wanted = {collection.keys[row]: collection.contents[row] for row in rows}
    found: dict[bytes, np.void] = {}
    changed, unreadable = 0, []
    for page in decoded(_Facing(source, collection.recipe), list(refs.values()), spec, workers=cores()):
        for ref, pixels, verdict in zip(page.refs, page.pixels, page.verdicts, strict=True):
            if verdict is not None:
                unreadable.append(verdict)
                continue
            facts = np.frombuffer(pixels.tobytes()[: FACTS.itemsize], FACTS)[0]
            if facts["content"].tobytes() == wanted[ref.key]:
                found[wanted[ref.key]] = facts
            else:
                changed += 1
    notes = []
    if unreadable:
        notes.append(f"{counted(len(unreadable), 'image')} could not be looked at, the first: {unreadable[0]}")
    if changed:
        what = counted(changed, "file has changed since it was", "files have changed since they were")
        notes.append(f"{what} embedded: not judged by pixels")
    return found, notes


@dataclass(frozen=True, slots=True)
class _Facing:
    """The images of a source, each as one line of pixels that hold its facts."""

    source: Source
    recipe: Recipe | None
    ignored: int = 0

    @property
    def description(self) -> Description:
        """The source's: it says whether decoders need the network."""
        return self.source.description

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The source's."""
        return self.source.entries()

    def columns(self) -> None:
        """Nothing is asked but what the pixels say."""

    def read(self, ref: ImageRef) -> Blob:
        """The facts of an image.

        Raises:
            BadImage: it cannot be read or decoded.
        """
        blob = self.source.read(ref)
        small = thumbnail(blob.data, FITTED, self.recipe)
        if isinstance(small, Unreadable):
            raise BadImage(small.stage, small.code, small.reason)
        line = facts_of(blob.data, small).tobytes().ljust(3 * _WIDTH, b"\0")
        into = BytesIO()
        Image.frombytes("RGB", (_WIDTH, 1), line).save(into, "PNG")
        return Blob(into.getvalue(), blob.size, blob.mtime_ns)


def _settings(recipe: Recipe | None) -> dict[str, Any]:
    """What facts depend on besides the bytes: rules, and how FITS and 16-bit files are shown."""
    pixels = recipe.pixels if recipe is not None else None
    shown_as = [list(pixels.range) if pixels.range else None, pixels.stretch] if pixels is not None else [None, None]
    return {"rules": RULES, "fitted": FITTED, "range": shown_as[0], "stretch": shown_as[1]}


def _kept(workspace: Workspace, recipe: Recipe | None) -> dict[bytes, np.void]:
    """Facts of an earlier pass by content; none where they were made otherwise."""
    try:
        files = workspace.result(KIND, NAME)
    except (NotFound, Damaged):  # damaged facts are measured and kept again, as if they had never been there
        return {}
    if json.loads(files["settings.json"]) != _settings(recipe):
        return {}
    facts = np.load(io.BytesIO(files["facts.npy"]), allow_pickle=False)
    return {one["content"].tobytes(): one for one in facts} if facts.dtype == FACTS else {}


def _keep(collection: Collection, every: dict[bytes, np.void]) -> None:
    into = BytesIO()
    np.save(into, np.array(list(every.values()), FACTS), allow_pickle=False)
    files = {"facts.npy": into.getvalue(), "settings.json": json.dumps(_settings(collection.recipe)).encode()}
    with collection.workspace.write() as writer:
        writer.put_result(KIND, NAME, files, summary={"images": len(every)})
