"""Train a network: images become weights, safe to stop anywhere; afterwards an encoder like any other."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from boda.encoders.registry import load_encoder
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.heads.asking import Asked
from boda.heads.target import Kind, Target
from boda.keys import shown, to_json
from boda.models.plan import AUTOENCODER, NetworkPlan, is_for_small_images, natural_side, refuse_unknown
from boda.pipelines.heads.keeping import write_folder
from boda.pipelines.networks.asking import asking, begun_with
from boda.pipelines.networks.dividing import divided, share_of
from boda.pipelines.networks.folder import HEAD_FOLDER, RECONSTRUCTIONS, RunFolder, weights_at
from boda.pipelines.networks.gathering import (
    Gathered,
    Listing,
    Small,
    from_files,
    groups_of,
    in_memory,
    known_elsewhere,
    known_targets,
    listing_of,
    refuse_lonely_classes,
    small_among,
)
from boda.pipelines.networks.trained_head import facts_of, trained_head
from boda.pipelines.places import Where
from boda.pipelines.run.meter import OnProgress
from boda.pipelines.seeds import check_seed
from boda.pipelines.train import tame
from boda.pixels.augment import augmentation_named
from boda.pixels.augmenting.labels import LabelSwaps, label_swaps
from boda.pixels.spec import PixelSpec
from boda.sources.base import Source, root_text
from boda.sources.opening import open_described, open_source
from boda.training.objective import Objective
from boda.training.preset import Preset, preset_named
from boda.workspace.workspace import Workspace

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ROOM = 256 / 224
"""Short side of an image over the side that is cut from its middle, as in the paper's test."""
_KINDS = ("number", "class", "ratings")
_LEAST_SIZE = 8
_SHOWN = 8
"""Images that an autoencoder's folder shows."""
_EVERY = 60.0
"""Seconds between two states in the midst of an epoch."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A run that has ended."""

    folder: Path
    plan: NetworkPlan
    preset: Preset
    classes: tuple[str, ...]
    history: tuple[Mapping[str, float], ...]
    """Of each epoch: `epoch`, `step`, `lr`, `train_*`, `validation_*`."""
    primary: str
    """The score that chose the best epoch; lower is better."""
    training: int
    validation: int
    """Images learned from, and those that chose the best epoch."""
    unreadable: int
    seconds: float
    """Of this call."""
    validation_source: str | None = None
    """Where the images that chose the best epoch are; None: they are a share of the source."""
    target: str | None = None
    """None: the images themselves."""
    kind: Kind | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Images that were not looked at, by reason."""
    small: Small | None = None
    """Images that had to be enlarged."""
    taken: tuple[int, int] | None = None
    """Tensors that it began with of another run's, and how many it has; None: it began with random ones."""
    shared: int = 0
    """Validation images whose bytes are learned from too."""

    @property
    def head(self) -> Path | None:
        """The folder of its head, as of `boda.predict`; None of an autoencoder."""
        return None if self.plan.is_autoencoder else self.folder / HEAD_FOLDER

    @property
    def encoder(self) -> str:
        """Its name as an encoder."""
        return f"run:{self.folder}"

    @property
    def best(self) -> Mapping[str, float]:
        """The epoch that was kept."""
        return min(self.history, key=lambda row: row[f"validation_{self.primary}"])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "folder": to_json(str(self.folder)),
            "encoder": to_json(self.encoder),
            "network": self.plan.as_json(),
            "preset": self.preset.as_json(),
            "classes": list(self.classes),
            "training": self.training,
            "validation": self.validation,
            "validation_source": None if self.validation_source is None else to_json(self.validation_source),
            "unreadable": self.unreadable,
            "target": None if self.target is None else to_json(self.target),
            "kind": self.kind,
            "head": None if self.head is None else to_json(str(self.head)),
            "left_out": dict(self.left_out),
            "small": None if self.small is None else self.small.as_json(),
            "taken": None if self.taken is None else {"tensors": self.taken[0], "of": self.taken[1]},
            "shared": self.shared,
            "primary": self.primary,
            "best": dict(self.best),
            "last": dict(self.history[-1]),
            "seconds": round(self.seconds, 2),
        }


