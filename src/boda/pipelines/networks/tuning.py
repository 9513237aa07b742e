"""Tuning: the network of an encoder with the head of `boda train` behind it, trained together on some of the rows.

The head comes first, and comes solved: what `boda train` learns from features of the frozen encoder is put in as it is,
so the first step begins where a linear head ends. The network as it begins counts as an epoch too: where training makes
nothing better, it is what is kept.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from boda.encoders.network import Network
from boda.encoders.torch_encoder import TorchEncoder
from boda.encoders.trained import WEIGHTS, read_tuned, remade
from boda.errors import Refused
from boda.evaluation.rating_metrics import shares_of
from boda.heads.crossfit import fit
from boda.heads.inputs import Rows
from boda.heads.learner import Outputs, Predictor
from boda.heads.parts import FeaturePart
from boda.heads.preparation import Preparation
from boda.heads.target import Target
from boda.heads.votes import concentrations_of
from boda.models.plan import EncoderPlan
from boda.models.tuned import LinearHead, Tuned
from boda.pipelines.heads.material import Material, learner_of
from boda.pipelines.networks.dividing import divided, share_of
from boda.pipelines.networks.folder import RunFolder
from boda.pipelines.networks.gathering import Gathered
from boda.pipelines.networks.running import door_of, go_on
from boda.pipelines.networks.trained_head import facts_of
from boda.pipelines.run.meter import OnProgress
from boda.pixels.augment import Augmentation, augmentation_named
from boda.pixels.augmenting.labels import LabelSwaps, label_swaps
from boda.pixels.spec import PixelSpec
from boda.training import checkpoint
from boda.training.data import HeldRows, TrainingRows
from boda.training.images import Images
from boda.training.layerwise import Freeze, Layers, beside, frozen_modules, frozen_parameters, layers_of
from boda.training.loop import Run
from boda.training.preset import Preset
from boda.training.state import State
from boda.training.tasks import Classes, Number, Shares, Task, Votes, tensor_of

Norms: TypeAlias = Literal["kept", "learned"]
"""Statistics of batch norms: those that the network came with, or those of the batches it sees. Its features, and so
the head, hold for the first: with the others the loss of `auto` on 576 galaxies rose from 0.50 to 1.27 in the first
epoch, and in five it did not come back; kept, it fell to 0.35."""
HELD_OUT = "held-out"
"""Of a fold: what its network says of the rows that it has not seen."""
_TOLERANCE = 1e-4
"""Of the largest feature, by which a network that was made again may differ."""


@dataclass(frozen=True, slots=True)
class How:
    """How networks are tuned, all of them alike."""

    preset: Preset
    layer_decay: float
    freeze: Freeze
    norms: Norms
    validation: float
    """Share of the rows to choose the best epoch by."""
    pairs: Sequence[tuple[str, str]] | None
    seed: int
    every: float
    """Seconds between two states in the midst of an epoch."""

    def __post_init__(self) -> None:
        """Refuse a word that means nothing, and a share that is none."""
        share_of(self.validation)
        if self.norms not in get_args(Norms):
            raise Refused(f"norms is {self.norms!r}; it can be {', '.join(get_args(Norms))}")


@dataclass(frozen=True, eq=False)
class Subject:
    """What is tuned, on what: the same for every fold."""

    encoder: TorchEncoder
    """As it is without tuning; it stays so."""
    material: Material
    """n rows; the encoder's features are the first input."""
    images: Images
    """Of these, to be learned from."""
    held: Images
    """The same, as the encoder sees them."""
    names: tuple[str, ...]
    contents: tuple[bytes, ...]
    """SHA-256 of their bytes."""
    device: torch.device

    @property
    def pixels(self) -> PixelSpec:
        """What the network sees."""
        assert self.encoder.recipe.pixels is not None
        return self.encoder.recipe.pixels

    @cached_property
    def plan(self) -> EncoderPlan:
        """Of the network without its head's columns, which follow from the rows of a fold."""
        recipe = self.encoder.recipe
        arguments = {name: one for name, one in recipe.arguments.items() if name != "adapter"}
        return EncoderPlan(
            recipe.architecture,
            self.pixels.shape,
            self.encoder.width,
            scores_of(self.material.target),
            arguments=arguments,
            licence=recipe.licence,
        )

    def network(self) -> Network:
        """The encoder's network made again, on the host, with its own weights.

        Raises:
            Refused: it cannot be made again so that it computes the same.
        """
        network = remade(self.plan, self.pixels)
        own = self.encoder._running.network
        state = {name: one.cpu() for name, one in own.module.state_dict().items()}
        wanted = network.module.state_dict()
        lacking = [name for name in wanted if name not in state or state[name].shape != wanted[name].shape]
        if not lacking:
            network.module.load_state_dict({name: state[name] for name in wanted})
            noise = np.random.default_rng(17).integers(0, 256, (2, *self.pixels.shape, 3), dtype=np.uint8)
            images = door_of(self.pixels, torch.device("cpu"))(_floats(noise))
            with torch.no_grad():
                said = network.features(network.module.eval(), images).numpy()
            expected = self.encoder(noise)
            if np.abs(said - expected).max() <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
                return network
        raise Refused(
            f"encoder {self.encoder.recipe.name!r}: its network made again from its name computes something else, so a "
            "run could not keep it"
        )


