"""Labels: several yes-or-no labels a row, one logistic regression each, all solved in the same passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.folds import strata_of
from boda.heads.design import Design
from boda.heads.learner import Outputs
from boda.heads.links import Doubles, Sigmoid
from boda.heads.newton import solve
from boda.heads.penalty_path import Choice, choose, described, held_out_rows, refuse_penalties
from boda.heads.problems import Problems
from boda.heads.scores import LinearScores
from boda.heads.span import span_of
from boda.heads.target import Target

TOLERANCE = 1e-8


@dataclass(frozen=True)
class Labels:
    """Choose a penalty for each label by inner folds on held-out log loss, then fit all rows.

    Rows whose label is missing are left out for that label alone. Folds are as those of `Logistic`, stratified by the
    rarest label that a row has.
    """

    penalties: tuple[float, ...] | None = None
    """To choose from; one alone is taken as it is. None: half a decade apart, as far as a loss keeps sinking."""

    def __post_init__(self) -> None:
        """Refuse what is no penalty."""
        refuse_penalties(self.penalties)

    def fit(
        self, design: Design, target: Target, *, groups: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> "LabelsModel":
        """Learn from all rows. A label that is always yes, always no or never said learns its log odds alone.

        Raises:
            Refused: the target is not of labels or has other rows; a penalty is to be chosen and all rows are of one
                group.
        """
        if target.kind != "labels":
            raise Refused(f"target {target.name!r} is of {target.kind}; this learner takes labels")
        if len(target) != design.rows or not design.rows:
            raise Refused(f"target {target.name!r} has {len(target)} rows, the design {design.rows}: both need as many")
        said = ~np.isnan(target.values.T)
        shares, weights = np.where(said, target.values.T, 0.0), said.astype(np.float64)
        span = span_of(design)
        if self.penalties is not None and len(self.penalties) == 1:
            choice = Choice(np.repeat(self.penalties, len(shares)))
        else:
            folds = held_out_rows(groups, strata_of("labels", target.values), rng)
            choice = choose(span.design, Sigmoid(), shares, weights, folds, self.penalties)
        every = Problems(span.design, Sigmoid(), shares, np.ones((1, design.rows), np.float32), weights)
        found = solve(every, choice.penalties, start=choice.start, tolerance=TOLERANCE)
        learned = {
            "penalty": choice.penalties.tolist(),
            "objective": found.objective[0].tolist(),
            "gap": found.gap[0].tolist(),
            "iterations": found.steps,
            **described(choice),
        }
        coefficients = found.coefficients[0]
        offset = np.where(every.present[0], coefficients[:, -1], _log_odds(shares, weights))
        return LabelsModel(LinearScores(span.weights(coefficients[:, :-1]).T, offset), learned)


@dataclass(frozen=True, eq=False)
class LabelsModel:
    """One logit a label."""

    kind: ClassVar[str] = "labels"
    scores: LinearScores
    learned: Mapping[str, Any]
    """Of each label: penalty, how it was chosen, and how well the optimum was solved for."""

    def outputs(self, x: npt.NDArray[np.float32]) -> Outputs:
        """(n, d) prepared to (n, l) logits."""
        return self.scores(x)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """`weights` (d, l) and `offset` (l,)."""
        return {"weights": self.scores.weights, "offset": self.scores.offset}

    def settings(self) -> Mapping[str, Any]:
        """Lists of one number a label: `penalty`, `objective`, `gap`; `iterations`, and the path of penalties."""
        return self.learned

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "LabelsModel":
        """What `tensors` and `settings` describe."""
        return cls(LinearScores(tensors["weights"], tensors["offset"]), dict(settings))


def _log_odds(shares: Doubles, weights: Doubles) -> Doubles:
    """(k,), with half a yes and half a no added, so that they are finite."""
    yes, rows = (weights * shares).sum(axis=1), weights.sum(axis=1)
    return np.asarray(np.log((yes + 0.5) / (rows - yes + 0.5)))
