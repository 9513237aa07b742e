"""Metrics of votes: fractions of each question, which different numbers of people answered."""

from collections.abc import Mapping

import numpy as np

from boda.evaluation.rating_metrics import shares_of
from boda.evaluation.weighted import Floats, Statistic, mean_of, mean_of_defined

CONFIDENT_SHARE = 0.8
"""People agree where one answer has this share of the votes: Walmsley et al., MNRAS 509, 2022."""
CONFIDENT_VOTES = 10
"""... of at least this many, so that one voter is no agreement."""


def statistics(votes: Floats, fractions: Floats, questions: Mapping[str, slice]) -> dict[str, Statistic]:
    """Metrics of (n, a) predicted fractions against (n, a) counts of votes.

    A question that nobody was asked of a row counts for nothing; one of many votes counts by their number.
    """
    errors = {name: _mae(votes[:, columns], fractions[:, columns]) for name, columns in questions.items()}
    right = {name: _confident(votes[:, columns], fractions[:, columns]) for name, columns in questions.items()}
    return {
        "mae": _mean_over_questions(errors),
        "confident_accuracy": _mean_over_questions(right),
        **{f"mae:{name}": statistic for name, statistic in errors.items()},
        **{f"confident_accuracy:{name}": statistic for name, statistic in right.items()},
    }


def _mae(votes: Floats, fractions: Floats) -> Statistic:
    return mean_of(np.abs(shares_of(votes) - fractions).mean(axis=1), votes.sum(axis=1))


def _confident(votes: Floats, fractions: Floats) -> Statistic:
    confident = (shares_of(votes).max(axis=1) >= CONFIDENT_SHARE) & (votes.sum(axis=1) >= CONFIDENT_VOTES)
    right = votes.argmax(axis=1) == fractions.argmax(axis=1)
    return mean_of(right.astype(np.float64), confident.astype(np.float64))


def _mean_over_questions(each: Mapping[str, Statistic]) -> Statistic:
    return lambda weights: mean_of_defined([statistic(weights) for statistic in each.values()])
