"""How long networks may be trained where there is little time: as many steps as fit, the same number for all.

Steps are measured once, on random images; what was chosen is kept, so that a recipe that was killed goes on with it.
"""

import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from boda.encoders.names import parse_name
from boda.encoders.precision import bf16_is_fast
from boda.models.architectures import architecture
from boda.models.plan import NetworkPlan, build
from boda.training.order import batches_in
from boda.training.preset import Preset, preset_named
from runs.receipt import write

_SPARE = 0.9
"""Share of the time that is planned for: other programs want some."""
_DECODING = 1_500.0
"""Images a second that are read from files and decoded, about; each network's run reads all."""
_TESTED = 10_000


@dataclass(frozen=True)
class Schedule:
    """What was chosen."""

    preset: Preset
    step_seconds: dict[str, float]
    """Of each network."""
    minutes: float
    """That all of it will take, about."""


def schedule(names: Sequence[str], rows: int, place: Path, *, minutes: float) -> Schedule:
    """The paper's schedule with fewer steps, so that all networks together are trained in so many minutes.

    Args:
        names: of networks, as of `boda.train_network`.
        rows: to be learned from.
        place: a JSON file; where it is there already, what it says counts.
        minutes: for everything.
    """
    if place.is_file():
        record = json.loads(place.read_bytes())
        return Schedule(Preset.from_json(record["preset"]), record["step_seconds"], record["minutes"])
    bf16 = bf16_is_fast("cpu")
    preset = preset_named("cifar-paper").changed(precision="bf16" if bf16 else "fp32", channels_last=True)
    seconds = {name: step_seconds(name, preset) for name in names}
    iterations = steps_within(60 * minutes, list(seconds.values()), rows, preset.batch)
    epochs = math.ceil(iterations / batches_in(rows, preset.batch))
    preset = preset.changed(name="cifar-paper-short", iterations=iterations, epochs=epochs)
    chosen = Schedule(preset, seconds, seconds_of(iterations, list(seconds.values()), rows, preset.batch) / 60)
    write(place, json.dumps(asdict(chosen), indent=1).encode())
    return chosen


def steps_within(limit: float, each: Sequence[float], rows: int, batch: int) -> int:
    """The most steps, in hundreds where there are hundreds, with which all runs together stay within a limit.

    Args:
        limit: seconds.
        each: seconds of a step, of each network.
        rows: to be learned from.
        batch: images of a step.
    """
    nothing = seconds_of(0, each, rows, batch)
    one = (seconds_of(1_000, each, rows, batch) - nothing) / 1_000
    most = max(1, int((_SPARE * limit - nothing) / one))
    return most // 100 * 100 or most


def seconds_of(iterations: int, each: Sequence[float], rows: int, batch: int) -> float:
    """What so many steps of each network will take: reading the images, the steps, and a test after each epoch."""
    reading = len(each) * (rows + _TESTED) / _DECODING
    epochs = iterations / batches_in(rows, batch)
    test = _TESTED / batch / 3  # forward without backward is a third of a step
    return reading + sum(each) * (iterations + epochs * test)


def step_seconds(name: str, preset: Preset, *, steps: int = 4) -> float:
    """The median time of a training step on random images; the first, in which torch prepares itself, is left out."""
    asked = parse_name(name)
    side = architecture(asked.bare).form.side
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = build(NetworkPlan(asked.bare, (side, side), 3, 10, dict(asked.arguments)))
        images = torch.randn(preset.batch, 3, side, side).to(memory_format=torch.channels_last)
        targets = torch.randint(10, (preset.batch,))
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.0, momentum=0.9)
    taken = []
    for _ in range(1 + steps):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=preset.precision == "bf16"):
            loss = functional.cross_entropy(network(images), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])
