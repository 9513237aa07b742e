"""Running: a plan and images become a run, which begins or goes on and keeps what it has learned."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from boda.encoders.request import find_device
from boda.encoders.trained import read_network
from boda.encoders.weights import read_weights
from boda.errors import MissingExtra, Refused
from boda.heads.target import Target
from boda.keys import shown
from boda.models.plan import AnyPlan, NetworkPlan, build
from boda.pictures.curves import curves
from boda.pipelines.networks.folder import LAST, RunFolder, weights_at
from boda.pipelines.networks.gathering import Gathered
from boda.pipelines.run.meter import OnProgress, Progress
from boda.pipelines.run.stopping import stop_on_signals
from boda.pixels.augment import augmentation_named
from boda.pixels.augmenting.labels import label_swaps
from boda.pixels.spec import PixelSpec
from boda.training import checkpoint
from boda.training.corruption import spoilt
from boda.training.crew import crew_here
from boda.training.data import HeldRows, TrainingRows
from boda.training.loop import Run, Watch, averaged, train, validate
from boda.training.objective import Objective
from boda.training.preset import Preset
from boda.training.state import State
from boda.training.tasks import Classes, Number, Reconstruction, Shares, Task, tensor_of
from boda.workspace.locking import held


def made(
    plan: NetworkPlan,
    preset: Preset,
    objective: Objective,
    gathered: Gathered,
    pixels: PixelSpec,
    *,
    seed: int,
    device: str,
    init: Any = None,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> tuple[Run, tuple[str, ...]]:
    """The run as it begins, and its classes.

    Weights are drawn from a generator seeded with `seed`; torch's own stays as it was.
    """
    crew = crew_here(device)
    place = find_device(device) if crew.accelerator is None else crew.accelerator.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(plan)
    if init is not None:
        begin_as(network, plan, Path(init))
    network = network.to(place)
    if preset.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task, targets, classes = _task(gathered.target, gathered.training, objective, len(gathered.names))
    augmentation = augmentation_named(preset.augmentation).sized(plan.size)
    named = gathered.target is not None and gathered.target.kind == "number"
    swaps = label_swaps(
        augmentation, names=classes, columns=(gathered.target.name,) if named and gathered.target else (), pairs=pairs
    )
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
    return run, classes


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
) -> State:
    """Train to the end, from what was kept in the folder.

    Where `beginning_counts`, the network as it is given is kept until an epoch is better.

    Raises:
        Refused: the loss is no finite number any more; what was kept stays. Or an epoch that should be kept is over.
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
        saved = checkpoint.load(folder.path, LAST)
        if saved is not None:
            state.restore(saved)
            _refuse_lost_epochs(folder, state, keep_epochs)

        def finished(state: State) -> None:
            if not run.crew.leads:
                return
            row = state.history[-1]
            with averaged(run.network, state.average):
                if state.is_best:
                    folder.keep_network(run.network.state_dict(), plan, classes, pixels, row)
                if state.epoch in keep_epochs:
                    folder.keep_epoch(state.epoch, run.network.state_dict())
            folder.keep_history(state.history, curves(state.history, title=plan.name))
            if events is not None:
                for name, value in row.items():
                    events.add_scalar(name, value, state.step)

        def save(state: State) -> None:
            if not run.crew.leads:
                return
            checkpoint.save(folder.path, LAST, state.tensors(), state.record())

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
                folder.keep_network(run.network.state_dict(), plan, classes, pixels, row)
            if 0 in keep_epochs and run.crew.leads:
                folder.keep_epoch(0, run.network.state_dict())
            save(state)
        with stop.after_what_is_in_hand():
            ended = train(run, state, Watch(step=stepped, epoch=finished, save=save, every=every))
        run.crew.wait()
        return ended


def _refuse_lost_epochs(folder: RunFolder, state: State, keep_epochs: Sequence[int]) -> None:
    lost = [epoch for epoch in keep_epochs if epoch <= state.epoch and not folder.epoch_file(epoch).is_file()]
    if lost:
        raise Refused(f"{shown(str(folder.path))}: epoch {lost[0]} is over and was not kept; train into another folder")


def begin_as(network: nn.Module, plan: NetworkPlan, run: Path) -> list[str]:
    """Take over the weights of another run, as far as they have a place here.

    Args:
        network: that is to begin so; changed in place.
        plan: of it.
        run: folder of the other; its best epoch counts. Or the file of an epoch that was kept there.

    Returns:
        Names of what was taken.

    Raises:
        NotFound: no such run.
        Refused: it is another network, or nothing of it has a place.
    """
    folder, file = weights_at(run)
    other, _, _ = read_network(folder)
    if other.name != plan.name:
        raise Refused(f"--init {shown(str(folder))}: is a {other.name}, and what is trained is a {plan.name}")
    state, own = read_weights(file), network.state_dict()
    taken = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    first = next(iter(own))
    if first not in taken:
        there = tuple(state[first].shape) if first in state else "missing"
        raise Refused(
            f"--init {shown(str(folder))}: its {first} is {there}, here it is {tuple(own[first].shape)}: the networks "
            "must see the same and be as wide"
        )
    network.load_state_dict(taken, strict=False)
    return list(taken)


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


def _forward(plan: NetworkPlan, task: Task) -> Callable[[Any, Tensor], Any]:
    """Of an autoencoder that learns classes only the encoder and its classifier."""
    if plan.is_autoencoder and isinstance(task, Classes):
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
