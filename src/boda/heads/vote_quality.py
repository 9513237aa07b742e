"""Vote quality: errors of fractions on all images, accuracy on those of which people agree; question by question."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.plain import as_plain
from boda.evaluation.rating_metrics import shares_of
from boda.evaluation.vote_metrics import CONFIDENT_SHARE, CONFIDENT_VOTES
from boda.heads.vote_tree import VoteTree

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FractionError:
    """How far predicted fractions of one question are from the observed ones."""

    question: str
    error: float
    """Mean absolute error over answers and rows, rows weighted by their votes; NaN where nobody was asked."""
    answers: tuple[float, ...]
    """The same of each answer."""
    rows: int
    """That anybody was asked of."""
    votes: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(as_plain(asdict(self)))


@dataclass(frozen=True)
class ConfidentAccuracy:
    """How often the likeliest answer is the one on which people agree."""

    question: str
    accuracy: float
    """NaN where people agree on no row."""
    rows: int
    """On which people agree."""
    share: float
    """Of the rows that anybody was asked of."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(as_plain(asdict(self)))


def fraction_errors(tree: VoteTree, counts: Floats, fractions: Floats) -> tuple[FractionError, ...]:
    """Errors of each question on all rows that anybody was asked of.

    Args:
        tree: whose questions.
        counts: (n, a) votes.
        fractions: (n, a) predicted.

    Raises:
        Refused: shapes differ.
    """
    _same_shape(tree, counts, fractions)
    found = []
    for question, part in zip(tree.questions, tree.slices, strict=True):
        votes = counts[:, part].sum(axis=1)
        missed = votes @ np.abs(shares_of(counts[:, part]) - fractions[:, part])
        each = missed / votes.sum() if votes.any() else np.full(len(missed), np.nan)
        rows = int((votes > 0).sum())
        found.append(FractionError(question.name, float(each.mean()), tuple(each.tolist()), rows, float(votes.sum())))
    return tuple(found)


def confident_accuracy(
    tree: VoteTree,
    counts: Floats,
    fractions: Floats,
    *,
    share: float = CONFIDENT_SHARE,
    votes: float = CONFIDENT_VOTES,
) -> tuple[ConfidentAccuracy, ...]:
    """Accuracy of each question where one answer has at least `share` of at least so many votes.

    Walmsley et al., MNRAS 509, 3966, 2022, report both: on all galaxies no model can be right about what people
    themselves cannot agree on.

    Raises:
        Refused: shapes differ.
    """
    _same_shape(tree, counts, fractions)
    found = []
    for question, part in zip(tree.questions, tree.slices, strict=True):
        here, people = counts[:, part], counts[:, part].sum(axis=1)
        sure = (shares_of(here).max(axis=1) >= share) & (people >= votes)
        right = here[sure].argmax(axis=1) == fractions[sure, part].argmax(axis=1)
        rows, asked = int(sure.sum()), int((people > 0).sum())
        accuracy = float(right.mean()) if rows else float("nan")
        found.append(ConfidentAccuracy(question.name, accuracy, rows, rows / asked if asked else 0.0))
    return tuple(found)


def _same_shape(tree: VoteTree, counts: Floats, fractions: Floats) -> None:
    if counts.shape != fractions.shape or counts.shape[1:] != (len(tree.columns),):
        raise Refused(
            f"vote tree {tree.name} has {len(tree.columns)} answers, which do not fit counts of shape {counts.shape} "
            f"and fractions of shape {fractions.shape}"
        )