def train_network(  # noqa: PLR0913 - each is an option of the command
    source: "str | os.PathLike[str] | Source | Where | None" = None,
    *,
    net: str = "resnet20",
    target: str | None = None,
    target_kind: Kind | None = None,
    preset: str | Preset | None = None,
    settings: Mapping[str, Any] | None = None,
    objective: Objective | None = None,
    size: int | None = None,
    channels: int | None = None,
    validation: "float | str | os.PathLike[str] | Source | Workspace" = 0.1,
    groups: str | None = None,
    init: str | os.PathLike[str] | None = None,
    flip_pairs: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    save_every: float = _EVERY,
    keep_epochs: Sequence[int] = (),
    tensorboard: bool = False,
    progress: OnProgress | None = None,
    workers: int | None = None,
) -> TrainedNetwork:
    """Train a network from pixels, or go on with a run that was stopped.

    The same call again goes on where it was stopped, and ends with the same weights, to the bit on the same machine
    with as many threads. A part of the rows, never more than asked for, is kept apart to choose the best epoch by: no
    test of the network. What it is worth must be told by images that had no part in this.

    Args:
        source: images, as of `boda.embed`; or a workspace, for its images and labels. None: of `resume`.
        net: `resnet20`, `resnet50`, ...; `autoencoder`. Arguments ride on the name: `resnet20?shortcut=B`.
        target: a column, as of `boda.train`: `class` of a folder by class. None: the images themselves.
        target_kind: number, class or ratings; None: told by the values. A ResNet's folder has a head of it,
            `FOLDER/head`, for `boda.predict`.
        preset: how it is trained, by name or as a `Preset`; None: the fast one for this network and target.
        settings: fields of the preset to change: `{"epochs": 3, "augmentation": "none"}`.
        objective: of an autoencoder.
        size: side of the images in pixels; None: what the network was made for.
        channels: of an autoencoder: 1 or 3; None: 1 where all images are grey.
        validation: share of the rows to choose the best epoch by; or other images, as `source`, all of which do that.
        groups: a column; rows that agree there are never on both sides.
        init: the folder of another run, whose weights it begins with as far as they have a place; those of its best
            epoch, or of a kept one where its file is given (`RUN/epoch-0003.safetensors`). A run that goes on needs it
            no more.
        flip_pairs: classes that a flip swaps, by name; () says that it swaps none. None: told by their names, as `left`
            and `right`.
        seed: of weights, order, augmentation.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        to: folder of the run; by default NAME-NET in the current folder.
        resume: the folder of a run that must be there already. Without `source` all that the run was begun with is
            taken from it, and may not be given again.
        save_every: seconds between two states in the midst of an epoch; after each epoch one is kept anyway.
        keep_epochs: epochs whose network is kept too, as `epoch-0003.safetensors`; 0: as it began.
        tensorboard: write its event files too.
        progress: is told where the run is.
        workers: decoders; None: one a core.

    Returns:
        What was learned; the folder has curves, and is an encoder: `run:FOLDER`.

    Raises:
        NotFound: no such source, column, network or run.
        Refused: nothing can be learned so; or the loss is no finite number any more.
        MissingExtra: torch is not installed.
    """
    began = time.perf_counter()
    again: dict[str, Any] = {
        "net": net,
        "target": target,
        "target_kind": target_kind,
        "preset": preset,
        "settings": settings,
        "objective": objective,
        "size": size,
        "channels": channels,
        "validation": validation,
        "groups": groups,
        "init": init,
        "flip_pairs": flip_pairs,
        "seed": seed,
        "keep_epochs": keep_epochs,
    }
    if source is None:
        return train_network(
            **begun_with(resume, again),
            device=device,
            resume=resume,
            save_every=save_every,
            tensorboard=tensorboard,
            progress=progress,
            workers=workers,
        )
    _refuse_nonsense(target_kind, size, channels, seed)
    seed, place = int(seed), _place(source, net, to, resume)
    folder = RunFolder(place)
    folder.check()
    everything = _listing(source)
    asked = None if target is None else Asked(target, target_kind)
    shared_out = isinstance(validation, Real)
    listing, found = known_targets(everything, asked, each=2 if shared_out else 1)
    plan = _plan(net, found, size, channels or 3)
    objective = objective or Objective()
    _refuse_objective(objective, plan)
    how = _preset(preset, plan, found, settings, device)
    _refuse_epochs(keep_epochs, how)
    swaps = _swaps(how, found, flip_pairs)
    begun = folder.begun_with_weights if init is None else _init_digest(Path(init))
    apart, elsewhere, left_out = _apart(validation, groups, listing, asked, found)
    if len(everything.refs) > len(listing.refs):
        left_out = {"no target": len(everything.refs) - len(listing.refs)} | left_out
    gathered, pixels, plan = _gathered(listing, found, plan, how, apart, groups, seed, channels, workers)
    what = {
        "network": plan.as_json(),
        "preset": how.as_json(),
        "objective": objective.as_json(),
        "target": target,
        "seed": seed,
        "images": gathered.digest,
        "validation": None if elsewhere is None else "source",
        "init": begun,
        "contents": gathered.content,
        "pairs": None if flip_pairs is None else [list(pair) for pair in flip_pairs],
    }
    from boda.pipelines.networks.running import go_on, made
    from boda.training.crew import crew_here
    from boda.training.tasks import Reconstruction

    crew = crew_here(device)
    run, classes, taken = made(plan, how, objective, gathered, pixels, swaps=swaps, seed=seed, device=device, init=init)
    if crew.leads:
        folder.begin(what, asked=asking(again, source, plan, how))
        folder.keep_unreadable(gathered.unreadable)
        part = "validation" if elsewhere is None else "validation source"
        folder.keep_split(gathered.names, gathered.validation, part=part)
    crew.wait()
    state = go_on(
        run,
        folder,
        plan,
        classes,
        pixels,
        seed=seed,
        every=save_every,
        tensorboard=tensorboard,
        progress=progress,
        keep_epochs=keep_epochs,
        facts=facts_of(found, run.task),
    )
    if isinstance(run.task, Reconstruction) and crew.leads:
        _show(folder, gathered, keep_epochs)
    if asked is not None and found is not None and not plan.is_autoencoder and crew.leads:
        encoder = load_encoder(f"run:{place}", device="cpu")
        assert isinstance(encoder, TorchEncoder)
        head = trained_head(encoder, gathered, found, run.task, asked, tame(asked.text))
        write_folder(head.files(), place / HEAD_FOLDER)
    return TrainedNetwork(
        folder=place,
        plan=plan,
        preset=how,
        classes=classes,
        history=tuple(state.history),
        primary=run.task.primary,
        training=len(gathered.training),
        validation=len(gathered.validation),
        validation_source=elsewhere,
        unreadable=len(gathered.unreadable),
        target=target,
        kind=None if found is None else found.kind,
        left_out=left_out,
        small=gathered.small,
        taken=taken,
        shared=len(gathered.shared),
        seconds=time.perf_counter() - began,
    )


