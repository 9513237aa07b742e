"""Tasks: what a network is to learn. What it loses on a batch, and what it is worth on rows it does not learn from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from boda.errors import Refused
from boda.models.autoencoder import Seen
from boda.training.objective import Distance
from boda.training.similarity import dissimilarity

_LOWEST, _RANGE, _FAINTEST = math.log(0.1), math.log(1e4), -30.0
"""Of logarithms of concentrations, as `boda.heads.votes` bounds them: least total, reach, least of one answer."""


@runtime_checkable
class Task(Protocol):
    """What is learned.

    Sums are over rows, so that batches add up to epochs; `scores` makes means of them.
    """

    @property
    def primary(self) -> str:
        """The score that says which epoch was best; lower is better for all of them."""
        ...

    def loss(self, output: Any, images: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        """() mean loss of a batch.

        Args:
            output: of the network.
            images: (b, c, h, w) what it should have seen, 0 to 1: what a reconstruction is compared with.
            targets: (b, ...) of the task.
            smoothing: of labels.
        """
        ...

    def sums(self, output: Any, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Of a batch, each score summed over rows."""
        ...


@dataclass(frozen=True, slots=True)
class Classes:
    """One of k classes; targets are (b,) classes, or (b, k) shares where images were mixed."""

    names: tuple[str, ...]
    primary: str = "error"

    def loss(self, output: Any, images: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        """Cross entropy."""
        return functional.cross_entropy(_scores(output), targets, label_smoothing=smoothing)

    def sums(self, output: Any, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`loss`: cross entropy without smoothing; `error`: rows whose likeliest class is another one."""
        scores = _scores(output).float()
        return {
            "loss": functional.cross_entropy(scores, targets, reduction="sum"),
            "error": (scores.argmax(dim=1) != _hard(targets)).sum().to(scores.dtype),
        }


@dataclass(frozen=True, slots=True)
class Number:
    """A number for each image; targets are (b,)."""

    middle: float
    spread: float
    """Mean and standard deviation of the training rows: the network says how many of these from the mean."""
    primary: str = "loss"

    def loss(self, output: Any, images: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        """Mean squared error, in deviations of the training rows."""
        return functional.mse_loss(_column(output, targets), (targets - self.middle) / self.spread)

    def sums(self, output: Any, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`loss` as above."""
        said = _column(output, targets).float()
        return {"loss": functional.mse_loss(said, (targets - self.middle) / self.spread, reduction="sum")}


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The image itself; with classes, their scores beside it."""

    distance: Distance = "mse"
    classes_weight: float = 0.0
    """Of the cross entropy of the classifier, where targets are (b,) classes; 0: targets are not looked at."""
    primary: str = "loss"

    def loss(self, output: Any, images: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        """Mean distance of pixels, and the cross entropy beside it."""
        seen: Seen = output
        found = _distances(self.distance, seen.reconstruction, images).mean()
        if self.classes_weight:
            assert seen.scores is not None
            found = found + self.classes_weight * functional.cross_entropy(
                seen.scores, targets, label_smoothing=smoothing
            )
        return found

    def sums(self, output: Any, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`loss`: distance of pixels; `error`: of the classifier, where there is one to learn."""
        seen: Seen = output
        found = {"loss": _distances(self.distance, seen.reconstruction.float(), images).sum()}
        if self.classes_weight and seen.scores is not None:
            found["error"] = (seen.scores.argmax(dim=1) != _hard(targets)).sum().float()
        return found


@dataclass(frozen=True, slots=True)
class Shares:
    """How people's ratings are divided, a softmax over levels; targets are (b, r) counts."""

    levels: tuple[float, ...]
    primary: str = "loss"

    def loss(self, output: Any, images: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        """Minus the mean log likelihood of one rating, all raters counting alike."""
        logs = functional.log_softmax(_scores(output), dim=1)
        return -(targets * logs).sum() / targets.sum().clamp(min=1)

    def sums(self, output: Any, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`loss`: of an image, the mean over its raters."""
        logs = functional.log_softmax(_scores(output).float(), dim=1)
        return {"loss": -((targets * logs).sum(dim=1) / targets.sum(dim=1).clamp(min=1)).sum()}


@dataclass(frozen=True, slots=True)
class Votes:
    """How people answer, question by question; targets are (b, a) counts.

    Scores are those of `boda.heads.votes`, and so is the loss: of each question its answers, whose softmax gives the
    fractions, then one more for how sure one can be of them.
    """

    answers: tuple[int, ...]
    """How many each question has."""
    primary: str = "loss"

    def loss(self, output: Any, images: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        """Dirichlet-multinomial, of an image, but for what the concentrations do not change."""
        return self._losses(output, targets).mean()

    def sums(self, output: Any, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """`loss` as above."""
        return {"loss": self._losses(output, targets).sum()}

    def _losses(self, output: Any, targets: Tensor) -> Tensor:
        """(b,); exactly 0 where nobody was asked. In float64 where the device has it: large terms nearly cancel."""
        scores = _scores(output)
        scores = scores.float() if scores.device.type == "mps" else scores.double()
        counts = targets.to(scores.dtype)
        total = scores.new_zeros(len(scores))
        widths = [width + 1 for width in self.answers]
        parts = torch.split(scores, widths, dim=1), torch.split(counts, list(self.answers), dim=1)
        for said, given in zip(*parts, strict=True):
            sureness = _LOWEST + _RANGE * torch.sigmoid(said[:, -1:])
            held = torch.exp((sureness + functional.log_softmax(said[:, :-1], dim=1)).clamp(min=_FAINTEST))
            everything, people = held.sum(dim=1), given.sum(dim=1)
            total = total + torch.lgamma(everything + people) - torch.lgamma(everything)
            total = total - (torch.lgamma(held + given) - torch.lgamma(held)).sum(dim=1)
        return total


def means(sums: Mapping[str, float], rows: int) -> dict[str, float]:
    """Scores of so many rows."""
    return {name: total / max(1, rows) for name, total in sums.items()}


def tensor_of(values: npt.NDArray[Any]) -> Tensor:
    """Targets as torch counts with them: classes as they are, all else in float32."""
    if np.issubdtype(values.dtype, np.integer) and values.ndim == 1:
        return torch.from_numpy(values.astype(np.int64))
    return torch.from_numpy(values.astype(np.float32))


def _scores(output: Any) -> Tensor:
    """Class scores of a network that gives nothing else, or of an autoencoder with a classifier."""
    if isinstance(output, Seen):
        assert output.scores is not None
        return output.scores
    assert isinstance(output, Tensor)
    return output


def _hard(targets: Tensor) -> Tensor:
    """(b,) classes; of images that were mixed the one that has most of it."""
    return targets if targets.ndim == 1 else targets.argmax(dim=1)


def _column(output: Any, targets: Tensor) -> Tensor:
    """(b, 1) as (b,): beside (b,) it would broadcast to (b, b).

    Raises:
        Refused: there is not one number for each target.
    """
    said = _scores(output)
    if targets.ndim != 1 or said.shape != (len(targets), 1):
        raise Refused(f"scores of shape {tuple(said.shape)} for targets of shape {tuple(targets.shape)}: one for each")
    return said[:, 0]


def _distances(distance: Distance, made: Tensor, images: Tensor) -> Tensor:
    """(b,) mean over the pixels of each image.

    Raises:
        Refused: another shape, which might broadcast.
    """
    if made.shape != images.shape:
        raise Refused(f"a reconstruction of shape {tuple(made.shape)} of images of shape {tuple(images.shape)}")
    match distance:
        case "mse":
            return (made - images).square().flatten(1).mean(dim=1)
        case "l1":
            return (made - images).abs().flatten(1).mean(dim=1)
        case "ssim":
            return dissimilarity(made, images)
