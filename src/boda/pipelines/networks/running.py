"""Running: a plan and images become a run, which begins or goes on and keeps what it has learned."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from boda.encoders.request import find_device
from boda.encoders.trained import read_network
from boda.encoders.weights import read_weights
from boda.errors import Damaged, MissingExtra, Refused
from boda.heads.target import Target
from boda.keys import shown
from boda.models.plan import AnyPlan, NetworkPlan, build
from boda.pictures.curves import curves
from boda.pipelines.networks.folder import RunFolder, weights_at
from boda.pipelines.networks.gathering import Gathered
from boda.pipelines.run.meter import OnProgress, Progress
from boda.pipelines.run.stopping import stop_on_signals
from boda.pixels.augment import augmentation_named
from boda.pixels.augmenting.labels import LabelSwaps
from boda.pixels.spec import PixelSpec
from boda.training.corruption import spoilt
from boda.training.crew import crew_here
from boda.training.data import HeldRows, TrainingRows
from boda.training.loop import Run, Watch, averaged, train, validate
from boda.training.objective import Objective
from boda.training.order import smallest_batch
from boda.training.preset import Preset
from boda.training.state import State
from boda.training.tasks import Classes, Number, Reconstruction, Shares, Task, tensor_of
from boda.workspace.locking import held

_AFTER_FEATURES = ("fc.", "classifier.", "decoder.")
"""What the tensors are called that make no features: a run that begins with another's may lack these."""


class Taken(NamedTuple):
    """What a run began with of another's weights."""

    tensors: int
    of: int
    """All that it has; the others are random."""


def made(
    plan: NetworkPlan,
    preset: Preset,
    objective: Objective,
    gathered: Gathered,
    pixels: PixelSpec,
    *,
    swaps: LabelSwaps,
    seed: int,
    device: str,
    init: Any = None,
) -> tuple[Run, tuple[str, ...], Taken | None]:
    """The run as it begins, its classes, and what it took over from another.

    Weights are drawn from a generator seeded with `seed`; torch's own stays as it was.

    Raises:
        NotFound, Refused, Damaged: as `begin_as`.
        Refused: batches are too small for the norms, or for the processes.
    """
    crew = crew_here(device)
    place = find_device(device) if crew.accelerator is None else crew.accelerator.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(plan)
    _refuse_small_batches(network, smallest_batch(len(gathered.training), preset.batch), crew.size)
    taken = None if init is None else begin_as(network, plan, Path(init))
    task, targets, classes = _task(gathered.target, gathered.training, objective, len(gathered.names))
    if _learns_classes_alone(plan, task):
        network.get_submodule("decoder").requires_grad_(requires_grad=False)  # processes wait for gradients of all else
    network = network.to(place)
    if preset.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    augmentation = augmentation_named(preset.augmentation).sized(plan.size)
    training = TrainingRows(
        gathered.images,
        targets[torch.from_numpy(gathered.training)],
        gathered.training,
        plan.size,
        plan.channels,
        augmentation,
        swaps,
        seed,
        len(classes),
        crew=crew,
    )
    held = HeldRows(
        gathered.held,
        targets[torch.from_numpy(gathered.validation)],
        gathered.validation,
        plan.size,
        plan.channels,
    )
    run = Run(
        network=network,
        task=task,
        preset=preset,
        training=training,
        validation=held,
        device=place,
        door=(lambda images: images) if plan.is_autoencoder else door_of(pixels, place),
        spoil=(lambda images: spoilt(images, objective)) if objective.spoils else None,
        forward=_forward(plan, task),
        crew=crew,
    )
    return run, classes, taken


