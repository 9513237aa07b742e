"""Learner and Predictor: what every way of learning a head meets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from boda.heads.design import Design
from boda.heads.target import Target

if TYPE_CHECKING:
    from boda.heads.preparation import Preparation

Outputs = npt.NDArray[np.float64]
"""(n, o), before any link: for a number the prediction itself (o = 1); for classes one score a class (softmax gives
probabilities, two classes too); for labels one logit a label; for ratings one score a rating (softmax gives their
shares); for votes one concentration > 0 an answer."""


class Predictor(Protocol):
    """A fitted model: prepared rows to outputs. Immutable; its arrays and settings are all of it."""

    kind: ClassVar[str]
    """By which `saving` finds the class again: "ridge", "logistic", "labels", "ratings", "votes", "mlp"."""

    def outputs(self, x: npt.NDArray[np.float32]) -> Outputs:
        """(n, d) prepared to (n, o)."""
        ...

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Its arrays, by name."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """The rest, as plain JSON: the penalty that was chosen, how well it was solved."""
        ...

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Predictor":
        """What `tensors` and `settings` describe."""
        ...


class Learner(Protocol):
    """A way of learning; frozen, its fields are its settings."""

    def fit(
        self,
        design: Design,
        target: Target,
        *,
        groups: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Predictor:
        """Learn from all rows of the design; what it has to choose (a penalty, when to stop) it chooses inside.

        Args:
            design: (n, d).
            target: n rows.
            groups: (n,); rows of one group are never on both sides of an inner split.
            rng: of every random choice.
        """
        ...


@dataclass(frozen=True, eq=False)
class CrossFit:
    """A model of all rows, and what models that had not seen a row say of it."""

    model: Predictor
    out_of_fold: Outputs
    """(n, o); row i comes from the model of fold `folds[i]`, prepared on training rows only."""
    folds: npt.NDArray[np.int64]
    """(n,); the fold that held a row out."""
    chosen: tuple[Mapping[str, Any], ...]
    """Settings of the model of each fold."""
    seconds: float
    fold_models: "tuple[tuple[Preparation, Predictor], ...]" = ()
    """The preparation and model of each fold, in the order of their numbers; empty where they were never made apart."""
