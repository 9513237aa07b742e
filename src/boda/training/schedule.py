"""Schedule: the learning rate of every step, as a function of nothing but the step and what plateaus did before it."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from boda.training.preset import Preset

_LEAST_GAIN = 1e-4
"""Share by which a score must fall to count as lower."""
_END = 1e-4
"""Share of the highest rate at which one-cycle and cosine end."""


@dataclass(slots=True)
class Plateau:
    """How often a validation score stood still."""

    best: float = math.inf
    waited: int = 0
    drops: int = 0
    score: str = ""
    """Which: the one that chooses the best epoch, so of classes the error, as in the paper of ResNets; "" before the
    first epoch."""

    def heard(self, value: float, patience: int) -> None:
        """Take the score of an epoch in; lower is better."""
        if value < self.best * (1 - _LEAST_GAIN):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= patience:
            self.drops, self.waited = self.drops + 1, 0

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        record = asdict(self)
        return record | {"best": None if math.isinf(self.best) else self.best}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Plateau":
        """The one that `as_json` wrote; one that names no score is of a boda that listened to the loss."""
        best = math.inf if record["best"] is None else record["best"]
        return cls(best, record["waited"], record["drops"], record.get("score", "loss"))


def rate(preset: Preset, step: int, steps: int, plateau: Plateau) -> float:
    """The learning rate of one step.

    Args:
        preset: with the curve.
        step: from 0.
        steps: in all.
        plateau: of the curve `plateau`.
    """
    rising = preset.warmup * steps
    if step < rising:
        low = preset.warmup_lr
        return preset.lr * (low if preset.flat_warmup else low + (1 - low) * (step + 1) / math.ceil(rising))
    left = 1 - (step - rising) / max(1.0, steps - rising)
    match preset.curve:
        case "steps":
            return preset.lr * 0.1 ** sum(step >= share * steps for share in preset.drops)
        case "plateau":
            return preset.lr * 0.1**plateau.drops
        case "one-cycle":
            return preset.lr * (_END + (1 - _END) * left)
        case "cosine":
            return preset.lr * (_END + (1 - _END) * (1 - math.cos(math.pi * left)) / 2)
        case _:
            return preset.lr