def go_on(
    run: Run,
    folder: RunFolder,
    plan: AnyPlan,
    classes: tuple[str, ...],
    pixels: PixelSpec,
    *,
    seed: int,
    every: float,
    tensorboard: bool,
    progress: OnProgress | None,
    keep_epochs: Sequence[int] = (),
    beginning_counts: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> State:
    """Train to the end, from what was kept in the folder.

    Where `beginning_counts`, the network as it is given is kept until an epoch is better. `facts` say what its outputs
    mean.

    Raises:
        Refused: the loss or a weight is no finite number any more; what was kept stays. Or an epoch that should be kept
            is over.
        Damaged: what was kept cannot be read.
        Busy: another process trains into this folder.
    """
    events = _events(folder) if tensorboard else None
    with ExitStack() as closing:
        stop = closing.enter_context(stop_on_signals())
        if run.crew.leads:
            closing.enter_context(held(folder.path))
        closing.enter_context(torch.random.fork_rng(devices=_cuda(run.device)))
        if events is not None:
            closing.callback(events.close)
        torch.manual_seed(seed)
        state = State.fresh(run.network, run.preset, scales=run.scales)
        saved = folder.stopped_at()

        def keep(row: Mapping[str, float], tensors: Mapping[str, Tensor] | None = None) -> None:
            folder.keep_network(tensors or run.network.state_dict(), plan, classes, pixels, row, facts=facts)

        if saved is not None:
            state.restore(saved)
            _refuse_lost_epochs(folder, state, keep_epochs)
            if run.crew.leads and (state.history or beginning_counts) and not folder.has_network:
                _bring_back(run, folder, state, keep)

        def finished(state: State) -> None:
            _refuse_ruined(state)
            if not run.crew.leads:
                return
            row = state.history[-1]
            with averaged(run.network, state.average):
                if state.is_best:
                    keep(row)
                if state.epoch in keep_epochs:
                    folder.keep_epoch(state.epoch, run.network.state_dict())
            folder.keep_history(state.history, curves(state.history, title=plan.name))
            if events is not None:
                for name, value in row.items():
                    events.add_scalar(name, value, state.step)

        def save(state: State) -> None:
            _refuse_ruined(state)
            if run.crew.leads:
                folder.keep_state(state.tensors(), state.record())

        told = _told(progress)

        def stepped(state: State, steps: int) -> None:
            told(state, steps)
            if stop.asked:
                save(state)
                raise KeyboardInterrupt

        if saved is None:
            if beginning_counts:
                scores = validate(run)
                state.best = scores[run.task.primary]
                row = {"epoch": 0.0, "step": 0.0} | {f"validation_{name}": one for name, one in scores.items()}
                keep(row)
            if 0 in keep_epochs and run.crew.leads:
                folder.keep_epoch(0, run.network.state_dict())
            save(state)
        with stop.after_what_is_in_hand():
            ended = train(run, state, Watch(step=stepped, epoch=finished, save=save, every=every))
        run.crew.wait()
        if stop.asked:
            raise KeyboardInterrupt
        return ended


def _refuse_ruined(state: State) -> None:
    """Before anything takes the place of what is good."""
    if not state.is_finite:
        raise Refused(
            f"weights are no finite numbers after step {state.step}: lower the learning rate (--lr), or shorten "
            "gradients (clip of the preset). What was saved before is kept"
        )


def _bring_back(run: Run, folder: RunFolder, state: State, keep: Callable[..., None]) -> None:
    """The network of the best epoch, which is gone or not what was written, from what else was kept.

    Raises:
        Damaged: nothing else has it.
    """
    name = f"validation_{run.task.primary}"
    best = min(state.history, key=lambda row: row[name], default={})
    if state.is_best and not state.batch:
        with averaged(run.network, state.average):
            keep(state.history[-1])
        return
    file = folder.epoch_file(round(best.get("epoch", 0)))
    if not best or best[name] > state.best or not file.is_file():
        raise Damaged(
            f"{shown(str(folder.path))}: the network of its best epoch is gone or is not what was written, and nothing "
            "else here has it; train into another folder"
        )
    keep(best, read_weights(file))


def _refuse_small_batches(network: nn.Module, smallest: int, processes: int) -> None:
    """Each process needs a row of every batch, and a norm has no deviation of one number."""
    if smallest < processes:
        raise Refused(f"the last batch of an epoch has {smallest} rows for {processes} processes: give another --batch")
    if smallest // processes == 1 and getattr(network, "window", 0) == 1:
        raise Refused("a batch of 1 image, whose last map is one pixel: give another --batch, or a larger --size")


def _refuse_lost_epochs(folder: RunFolder, state: State, keep_epochs: Sequence[int]) -> None:
    lost = [epoch for epoch in keep_epochs if epoch <= state.epoch and not folder.epoch_file(epoch).is_file()]
    if lost:
        raise Refused(f"{shown(str(folder.path))}: epoch {lost[0]} is over and was not kept; train into another folder")


def begin_as(network: nn.Module, plan: NetworkPlan, run: Path) -> Taken:
    """Take over the weights of another run, as far as they have a place here.

    Args:
        network: that is to begin so; changed in place.
        plan: of it.
        run: folder of the other; its best epoch counts. Or the file of an epoch that was kept there.

    Returns:
        How many tensors were taken.

    Raises:
        NotFound: no such run.
        Refused: it is another network, or its encoder has not a place for all of what makes features here.
        Damaged: its weights are not what was written.
    """
    folder, file = weights_at(run)
    other, _, _ = read_network(folder)
    if other.name != plan.name:
        raise Refused(f"--init {shown(str(folder))}: is a {other.name}, and what is trained is a {plan.name}")
    state, own = read_weights(file), network.state_dict()
    taken = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    lacking = next((name for name in own if name not in taken and not name.startswith(_AFTER_FEATURES)), None)
    if lacking is not None:
        there = tuple(state[lacking].shape) if lacking in state else "missing"
        raise Refused(
            f"--init {shown(str(folder))}: its {lacking} is {there}, here it is {tuple(own[lacking].shape)}: the "
            "networks must see the same and be as wide"
        )
    network.load_state_dict(taken, strict=False)
    return Taken(len(taken), len(own))


def door_of(pixels: PixelSpec, device: torch.device) -> Callable[[Tensor], Tensor]:
    """(b, 3, h, w), 0 to 1, less the mean and over the deviation, as the encoder of the run does it."""
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (pixels.mean, pixels.std))
    return lambda images: (images - mean) / std


