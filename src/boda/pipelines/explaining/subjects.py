"""Which images are explained, by which network, and what is stored of them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.arrays import Pixels, StoredFeatures
from boda.encoders.opened import OpenNetwork
from boda.encoders.opened import opened as open_network
from boda.encoders.registry import encoders_for, load_encoder
from boda.errors import NotFound, Refused
from boda.explanations.passes import blocks
from boda.heads.head import Head
from boda.keys import from_text, shown
from boda.pipelines.searching.examples import encoder_of, key_of
from boda.pipelines.thumbnails import seen, source_of
from boda.pipelines.together import together
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Source
from boda.unreadable import Unreadable
from boda.workspace.features import FeatureSet
from boda.workspace.where import rows_where
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.encoders.base import Encoder


_PASSED = 64
"""Images a pass, where only what the network gives is wanted."""


@dataclass(frozen=True, eq=False)
class Subjects:
    """Images as the network sees them, with the network."""

    keys: tuple[str, ...]
    """(n,)"""
    refs: tuple[ImageRef, ...]
    pixels: Pixels
    """(n, h, w, 3)"""
    source: Source
    encoder: "Encoder"
    network: OpenNetwork
    workspace: Workspace | None
    features: FeatureSet | None
    """Of the workspace."""
    stored: StoredFeatures | None
    """(n, d) their rows."""
    of: int
    """Images that there were to choose from."""
    unseen: Mapping[str, str]
    """Why others that were asked for are not explained."""

    def through(
        self, pass_on: Callable[[Tensor], Tensor], rows: Sequence[int] | None = None
    ) -> npt.NDArray[np.float32]:
        """What the network's `features` or `logits` give, without gradients, some images at a time.

        Args:
            pass_on: (b, 3, h, w) to (b, d).
            rows: m of the images; None: all.

        Returns:
            (m, d)
        """
        chosen = list(range(len(self.keys)) if rows is None else rows)
        with torch.no_grad():
            found = [
                pass_on(self.network.door(self.pixels[chosen[block]])).float().cpu().numpy()
                for block in blocks(len(chosen), _PASSED)
            ]
        return np.concatenate(found)


def in_workspace(
    workspace: Workspace,
    recipe: str | Recipe | None,
    *,
    row: Sequence[str],
    where: str | None,
    limit: int,
    rng: np.random.Generator,
    encoder: "str | Encoder | None",
    weights: str | os.PathLike[str] | None,
    device: str,
) -> Subjects:
    """Rows of a workspace that have features: those named, or so many at random of those that meet a condition.

    Raises:
        NotFound: no such row or features.
        Refused: the images are not there or no longer what they were, no row is left, or the features come from no
            network of torch.
    """
    features = workspace.features(recipe)
    source = source_of(workspace)
    if source is None:
        raise Refused(f"{workspace.path}: the images are not there: say where with boda info W --source")
    place = {key: number for number, key in enumerate(features.keys)}
    keys, of = _chosen(workspace, place, row, where, limit, rng)
    made = encoder_of(features.recipe, encoder, weights, device)()
    network = open_network(made)
    refs = workspace.refs(keys)
    pixels, unseen = _seen(source, [refs[key] for key in keys], keys, network.recipe)
    kept = [key for key in keys if key not in unseen]
    if not kept:
        raise Refused(f"no image can be read any more: {shown(keys[0])}: {unseen[keys[0]]}")
    stored = features.array[[place[key] for key in kept]]
    return Subjects(
        tuple(kept), tuple(refs[key] for key in kept), pixels, source, made, network, workspace, features, stored, of,
        unseen,
    )  # fmt: skip


def of_files(
    given: Sequence[str | os.PathLike[str]],
    head: Head | None,
    *,
    limit: int,
    rng: np.random.Generator,
    encoder: "str | Encoder | None",
    weights: str | os.PathLike[str] | None,
    device: str,
) -> Subjects:
    """Image files and folders of them, seen by the network of a head, or by the one that is asked for.

    Raises:
        NotFound, SourceError: an image or folder is not there or cannot be listed.
        Refused: no image, or the encoder is no network of torch.
    """
    if head is not None:
        if not head.recipes:
            raise Refused(f"head {shown(head.name)!r} takes columns only: there is no image to explain it by")
        made = encoders_for(head.recipes, encoder, weights=weights, device=device)[0]
    elif encoder is None or isinstance(encoder, str):
        made = load_encoder(encoder or "auto", weights=weights, device=device)
    else:
        made = encoder
    network = open_network(made)
    source = together(given)
    found = [entry for entry in source.entries() if isinstance(entry, ImageRef)]
    if not found:
        raise Refused(f"no images in {', '.join(shown(os.fspath(one)) for one in given)}")
    refs = [found[place] for place in _drawn(len(found), limit, rng)]
    keys = [one.key for one in refs]
    pixels, unseen = _seen(source, refs, keys, network.recipe)
    kept = [one for one in refs if one.key not in unseen]
    if not kept:
        raise Refused(f"{shown(keys[0])}: {unseen[keys[0]]}")
    return Subjects(
        tuple(one.key for one in kept), tuple(kept), pixels, source, made, network, None, None, None, len(found), unseen
    )


def _chosen(
    workspace: Workspace,
    place: Mapping[str, int],
    row: Sequence[str],
    where: str | None,
    limit: int,
    rng: np.random.Generator,
) -> tuple[list[str], int]:
    if row:
        keys = [key_of(workspace, one) for one in row]
        lacking = [key for key in keys if key not in place]
        if lacking:
            raise Refused(f"{shown(lacking[0])} has no features: it is quarantined or not embedded yet")
        return list(dict.fromkeys(keys)), len(keys)
    among = list(place)
    if where is not None:
        table = workspace.frame()
        met = {from_text(key) for key in table["key"].filter(rows_where(table, where)).to_pylist()}
        among = [key for key in among if key in met]
        if not among:
            raise NotFound(f"no image with features meets {where!r}")
    return [among[one] for one in _drawn(len(among), limit, rng)], len(among)


def _drawn(count: int, limit: int, rng: np.random.Generator) -> list[int]:
    """All, in order; or so many of them at random, in order."""
    if count <= limit:
        return list(range(count))
    return sorted(rng.choice(count, limit, replace=False).tolist())


def _seen(
    source: Source, refs: Sequence[ImageRef], keys: Sequence[str], recipe: Recipe
) -> tuple[Pixels, dict[str, str]]:
    assert recipe.pixels is not None
    found = dict(zip(keys, seen(source, refs, recipe.pixels), strict=True))
    unseen = {key: str(one) for key, one in found.items() if isinstance(one, Unreadable)}
    good = [one for one in found.values() if not isinstance(one, Unreadable)]
    h, w = recipe.pixels.shape
    return np.stack(good) if good else np.zeros((0, h, w, 3), np.uint8), unseen
