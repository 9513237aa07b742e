"""Answers: what a head says of images, as the columns of a table."""

import json
from collections.abc import Mapping, Sequence
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
    """(n, k) classes or labels that cannot be ruled out."""
    certain: npt.NDArray[np.bool_] | None = None
    """(n, l) labels of which no can be ruled out."""

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
                return listed(self.target.names, self.points > 0.5)
            case "ratings":
                return mean(self.points, self.target.levels)
            case "votes":
                assert self.target.tree is not None
                first = self.target.tree.slices[0]
                return np.asarray(names[first][self.points[:, first].argmax(axis=1)])

    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """`prediction`, then what goes with it.

        - number: `low` and `high`;
        - class, labels: `p_<name>`, then `possible`, those that cannot be ruled out; of labels `certain` before it;
        - ratings: `low` and `high` of the mean, `spread`, `share_<rating>`;
        - votes: `fraction_<answer>`, each with `low_<answer>` and `high_<answer>`.

        How several names are one text, see `listed`.
        """
        found: dict[str, npt.NDArray[Any]] = {"prediction": self.values}
        names = self.target.names
        match self.target.kind:
            case "class" | "labels":
                found |= {f"p_{name}": self.points[:, place] for place, name in enumerate(names)}
                sets = {"certain": self.certain, "possible": self.sets}
                found |= {column: listed(names, held) for column, held in sets.items() if held is not None}
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


def listed(names: Sequence[str], held: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """(n,) the names that each row of (n, k) holds, as one text: `disk|ring`.

    Where any of all the names could be misread in that form (it is empty, has a `|` or a comma, or begins with `[`)
    every row is a JSON list: `["disk, barred", "ring"]`. `names_in` reads both.
    """
    plain = all(name and not name.startswith("[") and not {"|", ","} & set(name) for name in names)
    every = np.array(names, dtype=object)
    rows = [every[row].tolist() for row in held]
    return np.array(["|".join(row) if plain else json.dumps(row, ensure_ascii=False) for row in rows], dtype=object)


def names_in(text: str) -> list[str]:
    """The names in one text of `listed`.

    >>> names_in("disk|ring"), names_in('["disk, barred"]'), names_in("")
    (['disk', 'ring'], ['disk, barred'], [])
    """
    if text.startswith("["):
        found: list[str] = json.loads(text)
        return found
    return text.split("|") if text else []


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
