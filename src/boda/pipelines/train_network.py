"""Train a network: images become weights, safe to stop anywhere; afterwards an encoder like any other."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from boda.encoders.registry import load_encoder
from boda.encoders.torch_encoder import TorchEncoder
from boda.heads.asking import Asked
from boda.heads.target import Kind
from boda.keys import to_json
from boda.models.plan import NetworkPlan
from boda.pipelines.heads.keeping import write_folder
from boda.pipelines.networks.asking import asking, begun_with
from boda.pipelines.networks.collecting import gather, kept_apart, listing_at
from boda.pipelines.networks.folder import HEAD_FOLDER, RECONSTRUCTIONS, RunFolder, weights_at
from boda.pipelines.networks.gathering import Gathered, Small, known_targets
from boda.pipelines.networks.planning import (
    plan_of,
    preset_for,
    refuse_epochs,
    refuse_nonsense,
    refuse_objective,
    run_place,
    swaps_of,
)
from boda.pipelines.networks.trained_head import facts_of, trained_head
from boda.pipelines.places import Where
from boda.pipelines.run.meter import OnProgress
from boda.pipelines.train import tame
from boda.sources.base import Source
from boda.training.objective import Objective
from boda.training.preset import Preset
from boda.workspace.workspace import Workspace

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
        preset: how it is trained, by name or as a `Preset`; None: the fast one for this network and target, in smaller
            steps where there are few images (`Preset.for_few`).
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
    refuse_nonsense(target_kind, size, channels, seed)
    seed, place = int(seed), run_place(source, net, to, resume)
    folder = RunFolder(place)
    folder.check()
    everything = listing_at(source)
    asked = None if target is None else Asked(target, target_kind)
    shared_out = isinstance(validation, Real)
    listing, found = known_targets(everything, asked, each=2 if shared_out else 1)
    plan = plan_of(net, found, size, channels or 3)
    objective = objective or Objective()
    refuse_objective(objective, plan)
    how = preset_for(preset, plan, found, settings, device, len(listing.refs))
    refuse_epochs(keep_epochs, how)
    swaps = swaps_of(how, found, flip_pairs)
    begun = folder.begun_with_weights if init is None else _init_digest(Path(init))
    apart, elsewhere, left_out = kept_apart(validation, groups, listing, asked, found)
    if len(everything.refs) > len(listing.refs):
        left_out = {"no target": len(everything.refs) - len(listing.refs)} | left_out
    gathered, pixels, plan = gather(listing, found, plan, how, apart, groups, seed, channels, workers)
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


def _show(folder: RunFolder, gathered: Gathered, epochs: Sequence[int]) -> None:
    """Draw the first validation images beside what was made of them."""
    from boda.pictures.sheet import write_sheet
    from boda.pipelines.networks.showing import reconstruction_sheet

    rows = gathered.validation[:_SHOWN]
    there = [epoch for epoch in epochs if folder.epoch_file(epoch).is_file()]
    names = [gathered.names[row] for row in rows]
    sheet = reconstruction_sheet(folder.path, np.stack(gathered.held.each(rows)), names, epochs=there)
    write_sheet(sheet, folder.path / RECONSTRUCTIONS, mark="boda train-net")


def _init_digest(run: Path) -> str:
    from boda.encoders.trained import read_network

    read_network(run.parent if run.is_file() else run)
    _, file = weights_at(run)
    return hashlib.sha256(file.read_bytes()).hexdigest()
