"""The published training, as a plain loop: one linear layer, Adam, batches of 32 in the order of the rows, five epochs.

After every epoch the state is written whole to one file (weights and Adam's moments), and a run that finds this file
goes on from it: stopped anywhere and started again, it ends with the same bits as one that was never stopped.

Source of Adam: Kingma and Ba, ICLR 2015, arXiv:1412.6980.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.encoders.weights import read_torch
from boda.errors import Refused
from boda.workspace.atomic import write_whole

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """As published; what was not said is what torch does."""

    epochs: int = 5
    rate: float = 1e-4
    batch: int = 32
    epsilon: float = 1e-8
    start: float = 1.0
    """How many times as large the weights begin as `torch.nn.Linear` draws them."""
    seed: int = 0
    """Of the first weights; the order of the rows is not random."""

    def times(self, factor: float) -> "Settings":
        """Settings under which a target `factor` times as large is learned in the same way.

        Adam's step, rate * m / (sqrt(v) + epsilon), is as long for gradients of any size. So a target times ten needs a
        rate, first weights and an epsilon ten times as large: then all weights are ten times those of the first run,
        and predictions in the same order.
        """
        return replace(self, rate=self.rate * factor, epsilon=self.epsilon * factor, start=self.start * factor)


@dataclass(frozen=True, eq=False)
class Epoch:
    """The layer after one epoch."""

    number: int
    """From 1."""
    weights: npt.NDArray[np.float32]
    """(d,)."""
    offset: float
    loss: float
    """Mean squared error during the epoch, in squared units of the target."""

    def predict(self, features: npt.NDArray[np.float32]) -> Floats:
        """(n,) in units of the target."""
        return np.asarray(features @ self.weights + np.float32(self.offset), np.float64)


def first_weights(width: int, settings: Settings) -> "tuple[torch.Tensor, torch.Tensor]":
    """(1, d) and (1,) as `torch.nn.Linear` draws them, uniform within 1 / sqrt(d), times `settings.start`."""
    import torch

    draws = torch.Generator().manual_seed(settings.seed)
    bound = width**-0.5
    weights = torch.empty(1, width).uniform_(-bound, bound, generator=draws)
    offset = torch.empty(1).uniform_(-bound, bound, generator=draws)
    return weights * settings.start, offset * settings.start


def published_training(
    features: npt.NDArray[np.float32],
    scores: Floats,
    *,
    settings: Settings | None = None,
    checkpoint: Path | None = None,
) -> Iterator[Epoch]:
    """Train, and give the layer after every epoch; epochs that the checkpoint holds are given without training.

    Args:
        features: (n, d), contiguous, in the order of training.
        scores: (n,), in units of the target.
        settings: None: the published ones.
        checkpoint: the file that is written after every epoch, and that a run goes on from where it is there.

    Raises:
        Refused: rows differ in number, or the checkpoint is of other rows or settings, or is none.
    """
    import torch

    settings = settings or Settings()
    if features.ndim != 2 or scores.shape != features.shape[:1]:
        raise Refused(f"features of shape {features.shape} have no scores of shape {scores.shape}")
    x = torch.from_numpy(features)
    y = torch.from_numpy(scores.astype(np.float32)).reshape(-1, 1)
    model = torch.nn.Linear(features.shape[1], 1)
    weights, offset = first_weights(features.shape[1], settings)
    model.load_state_dict({"weight": weights, "bias": offset})
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.rate, eps=settings.epsilon)
    task = _task(features, scores, settings)
    done = [] if checkpoint is None else _resume(checkpoint, task, model, optimiser)
    yield from done[: settings.epochs]
    for number in range(len(done) + 1, settings.epochs + 1):
        summed = 0.0
        for start in range(0, len(x), settings.batch):
            loss = mean_squared_error(model(x[start : start + settings.batch]), y[start : start + settings.batch])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            summed += loss.item() * len(x[start : start + settings.batch])
        done.append(_epoch(number, model, summed / len(x)))
        if checkpoint is not None:
            _keep(checkpoint, task, model, optimiser, done)
        yield done[-1]


def mean_squared_error(predicted: "torch.Tensor", wanted: "torch.Tensor") -> "torch.Tensor":
    """Of two columns (b, 1), a batch of one too; shapes that would broadcast to (b, b) are refused."""
    if predicted.shape != wanted.shape:
        raise Refused(f"predictions of shape {tuple(predicted.shape)} are not those of {tuple(wanted.shape)}")
    return ((predicted - wanted) ** 2).mean()


def _epoch(number: int, model: "torch.nn.Linear", loss: float) -> Epoch:
    return Epoch(number, model.weight.detach().numpy()[0].copy(), float(model.bias.detach()[0]), loss)


def _task(features: npt.NDArray[np.float32], scores: Floats, settings: Settings) -> str:
    """What is trained on what; all but how many epochs."""
    digest = hashlib.sha256(repr(asdict(replace(settings, epochs=0))).encode())
    digest.update(repr(features.shape).encode())
    digest.update(np.ascontiguousarray(features).data.cast("B"))
    digest.update(np.ascontiguousarray(scores).data.cast("B"))
    return digest.hexdigest()


def _keep(
    checkpoint: Path, task: str, model: "torch.nn.Linear", optimiser: "torch.optim.Adam", done: list[Epoch]
) -> None:
    import torch

    record = {
        "task": task,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "weights": [torch.from_numpy(one.weights) for one in done],
        "offsets": [one.offset for one in done],
        "losses": [one.loss for one in done],
    }
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    write_whole(checkpoint, lambda file: torch.save(record, file))


def _resume(checkpoint: Path, task: str, model: "torch.nn.Linear", optimiser: "torch.optim.Adam") -> list[Epoch]:
    """Bring model and optimiser to where the file has them; the epochs that are done."""
    if not checkpoint.exists():
        return []
    record: Any = read_torch(checkpoint, what="checkpoint", advice="Remove it to start anew")
    if not isinstance(record, dict) or record.get("task") != task:
        raise Refused(f"{checkpoint}: of other features, scores or settings; remove it to start anew")
    model.load_state_dict(record["model"])
    optimiser.load_state_dict(record["optimiser"])
    kept = zip(record["weights"], record["offsets"], record["losses"], strict=True)
    return [Epoch(number, weights.numpy(), offset, loss) for number, (weights, offset, loss) in enumerate(kept, 1)]
