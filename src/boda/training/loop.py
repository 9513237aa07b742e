"""The loop: one for every task.

Nothing in it depends on when it was stopped. Which rows a batch holds and how they are augmented follows from the seed,
the epoch and the row; the learning rate from the step; and all that is left (weights, the optimiser's memory, averages,
sums of this epoch, torch's generators) is in the checkpoint.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from boda.errors import Refused
from boda.keys import shown
from boda.training.crew import Crew
from boda.training.data import Batch, HeldRows, TrainingRows, ahead
from boda.training.optimising import Average, plain, set_rate
from boda.training.preset import Preset
from boda.training.schedule import rate
from boda.training.state import State
from boda.training.tasks import Task, means

_TOGETHER = 20
"""Steps on a device that is not the host after which losses are looked at; each look waits for the device."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told, and when to keep the state."""

    step: Callable[[State, int], None] = lambda _state, _steps: None
    """After every step, with the number of all steps."""
    epoch: Callable[[State], None] = lambda _: None
    """After every epoch, with its scores in `history`."""
    save: Callable[[State], None] = lambda _: None
    """Keeps the state so that a later call goes on from it."""
    every: float = math.inf
    """Seconds between two states in the midst of an epoch."""


@dataclass(eq=False)
class Run:
    """What is trained, on what, and where it is."""

    network: nn.Module
    task: Task
    preset: Preset
    training: TrainingRows
    validation: HeldRows
    device: torch.device
    door: Callable[[Tensor], Tensor]
    """(b, c, h, w), 0 to 1, to what the network sees: less the mean, over the deviation."""
    spoil: Callable[[Tensor], Tensor] | None = None
    """Before the door, of what is learned from: noise, masks."""
    forward: Callable[..., Any] = lambda network, *given: network(*given)
    """What of the network is trained: of the network and images, and of columns where batches have them."""
    scales: dict[str, float] = field(default_factory=dict)
    """Of the learning rate, by parameter."""
    stays: Callable[[nn.Module], None] = lambda _: None
    """Called when the network goes into training mode: what stays in eval mode."""
    crew: Crew = field(default_factory=Crew)
    """The processes that train it together."""

    @property
    def steps(self) -> int:
        """In all."""
        whole = self.preset.epochs * self.training.batches_an_epoch(self.preset.batch)
        return min(whole, self.preset.iterations or whole)

    @property
    def casting(self) -> AbstractContextManager[Any]:
        """Of the network's own computing."""
        if self.preset.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def train(run: Run, state: State, watch: Watch) -> State:
    """Train until the preset's end, or an early one.

    Args:
        run: what and on what; its network is changed in place.
        state: where to begin: `State.fresh`, or what was read back.
        watch: who is told.

    Returns:
        The state at the end.

    Raises:
        Refused: the loss is no finite number any more; names step, batch and files. What was saved before stays.
    """
    preset, network = run.preset, run.network
    forward = run.crew.together(network, torch.compile(run.forward) if preset.compiled else run.forward)
    saved = time.monotonic()
    while (state.step < run.steps or state.batch) and not state.ended:
        network.train()
        run.stays(network)
        unheard: list[_Unheard] = []
        batches = run.training.batches(preset.batch, state.epoch, after=state.batch)
        for batch in batches if run.device.type == "cpu" else ahead(batches):
            if state.step == run.steps:
                break
            set_rate(state.optimiser, rate(preset, state.step, run.steps, state.plateau))
            images = batch.images.to(run.device, non_blocking=True)
            targets = batch.targets.to(run.device, non_blocking=True)
            with run.casting:
                seen = run.door(images if run.spoil is None else run.spoil(images))
                output = _wide(forward(network, seen, *_columns(batch, run.device)))
            loss = run.task.loss(output, images, targets, smoothing=preset.label_smoothing)
            unheard.append(_Unheard(state.step, batch.epoch, batch.number, batch.names, loss.detach()))
            if run.device.type == "cpu" or len(unheard) == _TOGETHER:
                _refuse_what_is_not_finite(unheard)
            state.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if preset.clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), preset.clip)
            state.optimiser.step()
            state.took(run.task.sums(_detached(output), images, targets), len(batch.rows))
            watch.step(state, run.steps)
            if time.monotonic() - saved > watch.every:
                _refuse_what_is_not_finite(unheard)
                watch.save(state)
                saved = time.monotonic()
        _refuse_what_is_not_finite(unheard)
        state.sums, state.seen = run.crew.summed(state.sums, state.seen)
        lr = rate(preset, state.step - 1, run.steps, state.plateau)
        scores = run.crew.agreed(validate(run, state))
        _refuse_scores_that_are_not_finite(scores, state)
        state.finish_epoch(scores, preset, run.task.primary, lr)
        watch.epoch(state)
        watch.save(state)
        saved = time.monotonic()
    return state