@dataclass(frozen=True, eq=False)
class Kept:
    """A network that was tuned."""

    state: State
    plan: EncoderPlan
    preparation: Preparation
    """Of features and columns, as its head sees them."""
    task: Task
    folder: RunFolder

    @property
    def epoch(self) -> int:
        """The best one; 0: none was better than the network as it began."""
        return int(self.folder.kept_scores()["epoch"])


def scores_of(target: Target) -> int:
    """How many numbers the head gives for an image: of votes one more for each question."""
    return target.outputs + (len(target.tree.questions) if target.tree is not None else 0)


def division(subject: Subject, how: How, rows: Rows) -> Gathered:
    """These rows in two parts: one is learned from, the other chooses the best epoch; groups stay whole.

    Raises:
        Refused: too few rows or groups.
    """
    target, groups = subject.material.target.take(rows), subject.material.groups[rows]
    share = min(0.5, max(how.validation, 1 / len(np.unique(groups))))
    learned, chosen_by = divided(target, len(rows), share=share, groups=groups.tolist(), seed=how.seed)
    return Gathered(
        subject.images,
        subject.held,
        subject.names,
        subject.material.target,
        rows[learned],
        rows[chosen_by],
        {},
        subject.contents,
    )


def record_of(subject: Subject, how: How, gathered: Gathered) -> dict[str, Any]:
    """Whatever must not change while a run goes on."""
    return {
        "network": subject.plan.as_json() | {"weights": subject.encoder.recipe.weights},
        "preset": how.preset.as_json(),
        "layer_decay": how.layer_decay,
        "freeze": how.freeze,
        "norms": how.norms,
        "target": subject.material.plan.asked.text,
        "inputs": [one.name for one in subject.material.wanted[1:]],
        "seed": how.seed,
        "images": gathered.digest,
        "contents": gathered.content,
        "pairs": None if how.pairs is None else [list(pair) for pair in how.pairs],
        "columns": _digest_of(subject.material),
    }


def refuse_untunable(subject: Subject, how: How, folds: npt.NDArray[np.int64] | None) -> None:
    """Find out before anything is written whether a network can be tuned so, on all rows and on those of each fold.

    Raises:
        Refused: a flip changes what a target or a column says, no layer is called so, the decay is no share, or there
            are too few rows.
    """
    _swaps(subject, how)
    network = subject.network()
    layers = _layers(network, subject.pixels)
    layers.scales(how.layer_decay)
    frozen_parameters(network.module, layers, how.freeze)
    for fold in () if folds is None else range(int(folds.max()) + 1):
        division(subject, how, np.flatnonzero(folds != fold))


def _digest_of(material: Material) -> str:
    """Of the values of all columns that the head is given."""
    said = [(one.name, one.values.tolist()) for one in material.inputs.columns]
    return hashlib.sha256(repr(said).encode("utf-8", "surrogateescape")).hexdigest()


