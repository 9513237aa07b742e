"""What a run learns from: images of one place, some of them kept apart, as its network sees them."""

import os
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from boda.errors import Refused
from boda.heads.asking import Asked
from boda.heads.target import Target
from boda.keys import shown
from boda.models.plan import NetworkPlan, is_for_small_images
from boda.pipelines.networks.dividing import divided, share_of
from boda.pipelines.networks.gathering import (
    Gathered,
    Listing,
    from_files,
    groups_of,
    in_memory,
    known_elsewhere,
    listing_of,
    refuse_lonely_classes,
    small_among,
)
from boda.pixels.augment import augmentation_named
from boda.pixels.spec import PixelSpec
from boda.sources.base import root_text
from boda.sources.opening import open_described, open_source
from boda.sources.walking import is_workspace
from boda.training.preset import Preset
from boda.workspace.workspace import Workspace, open_workspace

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ROOM = 256 / 224
"""Short side of an image over the side that is cut from its middle, as in the paper's test."""


def listing_at(source: Any) -> Listing:
    """Of a source, or of the source of a workspace with its labels."""
    if isinstance(source, str | os.PathLike):
        source = open_workspace(source) if is_workspace(os.fsencode(source)) else open_source(source)
    if isinstance(source, list | tuple | set) or source is None:
        raise Refused(f"{shown(repr(source))[:60]}: one source of images is wanted: a folder, a table, a workspace")
    if isinstance(source, Workspace):
        if source.source is None:
            raise Refused(f"{source.path}: its features were imported, so it does not know where its images are")
        keys = source.keys()
        refs = source.refs(keys)
        return Listing(open_described(source.source), tuple(refs[key] for key in keys), source.frame())
    return listing_of(source)


def kept_apart(
    validation: Any, groups: str | None, listing: Listing, asked: Asked | None, target: Target | None
) -> "tuple[float | tuple[Listing, Target | None], str | None, dict[str, int]]":
    """The share to keep apart, or the other images, where they are, and how many of them have no target."""
    if validation is None or isinstance(validation, Real):
        return share_of(validation), None, {}
    if groups is not None:
        raise Refused("groups say how rows are divided, but validation names other images: leave out one of them")
    other = listing_at(validation)
    found = known_elsewhere(other, asked, target, listing.source)
    unknown = len(other.refs) - len(found[0].refs)
    left_out = {"no target (validation)": unknown} if unknown else {}
    return found, root_text(other.source.description), left_out


def gather(
    listing: Listing,
    target: Target | None,
    plan: NetworkPlan,
    preset: Preset,
    apart: "float | tuple[Listing, Target | None]",
    groups: str | None,
    seed: int,
    channels: int | None,
    workers: int | None,
) -> tuple[Gathered, PixelSpec, NetworkPlan]:
    """Images and targets, what the network sees of an image, and the plan with as many channels as there are."""
    side = plan.size[0]
    mean, std = ((0.0,) * 3, (1.0,) * 3) if plan.is_autoencoder else (IMAGENET_MEAN, IMAGENET_STD)
    small = is_for_small_images(plan.name)
    seen = PixelSpec(side if small else round(side * _ROOM), plan.size, "bilinear", mean=mean, std=std)
    decoded = partial(_decoded, plan=plan, preset=preset, seen=seen, workers=workers)
    gathered, kept = decoded(listing, target)
    grey = plan.is_autoencoder and _grey(gathered.images)
    elsewhere = isinstance(apart, tuple)
    if gathered.target is not None:
        refuse_lonely_classes(gathered.target, gathered.names, each=1 if elsewhere else 2)
    if isinstance(apart, tuple):
        other = decoded(*apart)[0]
        grey = grey and _grey(other.images)
        gathered = gathered.beside(other)
    else:
        rows = len(gathered.names)
        by = groups_of(kept, groups)
        training, validation = divided(gathered.target, rows, share=apart, groups=by, seed=seed)
        gathered = replace(gathered, training=training, validation=validation)
    if plan.is_autoencoder:
        plan = replace(plan, channels=channels or (1 if grey else 3))
    return gathered, seen, plan


def _decoded(
    listing: Listing,
    target: Target | None,
    *,
    plan: NetworkPlan,
    preset: Preset,
    seen: PixelSpec,
    workers: int | None,
) -> tuple[Gathered, Listing]:
    """What can be decoded of a listing, not divided yet, and what is known of it."""
    if is_for_small_images(plan.name):
        images, rows, left = in_memory(listing, seen, workers=workers)
        held = images
    else:
        short = round(plan.size[0] * _ROOM)
        augmentation = augmentation_named(preset.augmentation).sized(plan.size)
        whole = replace(seen, crop=None, resize=augmentation.short_side(short))
        enlarge = augmentation.shape is None
        (images, held), rows, left = from_files(listing, (whole, seen), workers=workers, enlarge=enlarge)
    kept = listing.take(rows)
    names = tuple(ref.key for ref in kept.refs)
    target = target.take(rows) if target is not None else None
    everything = np.arange(len(rows))
    contents = tuple(left.contents[name] for name in names)
    small = small_among(left.sides, plan.size[0])
    return Gathered(images, held, names, target, everything, everything[:0], left.unreadable, contents, small), kept


def _grey(images: Any) -> bool:
    """Whether all images are."""
    pixels = images.pixels.numpy()
    return bool((pixels[..., :1] == pixels).all())
