"""Nearest neighbours of an image at any layer: what a network calls alike there, from colours to things."""

from collections.abc import Iterable

import numpy as np
import torch

from boda.arrays import Features, Pixels
from boda.encoders.opened import OpenNetwork
from boda.encoders.pooling import pooled
from boda.errors import Refused
from boda.explanations.layer_output import at_the_door, layer_output
from boda.neighbours.exact import Metric, Neighbours, Rows, nearest


def layer_features(
    opened: OpenNetwork, layer: str, batches: Iterable[Pixels], *, pooling: str | None = None, at_once: int = 64
) -> Features:
    """(n, d) what a layer gives for images that stream by, pooled.

    Args:
        opened: the network; left as it was.
        layer: as in its anatomy.
        batches: of (n, h, w, 3) of the network's own height and width.
        pooling: as of features; None: the mean over places.
        at_once: images at once; bounds memory.

    Raises:
        Refused: no such layer, it cannot be pooled so, pixels of another shape, or no images.
    """
    part = opened.anatomy.part(layer, pooling)
    found = []
    for _, batch in at_the_door(opened, batches, at_once):
        with torch.no_grad():
            found.append(pooled(layer_output(opened, layer, batch), part.pooling, part.layout).cpu().numpy())
    if not found:
        raise Refused(f"no images to look at in layer {layer}")
    return np.concatenate(found)


def layer_neighbours(
    opened: OpenNetwork,
    layer: str,
    queries: Pixels,
    batches: Iterable[Pixels],
    k: int,
    *,
    metric: Metric = "cosine",
    pooling: str | None = None,
    exclude: Rows | None = None,
    at_once: int = 64,
) -> Neighbours:
    """The k images of a collection that are nearest to each of some images at a layer.

    Args:
        opened: the network; left as it was.
        layer: as in its anatomy.
        queries: (q, h, w, 3).
        batches: the collection, of (n, h, w, 3).
        k: how many.
        metric: as of `boda.neighbours`.
        pooling: as of `layer_features`.
        exclude: (q,) the row of the collection that each query itself is.
        at_once: images at once.

    Raises:
        Refused: as `layer_features` and `boda.neighbours.exact.nearest`.
    """
    rows = layer_features(opened, layer, batches, pooling=pooling, at_once=at_once)
    asked = layer_features(opened, layer, [queries], pooling=pooling, at_once=at_once)
    return nearest(rows, asked, k, metric=metric, exclude=exclude)
