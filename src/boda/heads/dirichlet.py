"""Dirichlet: what votes say of a galaxy, when people answer alike but not all galaxies that look alike are alike.

Of x people who were asked one question, with k answers, the numbers who gave each follow a Dirichlet-multinomial
distribution with concentrations a > 0: the fraction of all people who would give answer i has mean a_i / sum(a), and is
the better known the larger sum(a). Walmsley et al., MNRAS 509, 3966, 2022.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from boda.heads.gamma_functions import log_gamma

Floats = npt.NDArray[np.float64]


def negative_log_likelihood(counts: Floats, concentrations: Floats) -> Floats:
    """(n,) minus the logarithm of the probability of the counts of one question; exactly 0 where nobody was asked.

    Args:
        counts: (n, k) >= 0, whole or not.
        concentrations: (n, k) > 0.
    """
    from scipy.special import gammaln

    ways = gammaln(counts.sum(axis=1) + 1) - gammaln(counts + 1).sum(axis=1)
    return np.asarray(likelihood(counts, concentrations).loss - ways)


class Likelihood(NamedTuple):
    """`negative_log_likelihood` but for what the concentrations do not change; exactly 0 where nobody was asked."""

    loss: Floats
    """(n,)."""
    slope: Floats
    """(n, k): in each concentration."""
    own: Floats
    """(n, k) >= 0: second derivatives are `own` of an answer with itself, and for any two answers, ..."""
    shared: Floats
    """... (n, 1) <= 0: this is added."""


def likelihood(counts: Floats, concentrations: Floats) -> Likelihood:
    """Of (n, k) counts >= 0 of one question, whole or not, and (n, k) concentrations > 0."""
    people, total = counts.sum(axis=1, keepdims=True), concentrations.sum(axis=1, keepdims=True)
    together = log_gamma(total + people).since(log_gamma(total))
    given = counts > 0
    chosen = concentrations[given]
    value, slope, bend = np.zeros((3, *counts.shape))
    value[given], slope[given], bend[given] = log_gamma(chosen + counts[given]).since(log_gamma(chosen))
    return Likelihood(together.value[:, 0] - value.sum(axis=1), together.slope - slope, -bend, together.bend)


def fraction_intervals(concentrations: Floats, level: float = 0.9) -> tuple[Floats, Floats]:
    """Ends (n, k) of equal-tailed credible intervals of the fraction of all people who would give each answer.

    The fraction of one answer has a Beta distribution. What n people happened to say scatters more than that: see
    `count_intervals`.

    Args:
        concentrations: (n, k) > 0, of one question.
        level: of each interval.
    """
    from scipy.special import betaincinv

    others = concentrations.sum(axis=1, keepdims=True) - concentrations
    others = np.maximum(others, np.finfo(np.float64).tiny)
    tail = (1 - level) / 2
    low, high = (betaincinv(concentrations, others, share) for share in (tail, 1 - tail))
    return np.asarray(low), np.asarray(high)


@dataclass(frozen=True, eq=False)
class AnswerCounts:
    """How many of the people who are asked give one answer: beta-binomial, row by row."""

    cumulative: Floats
    """(n, m + 1); of row i, column x: the probability of at most x; 1 from the number of its people on."""

    @classmethod
    def of(cls, concentration: Floats, others: Floats, people: Floats) -> "AnswerCounts":
        """From the concentration of the answer (n,), the sum of the others (n,), and how many are asked (n,), whole."""
        steps = np.arange(int(people.max(initial=0)))
        left = np.maximum(people[:, None] - steps, 0)
        with np.errstate(divide="ignore"):
            rises = np.log(left) + np.log(steps + concentration[:, None]) - np.log(steps + 1)
            rises -= np.log(np.where(left > 0, left - 1 + others[:, None], 1))
        logs = np.concatenate([np.zeros((len(people), 1)), np.cumsum(rises, axis=1)], axis=1)
        chances = np.exp(logs - logs.max(axis=1, keepdims=True))
        cumulative = np.cumsum(chances, axis=1)
        return cls(cumulative / cumulative[:, -1:])

    def quantile(self, share: float) -> Floats:
        """(n,) the smallest number that is not exceeded with a probability of at least `share`."""
        return np.asarray((self.cumulative < share - 1e-12).sum(axis=1), np.float64)

    def below(self, counts: Floats) -> tuple[Floats, Floats]:
        """(n,) probabilities of less than the counts, and of at most the counts, which are whole and not too large."""
        rows, places = np.arange(len(counts)), counts.astype(np.intp)
        upper = self.cumulative[rows, places]
        return np.where(places > 0, self.cumulative[rows, places - 1], 0.0), upper
