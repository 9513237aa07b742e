"""Mlp: the published fusion form, Linear(d, 128), ReLU, Linear(128, k), on inputs that stand side by side.

Learned with torch in large batches from memory; what was learned is four arrays, and predicts with NumPy alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from boda.errors import MissingExtra, Refused
from boda.evaluation import folds as folding
from boda.heads.design import Design
from boda.heads.learner import Outputs
from boda.heads.target import Target

if TYPE_CHECKING:
    import torch

_FOLDS = 5
"""One of so many is held out, to know when to stop."""
_BATCHES = 8
"""At least so many in an epoch, where there are few rows."""
_TENSORS = ("hidden_weights", "hidden_offset", "output_weights", "output_offset")


@dataclass(frozen=True)
class Mlp:
    """Learn a number (squared error) or a class (log loss) with one hidden layer; AdamW, early stopping.

    Two classes have one logit, whose sigmoid is the probability of the second. A number is standardised inside. The
    weights are those of the epoch with the least loss on rows that are held out, one fold in five.
    """

    hidden: int = 128
    rate: float = 1e-3
    decay: float = 1e-2
    """Of the weights, as AdamW means it."""
    batch: int = 4096
    """Rows; fewer where an epoch would have less than eight batches."""
    epochs: int = 500
    """At most."""
    patience: int = 30
    """Epochs without a smaller held-out loss before it stops."""

    def fit(
        self, design: Design, target: Target, *, groups: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> "MlpModel":
        """Learn from all rows but a fifth, which say when to stop.

        Raises:
            Refused: the target is neither a number nor a class, or there are fewer than two groups.
            MissingExtra: torch is not installed.
        """
        torch = _torch()
        wanted, centre, scale = _wanted(target)
        count = min(_FOLDS, len(np.unique(groups)))
        if count < 2:
            raise Refused("all rows are of one group, so none can be held out to know when to stop")
        strata = target.values if target.kind == "class" else None
        held = folding.split(len(target), folds=count, strata=strata, groups=groups, rng=rng) == 0
        x, y = torch.from_numpy(np.array(design.dense())), torch.from_numpy(wanted)
        outputs = len(target.names) if len(target.names) > 2 else 1
        weights = _initial(design.width, self.hidden, outputs, rng)
        best, record = self._train(target.kind, (x, y), held, weights, rng)
        settings = {"target": target.kind, "classes": len(target.names), "hidden": self.hidden, **record}
        tensors = dict(zip(_TENSORS, best, strict=True)) | {"centre": np.array(centre), "scale": np.array(scale)}
        return MlpModel(tensors, settings)

    def _train(
        self,
        kind: str,
        rows: tuple["torch.Tensor", "torch.Tensor"],
        held: npt.NDArray[np.bool_],
        weights: Sequence["torch.Tensor"],
        rng: np.random.Generator,
    ) -> tuple[list[npt.NDArray[np.float32]], dict[str, Any]]:
        """The best weights, and at which epoch and held-out loss they were."""
        torch = _torch()
        x, y = rows
        seen, unseen = np.flatnonzero(~held), torch.from_numpy(np.flatnonzero(held))
        optimiser = torch.optim.AdamW(weights, lr=self.rate, weight_decay=self.decay)
        best, least, at = [weight.detach().numpy().copy() for weight in weights], np.inf, 0
        for epoch in range(1, self.epochs + 1):
            for batch in _batches(seen, self.batch, rng):
                optimiser.zero_grad()
                loss_of(kind, forward(x[batch], weights), y[batch]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            with torch.no_grad():
                loss = float(loss_of(kind, forward(x[unseen], weights), y[unseen]))
            if loss < least:
                best, least, at = [weight.detach().numpy().copy() for weight in weights], loss, epoch
            elif epoch - at >= self.patience:
                break
        if not np.isfinite(least):
            raise Refused(f"the network did not learn: its held-out loss is {loss} from the first epoch on")
        return best, {"epoch": at, "held_out_loss": least, "held_out_rows": int(held.sum())}


@dataclass(frozen=True, eq=False)
class MlpModel:
    """Linear, ReLU, Linear."""

    kind: ClassVar[str] = "mlp"
    arrays: Mapping[str, npt.NDArray[Any]]
    """`hidden_weights` (h, d), `hidden_offset` (h,), `output_weights` (k, h), `output_offset` (k,); `centre` and
    `scale` of the number that is predicted."""
    learned: Mapping[str, Any]
    """`target` and `classes`: what its outputs mean; when it stopped."""

    def outputs(self, x: npt.NDArray[np.float32]) -> Outputs:
        """(n, d) prepared to (n, 1) numbers or (n, k) scores of classes; of two classes the first scores 0."""
        first, offset, second, last = (self.arrays[name] for name in _TENSORS)
        found = np.maximum(x @ first.T + offset, 0) @ second.T + last
        if self.learned["target"] == "number":
            return np.asarray(found.astype(np.float64) * self.arrays["scale"] + self.arrays["centre"])
        if found.shape[1] == 1:
            found = np.concatenate([np.zeros_like(found), found], axis=1)
        return np.asarray(found, np.float64)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Its weights, as torch lays them out."""
        return self.arrays

    def settings(self) -> Mapping[str, Any]:
        """What its outputs mean and when it stopped."""
        return self.learned

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "MlpModel":
        """What `tensors` and `settings` describe."""
        return cls(dict(tensors), dict(settings))


