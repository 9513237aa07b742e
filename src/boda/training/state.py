"""State: where a training run is, and everything it needs to go on from there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from boda.training.checkpoint import Saved
from boda.training.optimising import Average, optimiser_of, plain, restore, tensors_of, wide
from boda.training.preset import Preset
from boda.training.schedule import Plateau
from boda.training.tasks import means


@dataclass(eq=False)
class State:
    """Between two steps."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    average: Average | None
    plateau: Plateau = field(default_factory=Plateau)
    step: int = 0
    """Steps that were taken."""
    epoch: int = 0
    batch: int = 0
    """Batches that were taken of this epoch."""
    sums: dict[str, Tensor] = field(default_factory=dict)
    """Scores of this epoch's training rows so far, and how many rows these are."""
    seen: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    """Of each epoch: `epoch`, `step`, `lr`, training scores as `train_*`, validation scores as `validation_*`."""
    best: float = math.inf
    """Lowest primary score of any epoch."""
    waited: int = 0
    """Epochs since."""
    ended: bool = False
    """Nothing gets better any more."""

    @classmethod
    def fresh(cls, network: nn.Module, preset: Preset, *, scales: Mapping[str, float] | None = None) -> "State":
        """Of a network that nothing was learned with yet."""
        optimiser = optimiser_of(network, preset, scales=scales)
        return cls(network, optimiser, Average(network, preset.average) if preset.average is not None else None)

    @property
    def is_best(self) -> bool:
        """Whether the last epoch was the best of all."""
        return bool(self.history) and self.waited == 0

    def took(self, sums: Mapping[str, Tensor], rows: int) -> None:
        """Count a step and what its batch scored."""
        for name, value in sums.items():
            found = wide(value.detach())
            self.sums[name] = self.sums[name] + found if name in self.sums else found
        self.seen += rows
        self.step, self.batch = self.step + 1, self.batch + 1
        if self.average is not None:
            self.average.update(self.step)

    def finish_epoch(self, scores: Mapping[str, float], preset: Preset, primary: str, lr: float) -> None:
        """Take the validation scores of an epoch in; `lr` was that of its last step."""
        learned = means(plain(self.sums), self.seen)
        self.history.append(
            {"epoch": self.epoch + 1, "step": self.step, "lr": lr}
            | {f"train_{name}": learned[name] for name in scores}
            | {f"validation_{name}": value for name, value in scores.items()}
        )
        self.plateau.score = self.plateau.score or primary
        self.plateau.heard(scores[self.plateau.score], preset.patience_of_plateau)
        better = scores[primary] < self.best
        self.best, self.waited = (scores[primary], 0) if better else (self.best, self.waited + 1)
        self.ended = preset.patience is not None and self.waited >= preset.patience
        self.epoch, self.batch, self.sums, self.seen = self.epoch + 1, 0, {}, 0

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are: weights, averages, what the optimiser remembers."""
        floats = [tensor for tensor in self.tensors().values() if tensor.is_floating_point()]
        return bool(torch.stack([torch.isfinite(tensor).all().cpu() for tensor in floats]).all())

    def tensors(self) -> dict[str, Tensor]:
        """All that is tensors; torch's generators among them."""
        device = next(self.network.parameters()).device
        found = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        found |= {f"optimiser/{name}": tensor for name, tensor in tensors_of(self.optimiser).items()}
        found |= {f"sums/{name}": tensor for name, tensor in self.sums.items()}
        if self.average is not None:
            found |= {f"average/{name}": tensor for name, tensor in self.average.tensors.items()}
        found["generator/cpu"] = torch.get_rng_state()
        if device.type == "cuda":
            found["generator/cuda"] = torch.cuda.get_rng_state(device)
        elif device.type == "mps":
            found["generator/mps"] = torch.mps.get_rng_state()
        return found

    def record(self) -> dict[str, Any]:
        """All that is not, as plain JSON."""
        names = ("step", "epoch", "batch", "seen", "history", "waited", "ended")
        best = None if math.isinf(self.best) else self.best
        return {name: getattr(self, name) for name in names} | {"best": best, "plateau": self.plateau.as_json()}

    def restore(self, saved: Saved) -> None:
        """Become the state that was saved, network and generators too."""
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in saved.tensors.items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = tensor
        device = next(self.network.parameters()).device
        self.network.load_state_dict(parts["network"])
        restore(self.optimiser, parts.get("optimiser", {}))
        if self.average is not None:
            self.average.restore(parts["average"])
        self.sums = {name: tensor.to(device) for name, tensor in parts.get("sums", {}).items()}
        record = saved.record
        self.step, self.epoch, self.batch, self.seen = (record[name] for name in ("step", "epoch", "batch", "seen"))
        self.history, self.waited, self.ended = list(record["history"]), record["waited"], record["ended"]
        self.best = math.inf if record["best"] is None else record["best"]
        self.plateau = Plateau.from_json(record["plateau"])
        torch.set_rng_state(parts["generator"]["cpu"])
        if "cuda" in parts["generator"] and device.type == "cuda":
            torch.cuda.set_rng_state(parts["generator"]["cuda"], device)
        if "mps" in parts["generator"] and device.type == "mps":
            torch.mps.set_rng_state(parts["generator"]["mps"])