def tune(subject: Subject, how: How, rows: Rows, folder: RunFolder, progress: OnProgress | None) -> Kept:
    """Tune on these rows, or go on where that was stopped; a part of them chooses the best epoch.

    Args:
        subject: what and on what.
        how: it is done.
        rows: that may be learned from, in ascending order.
        folder: of the run.
        progress: is told where the run is.

    Raises:
        Refused: another run is there, too few rows, or the loss is no finite number any more.
    """
    gathered = division(subject, how, rows)
    preparation, predictor = _linear_head(subject.material, gathered.training, how.seed)
    columns = _columns(subject.material, preparation)
    run, plan = _run(subject, how, gathered, preparation, predictor, columns)
    folder.begin(record_of(subject, how, gathered))
    folder.keep_split([subject.names[row] for row in rows], np.searchsorted(rows, gathered.validation))
    target, began = subject.material.target, time.monotonic()
    try:
        state = go_on(
            run,
            folder,
            plan,
            target.names if target.kind == "class" else (),
            subject.pixels,
            seed=how.seed,
            every=how.every,
            tensorboard=False,
            progress=progress,
            beginning_counts=True,
            facts=facts_of(target, run.task),
        )
    except KeyboardInterrupt:
        folder.add_seconds(time.monotonic() - began)
        raise
    folder.add_seconds(time.monotonic() - began)
    return Kept(state, plan, preparation, run.task, folder)


def held_out(subject: Subject, how: How, rows: Rows, folder: RunFolder, progress: OnProgress | None) -> Outputs:
    """(m, o) what a network that is tuned on `rows` says of all others, in their order; kept in its folder.

    Arguments and errors are those of `tune`.
    """
    saved = checkpoint.load(folder.path, HELD_OUT)
    if saved is not None:
        found: Outputs = saved.tensors["outputs"].numpy()
        return found
    kept = tune(subject, how, rows, folder, progress)
    away = np.setdiff1d(np.arange(len(subject.material)), rows)
    outputs = outputs_of(subject, kept, away)
    checkpoint.save(folder.path, HELD_OUT, {"outputs": torch.from_numpy(outputs)}, {})
    return outputs


@torch.no_grad()
def outputs_of(subject: Subject, kept: Kept, rows: Rows) -> Outputs:
    """(m, o) outputs of the network that was kept, as those of a `Predictor`."""
    network, head, _ = read_tuned(kept.plan, subject.pixels, kept.folder.path / WEIGHTS)
    tuned = Tuned(network.module, network.features, head).to(subject.device).eval()
    columns = _columns(subject.material, kept.preparation)
    given = None if columns is None else columns[torch.from_numpy(rows)]
    held = HeldRows(subject.held, torch.zeros(len(rows)), rows, subject.pixels.shape, columns=given)
    door = door_of(subject.pixels, subject.device)
    said = []
    for batch in held.batches():
        beside_it = () if batch.columns is None else (batch.columns.to(subject.device),)
        said.append(tuned(door(batch.images.to(subject.device)), *beside_it).cpu())
    return as_outputs(kept.task, torch.cat(said).double().numpy())


def as_outputs(task: Task, scores: npt.NDArray[np.float64]) -> Outputs:
    """(n, o) scores of a head as outputs of a `Predictor`: numbers in their own units, concentrations of votes."""
    if isinstance(task, Number):
        return np.asarray(task.middle + task.spread * scores)
    return concentrations_of(scores, task.answers) if isinstance(task, Votes) else scores