def _place(source: Any, net: str, to: Any, resume: Any) -> Path:
    if to is not None and resume is not None:
        raise Refused("give either to or resume: resume is the folder of the run itself")
    if resume is not None:
        place = Path(resume)
        if RunFolder(place).record() is None:
            raise Refused(f"{shown(str(place))}: no run to go on with; leave out --resume, or give its folder")
        return place
    place = Path(to) if to is not None else Path(f"{_name_of(source)}-{net.partition('?')[0]}")
    if "?" in str(place):
        raise Refused(f"{shown(str(place))}: a run's folder is part of its name as an encoder: give one without ?")
    return place


def _name_of(source: Any) -> str:
    """What a source is called: of a folder all of its name, of a file what comes before its endings."""
    if isinstance(source, Workspace):
        return source.path.name.removesuffix(".boda")
    if not isinstance(source, str | os.PathLike):
        return "images"
    place = os.path.abspath(source)  # noqa: PTH100 - takes `..` out, but follows no link
    name = os.path.basename(place).lstrip(".").removesuffix(".boda")  # noqa: PTH119
    return (name if os.path.isdir(place) else name.partition(".")[0]) or "images"  # noqa: PTH112


def _refuse_nonsense(kind: Any, size: Any, channels: Any, seed: Any) -> None:
    """What no command could ask for, and Python can."""
    if kind not in (None, *_KINDS):
        raise Refused(f"target_kind={kind!r}: it can be {', '.join(_KINDS)}")
    if size is not None and (not isinstance(size, int) or size < _LEAST_SIZE):
        raise Refused(f"size={size!r}: a side in pixels, {_LEAST_SIZE} or more")
    if channels not in (None, 1, 3):
        raise Refused(f"channels={channels!r}: it can be 1 or 3")
    check_seed(seed)


def _refuse_objective(objective: Objective, plan: NetworkPlan) -> None:
    """An objective that the network has no use for."""
    changed = [name for name, value in objective.as_json().items() if value != Objective().as_json()[name]]
    if changed and not plan.is_autoencoder:
        raise Refused(f"{changed[0]} is of an autoencoder, and a {plan.name} gives no images back: leave it out")
    if objective.classes_weight and not plan.outputs:
        raise Refused("classes_weight is of a classifier beside the images: give a --target, or leave it out")
    if objective.distance != "mse" and plan.outputs and not objective.classes_weight:
        raise Refused(
            f"distance {objective.distance}: with a target an autoencoder learns the classes alone; give "
            "--classes-weight too, or leave the distance out"
        )


