"""Features of the images of AVA, each beside the id of its image; what both target scales are learned from.

They come from a cache of the published notebooks (`ava_embeddings/*.pt`, read as `boda import-features` reads it), or
from the images. Either way they are there once: rows are found by id and never by their place in a list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import boda
from boda.errors import NotFound, Refused
from boda.pipelines.imports import read_given

if TYPE_CHECKING:
    from boda.encoders.base import Encoder

ENCODERS = {
    "ViT-B/16": "open_clip:ViT-B-16-quickgelu/openai",
    "ViT-B/32": "open_clip:ViT-B-32-quickgelu/openai",
}
"""The published encoders; weights of OpenAI need QuickGELU."""


@dataclass(frozen=True, eq=False)
class AvaFeatures:
    """Row i belongs to the image `ids[i]`."""

    name: str
    ids: npt.NDArray[np.int64]
    """(m,), each once."""
    vectors: npt.NDArray[np.float32]
    """(m, d)."""
    said: tuple[str, ...] = ()
    """What was left out where they come from, in words."""

    def of(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(r, d) a copy of the rows of these images, in this order.

        Raises:
            NotFound: an image has no features.
        """
        order = np.argsort(self.ids)
        places = np.searchsorted(self.ids, ids, sorter=order)
        rows = order[np.minimum(places, len(order) - 1)]
        lacking = ids[self.ids[rows] != ids]
        if len(lacking):
            raise NotFound(f"{self.name}: {len(lacking):,} images have no features, as {lacking[0]}")
        return self.vectors[rows]


def of_cache(name: str, pattern: str) -> AvaFeatures:
    """The features of a cache; files whose names, features and scores differ in number are left out and told.

    Raises:
        NotFound: no file fits the pattern.
        Refused: no file can be taken, or two rows are of one image.
        MissingExtra: torch is not installed.
    """
    given = read_given(pattern, None, name)
    said = tuple(f"{one.file}: left out, {one.why}" for one in given.left_out)
    return _named(name, given.keys, np.asarray(given.vectors, np.float32), said)


def of_images(
    folder: Path, workspace: Path, encoders: "dict[str, str | Encoder] | None" = None
) -> tuple[AvaFeatures, ...]:
    """Embed a folder of images, each read and decoded once for all encoders; the same call goes on after a stop.

    Args:
        folder: with files called after the ids, as 953619.jpg.
        workspace: that keeps the features.
        encoders: by the names they get; None: the two published ones.

    Raises:
        BodaError: as `boda.embed`.
    """
    asked = dict(ENCODERS) if encoders is None else encoders
    there = boda.embed(folder, encoders=list(asked.values()), to=workspace)
    bad = tuple(f"{one.key}: left out, {one.unreadable}" for one in there.quarantined())
    found = []
    for name, encoder in asked.items():
        features = there.features(encoder if isinstance(encoder, str) else encoder.recipe)
        found.append(_named(name, list(features.keys), np.asarray(features.array, np.float32), bad))
    return tuple(found)


def _named(name: str, keys: Sequence[str], vectors: npt.NDArray[np.float32], said: tuple[str, ...]) -> AvaFeatures:
    """Keys as ids of AVA; rows whose key is none are left out and told."""
    ids, rows = _ids(keys)
    if len(rows) < len(keys):
        strange = next(key for row, key in enumerate(keys) if row not in set(rows))
        said += (f"{len(keys) - len(rows):,} rows left out: their names are no ids of AVA, as {strange!r}",)
    found = np.array(ids, np.int64)
    twice, counts = np.unique(found, return_counts=True)
    if (counts > 1).any():
        raise Refused(f"{name}: image {twice[counts > 1][0]} has more than one row of features")
    return AvaFeatures(name, found, vectors[rows], said)


def _ids(keys: Iterable[str]) -> tuple[list[int], list[int]]:
    """The ids, and the rows that have one."""
    stems = [PurePosixPath(key.replace("\\", "/")).stem for key in keys]
    rows = [row for row, stem in enumerate(stems) if stem.isascii() and stem.isdigit()]
    return [int(stems[row]) for row in rows], rows