@torch.no_grad()
def validate(run: Run, state: State | None = None, rows: HeldRows | None = None) -> dict[str, float]:
    """Mean scores of rows that are not learned from, by the averaged weights where there are some.

    Args:
        run: whose network, and whose validation rows.
        state: whose averaged weights; None: the network's own.
        rows: other rows.
    """
    rows = rows or run.validation
    with averaged(run.network, state.average if state else None):
        run.network.eval()
        sums: dict[str, Tensor] = {}
        for batch in rows.batches():
            images, targets = batch.images.to(run.device), batch.targets.to(run.device)
            with run.casting:
                output = _wide(run.forward(run.network, run.door(images), *_columns(batch, run.device)))
            for name, value in run.task.sums(output, images, targets).items():
                sums[name] = sums.get(name, torch.zeros((), device=run.device)) + value
    return means(plain(sums), len(rows))


@contextmanager
def averaged(network: nn.Module, average: Average | None) -> Iterator[None]:
    """Within, the network has the averaged weights; afterwards its own again."""
    if average is None:
        yield
        return
    own = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(average.tensors)
    try:
        yield
    finally:
        network.load_state_dict(own)


def _columns(batch: Batch, device: torch.device) -> tuple[Tensor, ...]:
    """What the network is given beside the images."""
    return () if batch.columns is None else (batch.columns.to(device, non_blocking=True),)


def _wide(output: Any) -> Any:
    """In float32, in which losses are computed whatever the network computes in: near 1 bf16 knows steps of 0.004."""
    return _each(output, lambda one: one.float())


def _detached(output: Any) -> Any:
    return _each(output, lambda one: one.detach())


def _each(output: Any, made: Callable[[Tensor], Tensor]) -> Any:
    """The same of a tensor, or of all that a network gives."""
    if isinstance(output, Tensor):
        return made(output)
    return type(output)(*(None if one is None else made(one) for one in output))


class _Unheard(NamedTuple):
    """A step whose loss was not looked at yet."""

    step: int
    epoch: int
    number: int
    names: Sequence[str]
    loss: Tensor


def _refuse_what_is_not_finite(unheard: list[_Unheard]) -> None:
    """Look at the losses of the last steps, all at once; afterwards there are none to look at."""
    if not unheard:
        return
    fine = torch.stack([torch.isfinite(one.loss) for one in unheard]).tolist()
    if not all(fine):
        bad = unheard[fine.index(False)]
        raise Refused(
            f"the loss is {bad.loss.item()} at step {bad.step + 1}, batch {bad.number + 1} of epoch {bad.epoch + 1}, "
            f"of {_some(bad.names)}: lower the learning rate, or look at these images. What was saved before is kept"
        )
    unheard.clear()


def _refuse_scores_that_are_not_finite(scores: dict[str, float], state: State) -> None:
    for name, value in scores.items():
        if not math.isfinite(value):
            raise Refused(
                f"the validation {name} is {value} after step {state.step}, the end of epoch {state.epoch + 1}: lower "
                "the learning rate. What was saved before this is kept"
            )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(shown(name) for name in names[:3]) + more