def _run(
    subject: Subject,
    how: How,
    gathered: Gathered,
    preparation: Preparation,
    predictor: Predictor,
    columns: Tensor | None,
) -> tuple[Run, EncoderPlan]:
    target, preset, device = subject.material.target, how.preset, subject.device
    network = subject.network()
    layers = _layers(network, subject.pixels)
    frozen = frozen_parameters(network.module, layers, how.freeze)
    task, targets = _task(target, gathered.training)
    plan = _with_columns(subject.plan, columns)
    tuned: nn.Module = Tuned(network.module, network.features, _head(plan, preparation, predictor, task))
    for name, parameter in network.module.named_parameters():
        parameter.requires_grad_(name not in frozen)
    tuned = tuned.to(device)
    if preset.channels_last:
        tuned = tuned.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    still = frozen_modules(network.module, frozen)
    if how.norms == "kept":
        still += tuple(part for part in network.module.modules() if hasattr(part, "running_mean"))
    augmentation, swaps = _swaps(subject, how)

    def of(rows: Rows) -> tuple[Tensor, Tensor | None]:
        places = torch.from_numpy(rows)
        return targets[places], None if columns is None else columns[places]

    learned, given = of(gathered.training)
    classes = len(target.names) if target.kind == "class" else 0
    training = TrainingRows(
        subject.images, learned, gathered.training, plan.size, 3, augmentation, swaps, how.seed, classes, given
    )
    known, given = of(gathered.validation)
    return (
        Run(
            network=tuned,
            task=task,
            preset=preset,
            training=training,
            validation=HeldRows(subject.held, known, gathered.validation, plan.size, columns=given),
            device=device,
            door=door_of(subject.pixels, device),
            scales=beside(layers.scales(how.layer_decay), "encoder."),
            stays=lambda _: _put_to_rest(still),
        ),
        plan,
    )


def _swaps(subject: Subject, how: How) -> tuple[Augmentation, LabelSwaps]:
    """What training rows go through, and what that does to their labels."""
    augmentation = augmentation_named(how.preset.augmentation).sized(subject.plan.size)
    target = subject.material.target
    swaps = label_swaps(
        augmentation,
        names=target.names if target.kind in {"class", "votes"} else (),
        columns=[target.name, *(one.name for one in subject.material.wanted[1:])],
        pairs=how.pairs,
    )
    return augmentation, swaps


def _put_to_rest(modules: Sequence[nn.Module]) -> None:
    for module in modules:
        module.eval()


def _layers(network: Network, pixels: PixelSpec) -> Layers:
    return layers_of(network.module.eval(), network.features, torch.zeros(2, 3, *pixels.shape))


def _linear_head(material: Material, rows: Rows, seed: int) -> tuple[Preparation, Predictor]:
    """What `boda train` learns from these rows."""
    return fit(
        material.inputs.take(rows),
        material.target.take(rows),
        learner_of(material.target, material.plan),
        groups=material.groups[rows],
        rng=np.random.default_rng([seed, 3]),
    )


def _head(plan: EncoderPlan, preparation: Preparation, predictor: Predictor, task: Task) -> LinearHead:
    """A linear head of `boda train` as a module: the same scores for the same features."""
    head, part = LinearHead(plan.width, plan.columns, plan.outputs), preparation.kept[0]
    assert isinstance(part, FeaturePart)
    tensors = predictor.tensors()
    weights, offset = (np.asarray(tensors[name], np.float64) for name in ("weights", "offset"))
    if isinstance(task, Number):
        weights, offset = weights / task.spread, (offset - task.middle) / task.spread
    with torch.no_grad():
        head.mean.copy_(torch.from_numpy(part.mean))
        head.scale.copy_(torch.from_numpy(part.scale))
        head.linear.weight.copy_(torch.from_numpy(weights.T))
        head.linear.bias.copy_(torch.from_numpy(offset))
    return head


def _with_columns(plan: EncoderPlan, columns: Tensor | None) -> EncoderPlan:
    return plan if columns is None else replace(plan, columns=columns.shape[1])


def _columns(material: Material, preparation: Preparation) -> Tensor | None:
    """(n, c) prepared columns of all rows; None where there are none."""
    parts = Preparation(preparation.kept[1:])
    if not parts.width:
        return None
    return torch.from_numpy(np.array(parts.design(material.inputs).dense()))


def _task(target: Target, rows: Rows) -> tuple[Task, Tensor]:
    """What is learned, and the targets of all rows."""
    match target.kind:
        case "class":
            return Classes(target.names, "loss"), tensor_of(target.values)
        case "ratings":
            return Shares(target.levels), tensor_of(shares_of(target.values))
        case "votes":
            assert target.tree is not None
            widths = tuple(len(question.answers) for question in target.tree.questions)
            return Votes(widths), tensor_of(target.values)
        case "number":
            known = target.values[rows]
            return Number(float(known.mean()), float(known.std()) or 1.0), tensor_of(target.values)
        case _:
            raise Refused(f"fine-tuning learns a number, a class, ratings or votes, not {target.kind}")


def _floats(pixels: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255)
