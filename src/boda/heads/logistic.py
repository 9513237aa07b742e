"""Logistic: a class from features, by multinomial logistic regression with an L2 penalty.

The objective is scikit-learn's (`LogisticRegression(C=1 / penalty)`): the sum of the log losses plus penalty / 2 |W|^2,
offsets free; with two classes in training one weight vector for both, as there. Solved by Newton's method (`newton`)
until gap and derivative are below 1e-8 of the objective.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.heads.design import Design
from boda.heads.learner import Outputs
from boda.heads.links import Doubles, Link, Sigmoid, Softmax
from boda.heads.newton import Solution, solve
from boda.heads.penalty_path import Choice, choose, described, held_out_rows, refuse_penalties
from boda.heads.problems import Problems
from boda.heads.scores import LinearScores
from boda.heads.span import span_of
from boda.heads.target import Target

TOLERANCE = 1e-8


@dataclass(frozen=True)
class Logistic:
    """Choose a penalty by inner folds on held-out log loss, then fit all rows.

    Folds are stratified and keep groups whole: five of them, or one fifth held out once where there are more than
    20,000 rows.
    """

    penalties: tuple[float, ...] | None = None
    """To choose from; one alone is taken as it is. None: half a decade apart, as far as the loss keeps sinking."""

    def __post_init__(self) -> None:
        """Refuse what is no penalty."""
        refuse_penalties(self.penalties)

    def fit(
        self, design: Design, target: Target, *, groups: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> "LogisticModel":
        """Learn from all rows. Classes that no row has score log(0.5 / n), below all others.

        Raises:
            Refused: the target is not of classes or has other rows; a penalty is to be chosen and all rows are of one
                group.
        """
        if target.kind != "class":
            raise Refused(f"target {target.name!r} is of {target.kind}; this learner takes classes")
        if len(target) != design.rows or not design.rows:
            raise Refused(f"target {target.name!r} has {len(target)} rows, the design {design.rows}: both need as many")
        classes, places = np.unique(target.values, return_inverse=True)
        if len(classes) < 2:
            nothing = {"penalty": None, "objective": 0.0, "gap": 0.0, "iterations": 0}
            return _model(np.zeros((1, design.width + 1)), classes, target, design.rows, nothing)
        shares = np.zeros((len(classes), design.rows))
        shares[places, np.arange(design.rows)] = 1
        two = len(classes) == 2
        link: Link = Sigmoid() if two else Softmax()
        shares = shares[1:] if two else shares
        weights = np.ones((1, design.rows))
        span = span_of(design)
        if self.penalties is not None and len(self.penalties) == 1:
            choice = Choice(np.array(self.penalties))
        else:
            folds = held_out_rows(groups, places, rng)
            choice = choose(span.design, link, shares, weights, folds, self.penalties)
        every = Problems(span.design, link, shares, np.ones((1, design.rows), np.float32), weights)
        found = solve(every, choice.penalties, start=choice.start, tolerance=TOLERANCE)
        narrow = found.coefficients[0]
        coefficients = np.concatenate([span.weights(narrow[:, :-1]), narrow[:, -1:]], axis=1)
        if two:
            coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        return _model(coefficients, classes, target, design.rows, _settings(choice, found))


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """One score a class; softmax gives the probabilities."""

    kind: ClassVar[str] = "logistic"
    scores: LinearScores
    learned: Mapping[str, Any]
    """Penalty, how it was chosen, and how well the optimum was solved for."""

    def outputs(self, x: npt.NDArray[np.float32]) -> Outputs:
        """(n, d) prepared to (n, k) scores; of two classes -z/2 and z/2."""
        return self.scores(x)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """`weights` (d, k) and `offset` (k,)."""
        return {"weights": self.scores.weights, "offset": self.scores.offset}

    def settings(self) -> Mapping[str, Any]:
        """`penalty`, `objective`, `gap` (at most so far above the optimum), `iterations`, and the path of penalties."""
        return self.learned

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "LogisticModel":
        """What `tensors` and `settings` describe."""
        return cls(LinearScores(tensors["weights"], tensors["offset"]), dict(settings))


def _model(
    coefficients: Doubles, classes: npt.NDArray[np.int64], target: Target, rows: int, learned: Mapping[str, Any]
) -> LogisticModel:
    weights = np.zeros((coefficients.shape[1] - 1, len(target.names)))
    offset = np.full(len(target.names), np.log(0.5 / rows))
    weights[:, classes], offset[classes] = coefficients[:, :-1].T, coefficients[:, -1]
    return LogisticModel(LinearScores(weights, offset), learned)


def _settings(choice: Choice, found: Solution) -> dict[str, Any]:
    return {
        "penalty": float(choice.penalties[0]),
        "objective": float(found.objective[0, 0]),
        "gap": float(found.gap[0, 0]),
        "iterations": found.steps,
        **described(choice),
    }
