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
from boda.encoders.registry import encoders_for
from boda.errors import Refused
from boda.explanations.passes import blocks
from boda.heads.head import Head
from boda.keys import shown
from boda.pipelines.explaining.images import Chosen, files, images_of, loaded, read, rows_of_workspace
from boda.pipelines.searching.examples import encoder_of, rows_of
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Source
from boda.workspace.features import FeatureSet
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
    source = images_of(workspace)
    chosen = rows_of_workspace(workspace, source, features, limit=limit, rng=rng, row=row, where=where)
    made = encoder_of(features.recipe, encoder, weights, device)()
    return _subjects(chosen, made, workspace, features)


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
    if head is not None and not head.recipes:
        raise Refused(f"head {shown(head.name)!r} takes columns only: there is no image to explain it by")
    chosen = files(given, limit=limit, rng=rng)
    if head is None:
        made = loaded(encoder, weights, device)
    else:
        made = encoders_for(head.recipes, encoder, weights=weights, device=device)[0]
    return _subjects(chosen, made, None, None)


def _subjects(chosen: Chosen, encoder: "Encoder", workspace: Workspace | None, features: FeatureSet | None) -> Subjects:
    """The network and the pixels of those that can be read.

    Raises:
        Refused: none can, or the encoder is no network of torch.
    """
    network = open_network(encoder)
    assert network.recipe.pixels is not None
    pixels, unseen = read(chosen, network.recipe.pixels)
    refs = tuple(one for one in chosen.refs if one.key not in unseen)
    if not refs:
        key = chosen.refs[0].key
        again = "" if workspace is None else "no image can be read any more: "
        raise Refused(f"{again}{shown(key)}: {unseen[key]}")
    keys = tuple(one.key for one in refs)
    stored: StoredFeatures | None = None
    if workspace is not None and features is not None:
        rows = rows_of(workspace, features, keys)
        stored = features.array[[rows[key] for key in keys]]
    return Subjects(keys, refs, pixels, chosen.source, encoder, network, workspace, features, stored, chosen.of, unseen)
