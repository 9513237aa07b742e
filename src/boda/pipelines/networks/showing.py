"""Showing: what an autoencoder that was trained here gives back of images, and what its features look like."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from boda.arrays import Pixels
from boda.encoders.registry import load_encoder
from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.pictures.sheet import Tile, contact_sheet
from boda.pipelines.networks.autoencoding import Autoencoding
from boda.pipelines.places import Where, opened
from boda.pixels.prepare import prepare
from boda.sources.opening import open_described
from boda.workspace.features import FeatureSet

_SIDE = 112
"""Of an image on a sheet, in pixels."""
_OUTER = (0.01, 0.99)
"""Quantiles between which a feature is moved."""

Run = str | os.PathLike[str]
Floats = npt.NDArray[np.floating[Any]]


def reconstructions(
    run: Run, workspace: Where, keys: Sequence[str] = (), *, epochs: Sequence[int] = (), count: int = 8
) -> Image.Image:
    """Images on top, and under them what the network gave back of each.

    Args:
        run: folder of an autoencoder.
        workspace: that lists the images.
        keys: of the images; none: the first ones.
        epochs: after which, one under the other, of those that were kept (`keep_epochs` of `boda.train_network`); 0:
            as the network began. None given: after the best.
        count: how many images, where no keys are given.

    Raises:
        NotFound: no such run, epoch or image.
        Refused: it is no autoencoder.
        BadImage: an image cannot be decoded.
    """
    there = opened(workspace)
    wanted = list(keys) or there.keys()[:count]
    return reconstruction_sheet(run, pixels_of(there, wanted, Autoencoding(run)), wanted, epochs=epochs)


def reconstruction_sheet(run: Run, pixels: Pixels, names: Sequence[str], *, epochs: Sequence[int] = ()) -> Image.Image:
    """The same of images (n, h, w, 3) that are prepared already."""
    networks = {f"epoch {epoch}": Autoencoding(run, epoch=epoch) for epoch in epochs} or {"best": Autoencoding(run)}
    seen = next(iter(networks.values())).seen(pixels)
    tiles = [Tile(_picture(image), (name,)) for image, name in zip(seen, names, strict=True)]
    for title, network in networks.items():
        made = network.reconstructed(pixels)
        errors = np.square(made - seen).mean(axis=(1, 2, 3))
        tiles += [Tile(_picture(image), (title, f"MSE {error:.4f}")) for image, error in zip(made, errors, strict=True)]
    return contact_sheet(tiles, columns=len(names), side=_SIDE)


def centres(run: Run, workspace: Where, *, clusters: int = 10, seed: int = 0) -> Image.Image:
    """What the middle of each cluster of features looks like, largest cluster first.

    Args:
        run: folder of an autoencoder.
        workspace: with its features (`boda.embed(..., encoders="run:RUN")`).
        clusters: of k-means.
        seed: of where k-means begins.

    Raises:
        NotFound: no such run, or the workspace has no features of it.
        Refused: it is no autoencoder, or has fewer images than clusters are asked for.
    """
    from sklearn.cluster import KMeans

    network, found = Autoencoding(run), _features(run, workspace)
    if not 1 <= clusters <= len(found.keys):
        raise Refused(f"{clusters} clusters of {len(found.keys):,} images: from 1 to as many as there are images")
    fitted = KMeans(clusters, n_init=4, random_state=seed).fit(np.asarray(found.array, np.float32))
    sizes = np.bincount(fitted.labels_, minlength=clusters)
    order = np.argsort(-sizes, kind="stable")
    images = network.decoded(fitted.cluster_centers_[order])
    tiles = [Tile(_picture(one), (f"{size:,} images",)) for one, size in zip(images, sizes[order], strict=True)]
    return contact_sheet(tiles, columns=5, side=_SIDE, title="decoded middles of clusters")


def traversal(run: Run, workspace: Where, key: str, feature: int | None = None, *, steps: int = 7) -> Image.Image:
    """What becomes of an image when one of its features is moved from where it is low among all images to high.

    Under each image is its difference from the image that is not moved, enlarged: grey where nothing changed.

    Args:
        run: folder of an autoencoder.
        workspace: with its features.
        key: of the image.
        feature: which, from 0; None: the one that differs most between images.
        steps: from low to high.

    Raises:
        NotFound: no such run, image or features.
        Refused: it is no autoencoder, or has no such feature.
    """
    import torch

    from boda.models.autoencoder import traversed

    network, found = Autoencoding(run), _features(run, workspace)
    place = int(np.argmax(np.std(found.array, axis=0))) if feature is None else feature
    mine = torch.from_numpy(_row(found, key))
    low, high = np.quantile(found.array[:, place], _OUTER) if 0 <= place < len(mine) else (0.0, 0.0)
    values = np.linspace(low, high, steps, dtype=np.float32)
    images = network.decoded(traversed(mine, place, torch.from_numpy(values)).numpy())
    own = network.decoded(mine[None].numpy())
    change = images - own
    times = 0.5 / max(float(np.abs(change).max()), 1e-6)
    moved = [Tile(_picture(one), (f"{value:+.2f}",)) for one, value in zip(images, values, strict=True)]
    upper = [Tile(_picture(own[0]), ("its own", f"{mine[place]:+.2f}")), *moved]
    lower = [Tile(_picture(0.5 + times * one), ("the change", f"{times:.2g} times")) for one in (0 * own[0], *change)]
    return contact_sheet([*upper, *lower], columns=steps + 1, side=_SIDE, title=f"feature {place} of {key}")


def interpolation(run: Run, workspace: Where, first: str, second: str, *, steps: int = 7) -> Image.Image:
    """From one image to another: on a straight line between their features, and under it between their pixels.

    The lower row is what blending says anyway; what the network knows is how far the upper one differs from it.

    Args:
        run: folder of an autoencoder.
        workspace: with its features.
        first: key of an image.
        second: key of the other.
        steps: both ends included.

    Raises:
        NotFound: no such run, image or features.
        Refused: it is no autoencoder, or there are fewer than two steps.
    """
    import torch

    from boda.models.autoencoder import interpolated

    network, found = Autoencoding(run), _features(run, workspace)
    one, other = (torch.from_numpy(_row(found, key)) for key in (first, second))
    images = network.decoded(interpolated(one, other, steps).numpy())
    seen = network.seen(pixels_of(opened(workspace), [first, second], network))
    shares = np.linspace(0, 1, steps)
    blended = [(1 - share) * seen[0] + share * seen[1] for share in shares]
    words = [first, *(f"{share:.0%}" for share in shares[1:-1]), second]
    upper = [Tile(_picture(image), ("features", word)) for image, word in zip(images, words, strict=True)]
    lower = [Tile(_picture(image), ("pixels", word)) for image, word in zip(blended, words, strict=True)]
    return contact_sheet([*upper, *lower], columns=steps, side=_SIDE)


def pixels_of(workspace: Where, keys: Sequence[str], network: Autoencoding) -> Pixels:
    """(n, h, w, 3) uint8 of listed images, as the network sees them.

    Raises:
        NotFound: one is not listed.
        Refused: the workspace does not know where its images are.
        BadImage: one cannot be decoded.
    """
    there = opened(workspace)
    if there.source is None:
        raise Refused(f"{there.path}: its features were imported, so it does not know where its images are")
    source, refs = open_described(there.source), there.refs(keys)
    return np.stack([prepare(source.read(refs[key]).data, network.pixels)[0] for key in keys])


def _features(run: Run, workspace: Where) -> FeatureSet:
    """Of the network, in whatever precision they were made."""
    own, there = load_encoder(f"run:{os.fspath(run)}", device="cpu").recipe, opened(workspace)
    alike = (one for one in there.recipes() if replace(one, precision=own.precision) == own)
    return there.features(next(alike, own))


def _row(found: FeatureSet, key: str) -> npt.NDArray[np.float32]:
    """(d,) of one image."""
    try:
        place = list(found.keys).index(key)
    except ValueError:
        raise NotFound(f"{shown(key)}: has no features of this network; embed it first") from None
    return np.array(found.array[place], np.float32)


def _picture(image: Floats) -> Image.Image:
    """(h, w, c), 0 to 1, enlarged in whole steps so that small images keep their pixels."""
    values = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
    colour = values if values.shape[2] == 3 else values.repeat(3, axis=2)
    times = max(1, _SIDE // max(colour.shape[:2]))
    return Image.fromarray(colour.repeat(times, axis=0).repeat(times, axis=1))