def _task(
    target: Target | None, training: Any, objective: Objective, rows: int
) -> tuple[Task, Tensor, tuple[str, ...]]:
    """What is learned, the targets of all rows, and the classes."""
    if target is None:
        return Reconstruction(objective.distance), torch.zeros(rows), ()
    targets = tensor_of(target.values)
    if target.kind == "class":
        task: Task = Classes(target.names)
        if objective.classes_weight:
            task = Reconstruction(objective.distance, objective.classes_weight)
        return task, targets, target.names
    if target.kind == "ratings":
        return Shares(target.levels), targets, ()
    known = target.values[training]
    return Number(float(known.mean()), float(known.std()) or 1.0), targets, ()


def _learns_classes_alone(plan: NetworkPlan, task: Task) -> bool:
    """Whether it is an autoencoder that gives no images back."""
    return plan.is_autoencoder and isinstance(task, Classes)


def _forward(plan: NetworkPlan, task: Task) -> Callable[[Any, Tensor], Any]:
    """Of an autoencoder that learns classes only the encoder and its classifier."""
    if _learns_classes_alone(plan, task):
        return lambda network, images: network.classifier(network.encode(images))
    return lambda network, images: network(images)


def _cuda(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _events(folder: RunFolder) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtra("TensorBoard's files", "training") from error
    return SummaryWriter(str(folder.path / "tensorboard"))


def _told(progress: OnProgress | None) -> Callable[[State, int], None]:
    """Tells where the run is; at most a few times a second."""
    import time

    if progress is None:
        return lambda _state, _steps: None
    began, heard, first = time.monotonic(), [0.0], [-1]

    def told(state: State, steps: int) -> None:
        now = time.monotonic()
        if first[0] < 0:
            first[0] = state.step - 1
        if now - heard[0] < 0.2 and state.step < steps:
            return
        heard[0] = now
        rate = (state.step - first[0]) / max(1e-9, now - began)
        progress(Progress("training", state.step, steps, rate, (steps - state.step) / rate))

    return told