def forward(x: "torch.Tensor", weights: Sequence["torch.Tensor"]) -> "torch.Tensor":
    """(n, d) to (n,) where there is one output, to (n, k) where there are more."""
    first, offset, second, last = weights
    found = (x @ first.T + offset).relu() @ second.T + last
    return found[:, 0] if found.shape[1] == 1 else found


def loss_of(kind: str, outputs: "torch.Tensor", wanted: "torch.Tensor") -> "torch.Tensor":
    """Mean squared error of a number, or mean log loss of a class.

    Args:
        kind: of the target: "number" or "class".
        outputs: (n,) numbers or logits of the second of two classes, or (n, k) scores of classes.
        wanted: (n,) float32 numbers, or float32 0 and 1 of two classes, or int64 classes.

    Raises:
        Refused: shapes that torch would broadcast, so that every row were compared with every other.
    """
    from torch.nn import functional

    single = wanted.is_floating_point()
    if wanted.ndim != 1 or outputs.shape[:1] != wanted.shape or outputs.ndim != (1 if single else 2):
        raise Refused(f"outputs of shape {tuple(outputs.shape)} cannot be compared with {tuple(wanted.shape)} truths")
    if kind == "number":
        return functional.mse_loss(outputs, wanted)
    return (
        functional.binary_cross_entropy_with_logits(outputs, wanted)
        if single
        else (functional.cross_entropy(outputs, wanted))
    )


def _wanted(target: Target) -> tuple[npt.NDArray[Any], float, float]:
    """What the network learns, (n,), and the mean and standard deviation of a number."""
    if target.kind == "number":
        centre, scale = float(target.values.mean()), float(target.values.std()) or 1.0
        return ((target.values - centre) / scale).astype(np.float32), centre, scale
    if target.kind != "class":
        raise Refused(f"target {target.name!r} is a {target.kind}; an mlp takes a number or a class")
    return target.values.astype(np.float32 if len(target.names) == 2 else np.int64), 0.0, 1.0


def _initial(width: int, hidden: int, outputs: int, rng: np.random.Generator) -> list["torch.Tensor"]:
    """Weights and offsets as torch.nn.Linear draws them: uniform within 1 / sqrt(inputs of the layer)."""
    torch = _torch()
    drawn = []
    for shape, inputs in (((hidden, width), width), (hidden, width), ((outputs, hidden), hidden), (outputs, hidden)):
        most = 1 / np.sqrt(inputs)
        drawn.append(torch.from_numpy(rng.uniform(-most, most, shape).astype(np.float32)).requires_grad_())
    return drawn


def _batches(rows: npt.NDArray[np.intp], most: int, rng: np.random.Generator) -> Iterator["torch.Tensor"]:
    """All rows once, shuffled, in batches."""
    size = max(1, min(most, -(-len(rows) // _BATCHES)))
    shuffled = _torch().from_numpy(rng.permutation(rows))
    return iter(shuffled.split(size))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("a head of kind mlp", "torch") from error
    return torch
