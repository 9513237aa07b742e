"""Fine-tune: the network of an encoder learns a target itself, and is compared with the encoder as it was."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from boda.encoders.base import Encoder
from boda.encoders.registry import load_encoder
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.heads.asking import Asked
from boda.heads.crossfit import cross_fit
from boda.heads.learner import Outputs
from boda.heads.target import Kind
from boda.keys import shown, to_json
from boda.models.plan import EncoderPlan
from boda.pipelines.embed import embed
from boda.pipelines.heads.keeping import write_folder
from boda.pipelines.heads.material import Material, Plan, gather, learner_of, names_in
from boda.pipelines.networks.folder import HEAD_FOLDER, RunFolder
from boda.pipelines.networks.gathering import LARGEST, Listing, from_files, in_memory, refuse_lonely_classes
from boda.pipelines.places import Where, opened
from boda.pipelines.run.meter import OnProgress
from boda.pipelines.seeds import check_seed
from boda.pipelines.train import tame
from boda.pixels.augment import Augmentation, augmentation_named
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.sources.opening import open_described
from boda.training.preset import Preset, preset_named
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.pipelines.networks.tuning import How, Subject
    from boda.training.images import Images

_FAMILIES = ("timm", "resnet", "boda")
_EVERY = 60.0
_ROOM = 1.5
"""How much longer than their short side images are taken to be."""


@dataclass(frozen=True)
class FineTuned:
    """A network that was tuned on all rows, and what its kind is worth on rows held out."""

    folder: Path
    plan: EncoderPlan
    preset: Preset
    target: str
    kind: Kind
    rows: int
    history: tuple[Mapping[str, float], ...]
    """Of each epoch of the network that is kept."""
    primary: str
    """The score that chose the best epoch; lower is better."""
    epoch: int
    """That was kept; 0: the network as it began, none was better."""
    seconds: float
    """That the network took which is kept."""
    comparison: Mapping[str, Any] | None
    """Against the frozen encoder, see `boda.pipelines.networks.gain`, with `seconds` of both; None: not measured."""

    @property
    def encoder(self) -> str:
        """Its name as an encoder."""
        return f"run:{self.folder}"

    @property
    def head(self) -> Path:
        """The folder of its head, as of `boda.predict`."""
        return self.folder / HEAD_FOLDER

    @property
    def gain(self) -> Mapping[str, float] | None:
        """Of the metric that is quoted first: `value`, `low`, `high`, more is better; None: not measured."""
        return None if self.comparison is None else primary_row(self.comparison)["gain"]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "folder": to_json(str(self.folder)),
            "encoder": to_json(self.encoder),
            "head": to_json(str(self.head)),
            "network": self.plan.as_json(),
            "preset": self.preset.as_json(),
            "target": self.target,
            "kind": self.kind,
            "rows": self.rows,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "comparison": None if self.comparison is None else dict(self.comparison),
        }


def primary_row(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """The metric of a comparison that is quoted first."""
    return next(row for row in comparison["metrics"] if row["name"] == comparison["metric"])


def finetune(  # noqa: PLR0913 - each is an option of the command
    workspace: Where,
    target: str,
    *,
    encoder: str | Encoder = "auto",
    inputs: str | Sequence[str] = (),
    target_kind: Kind | None = None,
    tree: str | None = None,
    total: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    preset: str | Preset = "finetune",
    settings: Mapping[str, Any] | None = None,
    layer_decay: float = 0.75,
    freeze: str | float | None = None,
    norms: Literal["kept", "learned"] = "kept",
    groups: str | None = None,
    folds: int = 5,
    validation: float = 0.1,
    flip_pairs: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    save_every: float = _EVERY,
    progress: OnProgress | None = None,
    workers: int | None = None,
) -> FineTuned:
    """Train the network of an encoder on a target, beginning with the linear head of `boda.train`.

    First the frozen encoder is judged: its features, which are made where they are missing, and the head of
    `boda.train` on folds. Then on the same folds a network is tuned for each, on its training rows alone, and both are
    compared row by row. Last a network is tuned on all rows and kept: an encoder, `run:FOLDER`, and a head,
    `FOLDER/head`. Stop it anywhere and call it again: it goes on, and ends with the same weights.

    Args:
        workspace: whose images and labels.
        target: as of `boda.train`: a number, a class, ratings or votes.
        encoder: `auto`, `timm:NAME`, `resnet:NAME`, `hf-hub:OWNER/NAME`, `run:FOLDER`; or one that is loaded, which
            stays as it is.
        inputs: columns that the head is given beside the features.
        target_kind: as of `boda.train`, and so are `tree` and `total`.
        tree: of votes.
        total: of votes that are fractions.
        weights: a file, in place of the encoder's published weights.
        preset: how it is trained, by name or as a `Preset`.
        settings: fields of the preset to change: `{"epochs": 3, "augmentation": "galaxies"}`.
        layer_decay: by how much the learning rate falls from each layer to the one before it; that of the last layer is
            this share of the head's.
        freeze: layers that do not change: names, or what these begin with, with commas between; or a share of the
            layers, from the input on; 1 trains the head alone.
        norms: whether batch norms keep the statistics that the encoder came with, or learn those of the batches where
            they are not frozen. Weights of norms are learned either way.
        groups: a column; rows that agree there stay on one side.
        folds: of the comparison; 0: nothing is compared.
        validation: share of the training rows that chooses the best epoch.
        flip_pairs: classes that a flip swaps; () says that it swaps none. None: told by their names.
        seed: of folds, order, augmentation.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        to: folder of the run; by default NAME-ENCODER-tuned in the current folder.
        save_every: seconds between two states in the midst of an epoch.
        progress: is told where each network is.
        workers: decoders; None: one a core.

    Raises:
        NotFound: no such workspace, column or encoder.
        Refused: nothing can be learned so; or the loss is no finite number any more.
        MissingExtra: torch is not installed.
    """
    check_seed(seed)
    seed, there = int(seed), opened(workspace)
    how_preset = (preset_named(preset) if isinstance(preset, str) else preset).changed(**dict(settings or {}))
    augmentation = augmentation_named(how_preset.augmentation)
    if folds == 1 or folds < 0:
        raise Refused(f"folds={folds}: at least 2 to compare, or 0 for no comparison")
    loaded = _trainable(encoder, weights, device)
    from boda.pipelines.networks.tuning import How, division, record_of, refuse_untunable, tune

    how = How(how_preset, layer_decay, freeze, norms, validation, flip_pairs, seed, save_every)
    place = Path(to) if to is not None else _default_place(there, loaded)
    if "?" in str(place):
        raise Refused(f"{shown(str(place))}: a run's folder is part of its name as an encoder: give one without ?")
    folder = RunFolder(place)
    folder.check()
    recipe = _features_of(there, loaded, progress, workers)
    asked = Asked(target, target_kind, tree, total)
    plan = Plan(asked, (recipe.id, *names_in(inputs)), groups=groups, folds=folds or 2, seed=seed)
    material = gather(there, plan)
    _refuse(material)
    subject = _subject(there, loaded, material, augmentation, workers)
    from boda.pipelines.networks.tuned_head import tuned_head

    every = np.arange(len(material))
    refuse_untunable(subject, how, material.split(material.groups) if folds else None)
    folder.begin(record_of(subject, how, division(subject, how, every)) | {"folds": folds})
    comparison, said = _compared(subject, how, folder, progress) if folds else (None, None)
    kept = tune(subject, how, every, folder, progress)
    counts = there.counts([recipe.id])
    data = {"listed": counts.listed, "quarantined": counts.quarantined, "reasons": counts.by_reason}
    own = load_encoder(f"run:{place}", device=device).recipe
    write_folder(tuned_head(subject, kept, own, tame(target), said, data).files(), place / HEAD_FOLDER)
    return FineTuned(
        folder=place,
        plan=kept.plan,
        preset=how.preset,
        target=target,
        kind=material.target.kind,
        rows=len(material),
        history=tuple(kept.state.history),
        primary=kept.task.primary,
        epoch=kept.epoch,
        seconds=folder.seconds(),
        comparison=comparison,
    )


def _trainable(encoder: str | Encoder, weights: str | os.PathLike[str] | None, device: str) -> TorchEncoder:
    """The encoder, if it is a network whose weights a run can keep."""
    if isinstance(encoder, str):
        encoder = load_encoder(encoder, weights=weights, device=device)
    elif weights is not None:
        raise Refused("an encoder that is loaded has its weights: leave out weights, or give its name")
    name = encoder.recipe.name
    if "backend" in encoder.recipe.arguments:
        raise Refused(f"encoder {name!r} is computed by {encoder.recipe.arguments['backend']}: load it without backend")
    if not isinstance(encoder, TorchEncoder):
        raise Refused(f"encoder {name!r} has nothing to train: give auto, timm:, resnet:, run: or hf-hub:")
    if encoder.take(None, "model").recipe != encoder.recipe:
        raise Refused(f"encoder {name!r} gives features of a layer: the network's own are trained, leave out the layer")
    if encoder.recipe.architecture.partition(":")[0] not in _FAMILIES:
        raise Refused(f"encoder {name!r} cannot be fine-tuned yet: give auto, timm:, resnet:, run: or hf-hub:")
    exact = encoder.at("fp32")
    assert isinstance(exact, TorchEncoder)
    return exact


def _default_place(workspace: Workspace, encoder: TorchEncoder) -> Path:
    name = re.sub(r"[^0-9A-Za-z._-]+", "-", Path(encoder.recipe.name.rpartition(":")[2]).name).strip("-.")
    return Path(f"{workspace.path.name.removesuffix('.boda')}-{name or 'network'}-tuned")


def _features_of(
    workspace: Workspace, encoder: TorchEncoder, progress: OnProgress | None, workers: int | None
) -> Recipe:
    """The features of the frozen encoder, made where there are none: the baseline, and what finds near-duplicates."""
    for recipe in workspace.recipes():
        if replace(recipe, precision="fp32") == encoder.recipe:
            return recipe
    if workspace.source is None:
        raise Refused(f"{workspace.path}: its features were imported, so it does not know where its images are")
    embed(open_described(workspace.source), encoders=[encoder], to=workspace.path, progress=progress, workers=workers)
    return encoder.recipe


def _refuse(material: Material) -> None:
    """What cannot be tuned on."""
    target = material.target
    if target.kind == "labels":
        raise Refused(
            f"target {shown(target.name)!r}: fine-tuning learns a number, a class, ratings or votes, not labels"
        )
    for one in material.wanted[1:]:
        if one.recipe is not None:
            raise Refused(f"--inputs {shown(one.name)}: are features; only columns stand beside the images")
    refuse_lonely_classes(target, material.assembled.keys)


def _subject(
    workspace: Workspace, encoder: TorchEncoder, material: Material, augmentation: Augmentation, workers: int | None
) -> "Subject":
    """The encoder and the images of all rows, decoded once where they fit in memory."""
    from boda.encoders.request import find_device
    from boda.pipelines.networks.tuning import Subject

    if workspace.source is None:
        raise Refused(f"{workspace.path}: its features were imported, so it does not know where its images are")
    assert encoder.recipe.pixels is not None
    keys = material.assembled.keys
    refs = workspace.refs(keys)
    listing = Listing(open_described(workspace.source), tuple(refs[key] for key in keys), material.assembled.table)
    images, held, contents = _images(listing, encoder.recipe.pixels, augmentation, workers)
    return Subject(encoder, material, images, held, keys, contents, find_device(encoder.device))


def _images(
    listing: Listing, spec: PixelSpec, augmentation: Augmentation, workers: int | None
) -> "tuple[Images, Images, tuple[bytes, ...]]":
    """Images to be learned from, and as the encoder sees them, and digests of their bytes.

    The first two are the same where augmentations need no more of them.
    """
    from boda.training.images import OfAnySize

    height, width = spec.shape
    count = len(listing.refs)
    if count * height * width * 3 <= LARGEST:
        held, rows, left = in_memory(listing, spec, workers=workers)
    else:
        (held,), rows, left = from_files(listing, (spec,), workers=workers)
    if len(rows) < count:
        key, why = next(iter(left.unreadable.items()))
        raise Refused(f"{shown(key)}: has features, and can no longer be decoded ({why}): embed the images again")
    contents = tuple(left.contents[ref.key] for ref in listing.refs)
    if augmentation.shape is None:
        return held, held, contents
    short = spec.resize if isinstance(spec.resize, int) else min(spec.resize or spec.shape)
    side = augmentation.sized(spec.shape).short_side(short)
    (whole,), _, _ = from_files(listing, (replace(spec, resize=side, crop=None),), workers=workers)
    if count * side * side * 3 * _ROOM <= LARGEST:
        return OfAnySize(whole.each(np.arange(count)), whole.names), held, contents
    return whole, held, contents


def _compared(
    subject: "Subject", how: "How", folder: RunFolder, progress: OnProgress | None
) -> tuple[dict[str, Any], tuple[Outputs, npt.NDArray[np.int64]]]:
    """The frozen encoder against tuned networks on the same folds; and what these say of rows they had not seen."""
    from boda.pipelines.networks.gain import gain_of
    from boda.pipelines.networks.tuning import held_out

    material = subject.material
    folds = material.split(material.groups)
    rng = np.random.default_rng([material.plan.seed, 3])
    learner = learner_of(material.target, material.plan)
    _, frozen = cross_fit(material.inputs, material.target, learner, folds, groups=material.groups, rng=rng)
    said, seconds = np.empty_like(frozen.out_of_fold), 0.0
    for fold in range(int(folds.max()) + 1):
        of_fold = RunFolder(folder.path / f"fold-{fold + 1}")
        said[folds == fold] = held_out(subject, how, np.flatnonzero(folds != fold), of_fold, progress)
        seconds += of_fold.seconds()
    record = gain_of(material, folds, frozen.out_of_fold, said)
    record["seconds"] = {"frozen": round(frozen.seconds, 2), "tuned": round(seconds, 2)}
    folder.keep_comparison(record)
    return record, (said, folds)