def _listing(source: Any) -> Listing:
    """Of a source, or of the source of a workspace with its labels."""
    from boda.sources.walking import is_workspace
    from boda.workspace.workspace import open_workspace

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


def _plan(net: str, target: Target | None, size: int | None, channels: int) -> NetworkPlan:
    from boda.encoders.names import parse_name

    name = parse_name(net)
    refuse_unknown(name.bare)
    if target is None and name.bare != AUTOENCODER:
        raise Refused(f"{name.bare} learns a target: give --target COLUMN (class, of a folder by class)")
    if target is not None and target.kind not in {"class", "number", "ratings"}:
        raise Refused(f"a network learns a class, a number or ratings from pixels, not {target.kind}")
    if target is not None and target.kind != "class" and name.bare == AUTOENCODER:
        raise Refused(f"an autoencoder learns images and classes, not a target of {target.kind}: give a resnet")
    outputs = 0 if target is None else 1 if target.kind == "number" else len(target.names)
    side = size or natural_side(name.bare)
    return NetworkPlan(name.bare, (side, side), channels, outputs, dict(name.arguments))


def _preset(
    preset: str | Preset | None,
    plan: NetworkPlan,
    target: Target | None,
    settings: Mapping[str, Any] | None,
    device: str,
) -> Preset:
    """The preset with its changes; bf16 only where the device is fast at it."""
    from boda.encoders.precision import bf16_is_fast
    from boda.encoders.request import find_device

    if preset is None:
        small = "autoencoder-fast" if plan.is_autoencoder else "cifar-fast"
        preset = small if is_for_small_images(plan.name) else "imagenet-fast"
        if target is not None and target.kind == "number":
            preset = preset.replace("-fast", "-number")
    found = preset_named(preset) if isinstance(preset, str) else preset
    if found.precision == "bf16" and not bf16_is_fast(str(find_device(device))):
        found = found.changed(precision="fp32")
    return found.changed(**dict(settings or {}))


def _apart(
    validation: Any, groups: str | None, listing: Listing, asked: Asked | None, target: Target | None
) -> "tuple[float | tuple[Listing, Target | None], str | None, dict[str, int]]":
    """The share to keep apart, or the other images, where they are, and how many of them have no target."""
    if validation is None or isinstance(validation, Real):
        return share_of(validation), None, {}
    if groups is not None:
        raise Refused("groups say how rows are divided, but validation names other images: leave out one of them")
    other = _listing(validation)
    found = known_elsewhere(other, asked, target, listing.source)
    unknown = len(other.refs) - len(found[0].refs)
    left_out = {"no target (validation)": unknown} if unknown else {}
    return found, root_text(other.source.description), left_out


def _swaps(preset: Preset, target: Target | None, pairs: Sequence[tuple[str, str]] | None) -> LabelSwaps:
    """What the flips of an augmentation do to a target; who must say so is told before anything is decoded."""
    return label_swaps(
        augmentation_named(preset.augmentation),
        names=target.names if target is not None and target.kind == "class" else (),
        columns=() if target is None else (target.name,),
        pairs=pairs,
    )


def _refuse_epochs(keep_epochs: Any, preset: Preset) -> None:
    if isinstance(keep_epochs, str) or not all(isinstance(epoch, Integral) for epoch in keep_epochs):
        raise Refused(f"keep_epochs={keep_epochs!r}: numbers are wanted, as [0, 3, 10]")
    for epoch in keep_epochs:
        if not 0 <= epoch <= preset.epochs:
            raise Refused(f"keep_epochs has {epoch}, of epochs 0 (as the network began) to {preset.epochs}")


def _gathered(
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


def _show(folder: RunFolder, gathered: Gathered, epochs: Sequence[int]) -> None:
    """Draw the first validation images beside what was made of them."""
    from boda.pictures.sheet import write_sheet
    from boda.pipelines.networks.showing import reconstruction_sheet

    rows = gathered.validation[:_SHOWN]
    there = [epoch for epoch in epochs if folder.epoch_file(epoch).is_file()]
    names = [gathered.names[row] for row in rows]
    sheet = reconstruction_sheet(folder.path, np.stack(gathered.held.each(rows)), names, epochs=there)
    write_sheet(sheet, folder.path / RECONSTRUCTIONS, mark="boda train-net")


def _grey(images: Any) -> bool:
    """Whether all images are."""
    pixels = images.pixels.numpy()
    return bool((pixels[..., :1] == pixels).all())


def _init_digest(run: Path) -> str:
    from boda.encoders.trained import read_network

    read_network(run.parent if run.is_file() else run)
    _, file = weights_at(run)
    return hashlib.sha256(file.read_bytes()).hexdigest()
