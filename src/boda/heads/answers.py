"""Answers: what a head says of images, as the columns of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.evaluation.calibration import Platt, Temperature, sigmoid
from boda.heads.learner import Outputs
from boda.heads.ratings import mean, shares, spread
from boda.heads.target import Blank
from boda.heads.votes import fractions

Floats: TypeAlias = npt.NDArray[np.float64]
Calibration: TypeAlias = Temperature | Platt


@dataclass(frozen=True, eq=False)
class Answers:
    """Predictions of n rows."""

    target: Blank
    points: Floats
    """(n,) of a number; (n, k) probabilities of classes, or of labels; (n, r) shares of ratings; (n, a) fractions of
    votes, which of each question add up to 1."""
    low: Floats | None = None
    high: Floats | None = None
    """Ends of the intervals: (n,) of a number or of the mean rating, (n, a) of votes; None where there are none."""
    sets: npt.NDArray[np.bool_] | None = None
    """(n, k) classes that cannot be ruled out."""

    def __len__(self) -> int:
        return len(self.points)

    @property
    def values(self) -> npt.NDArray[Any]:
        """(n,) the prediction itself, one a row.

        The number, the likeliest class, the labels above a half, the mean rating, or the likeliest answer of the
        first question.
        """
        names = np.array(self.target.names, dtype=object)
        match self.target.kind:
            case "number":
                return self.points
            case "class":
                return np.asarray(names[self.points.argmax(axis=1)])
            case "labels":
                return np.array(["|".join(names[row > 0.5]) for row in self.points], dtype=object)
            case "ratings":
                return mean(self.points, self.target.levels)
            case "votes":
                assert self.target.tree is not None
                first = self.target.tree.slices[0]
                return np.asarray(names[first][self.points[:, first].argmax(axis=1)])

    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """`prediction`, then `low` and `high`, or `p_<class>` and `possible`, or shares, or fractions with theirs."""
        found: dict[str, npt.NDArray[Any]] = {"prediction": self.values}
        names = self.target.names
        match self.target.kind:
            case "class" | "labels":
                found |= {f"p_{name}": self.points[:, place] for place, name in enumerate(names)}
                if self.sets is not None:
                    every = np.array(names, dtype=object)
                    found["possible"] = np.array(["|".join(every[row]) for row in self.sets], dtype=object)
            case "ratings":
                found |= self._ends()
                found["spread"] = spread(self.points, self.target.levels)
                found |= {f"share_{name}": self.points[:, place] for place, name in enumerate(names)}
            case "votes":
                for place, name in enumerate(names):
                    found[f"fraction_{name}"] = self.points[:, place]
                    if self.low is not None and self.high is not None:
                        found[f"low_{name}"], found[f"high_{name}"] = self.low[:, place], self.high[:, place]
            case "number":
                found |= self._ends()
        return found

    def _ends(self) -> dict[str, Floats]:
        return {} if self.low is None or self.high is None else {"low": self.low, "high": self.high}


def points_of(target: Blank, outputs: Outputs, calibration: Calibration | None = None) -> Floats:
    """Outputs of a predictor, (n, o), as predictions: `Answers.points`."""
    match target.kind:
        case "number":
            return outputs[:, 0]
        case "class":
            return (calibration or Temperature()).probabilities(outputs)
        case "labels":
            return calibration.probabilities(outputs) if calibration else sigmoid(outputs)
        case "ratings":
            return shares(outputs)
        case "votes":
            assert target.tree is not None
            return fractions(target.tree, outputs)
