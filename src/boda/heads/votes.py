"""Votes: what people would answer about an image, question by question, with how sure one can be of it.

For each question the fractions are a softmax of linear scores and the total concentration is a bounded function of
one more: a = A softmax(z), log A = log 0.1 + log(1e4) sigmoid(s), so A lies between 0.1 and 1,000. The loss is the
Dirichlet-multinomial one of Walmsley et al., MNRAS 509, 3966, 2022; the link is not theirs (1 + 100 sigmoid for each
answer), for three reasons. With A large it becomes multinomial logistic regression on the votes, which is convex and
fits the fractions on average exactly; theirs bends in every output. No answer need have a concentration of at least 1,
so a question on which people are of one mind, this way or that (edge-on or not), can be said to be one. And the
penalty shrinks towards the fractions and the agreement of all galaxies together, not towards equal concentrations
of 51. Beyond the bounds nothing can be learned from some 40 votes: 1,000 is not to be told from full agreement on the
fractions, and 0.1 not from people who all say the same.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.heads.design import Design
from boda.heads.dirichlet import AnswerCounts, fraction_intervals, likelihood
from boda.heads.learner import Outputs
from boda.heads.scores import LinearScores, Near, fit_scores
from boda.heads.target import Target
from boda.heads.vote_tree import VoteTree

Floats = npt.NDArray[np.float64]

_LOWEST, _HIGHEST = 0.1, 1000.0
_STIFFNESS = 100.0
"""Of s against z: votes say far less of how much galaxies that look alike differ than of what they look like. On 800
galaxies of Galaxy Zoo 2 with 1,200 pixels as features, held-out minus log likelihood of the first question was 2,676
with 1, 2,617 with 100 and 2,614 with 10,000."""
_FAINTEST = -30.0
"""Logarithm of the smallest concentration of one answer."""


@dataclass(frozen=True)
class Votes:
    """Learn concentrations of votes; images weigh by how much their votes say."""

    penalties: tuple[float, ...] | None = None
    """Of |W|^2 / 2, beside the sum over rows; None: `scores.PENALTIES`. Each question has its own choice."""

    def fit(
        self, design: Design, target: Target, *, groups: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> "VotesModel":
        """Learn from all rows; the penalty of each question is chosen by inner folds.

        Raises:
            Refused: the target is not of votes.
        """
        if target.kind != "votes" or target.tree is None:
            raise Refused(f"target {target.name!r} is a {target.kind}; this learner takes votes with a tree")
        losses = [QuestionLoss.of(target.values[:, part]) for part in target.tree.slices]
        fitted = fit_scores(design, losses, self.penalties, groups=groups, rng=rng)
        widths = [len(question.answers) for question in target.tree.questions]
        return VotesModel(fitted.scores, {"answers": widths, **fitted.settings()})


@dataclass(frozen=True, eq=False)
class VotesModel:
    """One concentration an answer."""

    kind: ClassVar[str] = "votes"
    scores: LinearScores
    learned: Mapping[str, Any]
    """`answers`: how many each question has; the penalties and how they were chosen."""

    def outputs(self, x: npt.NDArray[np.float32]) -> Outputs:
        """(n, d) prepared to (n, a) concentrations > 0."""
        return concentrations_of(self.scores(x), self.learned["answers"])

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """`weights` (d, a + q) and `offset` (a + q,): of each question its answers, then its total."""
        return {"weights": self.scores.weights, "offset": self.scores.offset}

    def settings(self) -> Mapping[str, Any]:
        """How it was learned."""
        return self.learned

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "VotesModel":
        """What `tensors` and `settings` describe."""
        return cls(LinearScores(tensors["weights"], tensors["offset"]), dict(settings))


def concentrations_of(scores: Floats, answers: Sequence[int]) -> Floats:
    """(n, a) concentrations > 0 from (n, a + q) scores: of each question its answers, then its total.

    Args:
        scores: before the link.
        answers: how many each question has.
    """
    return np.concatenate([_concentrations(scores[:, part])[0] for part in _score_parts(answers)], axis=1)


def fractions(tree: VoteTree, concentrations: Floats) -> Floats:
    """(n, a) expected fractions, adding up to 1 in each question, from (n, a) concentrations."""
    parts = [concentrations[:, part] / concentrations[:, part].sum(axis=1, keepdims=True) for part in tree.slices]
    return np.concatenate(parts, axis=1)


def leaf_shares(tree: VoteTree, expected: Floats) -> tuple[Floats, Floats]:
    """Shares of all people who are expected to be asked each question, (n, q), and to give each answer, (n, a).

    A share is the product of the expected fractions (n, a) of the answers that lead there, summed over the ways.
    """
    return tree.walk(expected, np.ones(len(expected)))


def credible_intervals(tree: VoteTree, concentrations: Floats, level: float = 0.9) -> tuple[Floats, Floats]:
    """Ends (n, a) of the credible intervals of the fraction of all people who would give each answer."""
    ends = [fraction_intervals(concentrations[:, part], level) for part in tree.slices]
    return np.concatenate([low for low, _ in ends], axis=1), np.concatenate([high for _, high in ends], axis=1)


def predictive_intervals(
    tree: VoteTree, concentrations: Floats, asked: Floats, level: float = 0.9
) -> tuple[Floats, Floats]:
    """Ends (n, a) of intervals of the fraction that is observed when so many people are asked.

    Counts are whole, so no interval holds exactly `level` of them: these are the shortest equal-tailed ones that hold
    at least so much, and `interval_coverage` says how to measure them.

    Args:
        tree: whose questions.
        concentrations: (n, a).
        asked: (n, q) people who are asked each question, taken to the nearest whole number.
        level: of each interval.

    Returns:
        Fractions; NaN where nobody is asked.
    """
    low, high = np.full(concentrations.shape, np.nan), np.full(concentrations.shape, np.nan)
    people = np.rint(asked)
    for question, part in enumerate(tree.slices):
        rows = np.flatnonzero(people[:, question] > 0)
        for column in range(part.start, part.stop):
            counts = _answer_counts(concentrations[rows, part], column - part.start, people[rows, question])
            low[rows, column] = counts.quantile((1 - level) / 2) / people[rows, question]
            high[rows, column] = counts.quantile((1 + level) / 2) / people[rows, question]
    return low, high


def interval_coverage(
    tree: VoteTree, concentrations: Floats, counts: Floats, rng: np.random.Generator, level: float = 0.9
) -> Floats:
    """(a,) how often the central `level` of the predictive distribution holds the votes of each answer: see `covered`.

    NaN for an answer that nobody could give.
    """
    inside = covered(tree, concentrations, counts, rng, level)
    known = ~np.isnan(inside)
    return np.where(known.any(axis=0), np.nansum(inside, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def covered(
    tree: VoteTree, concentrations: Floats, counts: Floats, rng: np.random.Generator, level: float = 0.9
) -> Floats:
    """(n, a) whether the central `level` of the predictive distribution holds the votes: 1, 0, or NaN if nobody voted.

    Votes are whole numbers, and a plain interval of whole numbers holds more than its level, all of it for an answer
    that hardly anybody gives. So each count is spread evenly over its own probability first: u is drawn between
    P(less) and P(at most) the count, which is uniform exactly where the model is right, and the interval covers where
    u is in the central `level` (the randomised probability integral transform: Smith, Journal of Forecasting 4, 1985;
    Czado, Gneiting and Held, Biometrics 65, 2009).

    Args:
        tree: whose questions.
        concentrations: (n, a), of a model that has not seen these rows.
        counts: (n, a), taken to the nearest whole numbers.
        rng: of u.
        level: of the intervals.
    """
    inside = np.full(counts.shape, np.nan)
    whole = np.rint(counts)
    for part in tree.slices:
        people = whole[:, part].sum(axis=1)
        rows = np.flatnonzero(people > 0)
        for column in range(part.start, part.stop) if len(rows) else ():
            found = _answer_counts(concentrations[rows, part], column - part.start, people[rows])
            less, at_most = found.below(whole[rows, column])
            spread = less + rng.random(len(rows)) * (at_most - less)
            inside[rows, column] = np.abs(spread - 0.5) <= level / 2
    return inside


def _answer_counts(concentrations: Floats, answer: int, people: Floats) -> AnswerCounts:
    own = concentrations[:, answer]
    return AnswerCounts.of(own, np.delete(concentrations, answer, axis=1).sum(axis=1), people)


@dataclass(frozen=True, eq=False)
class QuestionLoss:
    """Dirichlet-multinomial loss of one question, of the scores of its answers and of its total; a `scores.Loss`."""

    counts: Floats
    """(n, k)."""
    start: Floats
    stiffness: Floats
    curvature: Floats

    @classmethod
    def of(cls, counts: Floats) -> "QuestionLoss":
        """From (n, k) counts, with offsets of the fractions of all votes and of a total amid its bounds."""
        people = counts.sum(axis=1)
        pooled = np.maximum(counts.sum(axis=0) / max(people.sum(), 1.0), 1e-6)
        total = np.sqrt(_LOWEST * _HIGHEST)
        said = (people * (1 + total) / (people + total)).sum() / max((people > 0).sum(), 1)
        bends = np.append(said * pooled * (1 - pooled), 0.1)
        stiffness = np.append(np.ones(len(pooled)), _STIFFNESS)
        return cls(counts, np.append(np.log(pooled / pooled.sum()), 0.0), stiffness, bends)

    @property
    def told(self) -> npt.NDArray[np.bool_]:
        """(n,) rows that anybody was asked of."""
        return np.asarray(self.counts.sum(axis=1) > 0)

    def take(self, rows: npt.NDArray[np.intp]) -> "QuestionLoss":
        """Only these rows."""
        return replace(self, counts=np.asfortranarray(self.counts[rows]))

    def __call__(self, rows: slice, scores: Floats) -> Near:
        """Loss, slopes and second derivatives of these rows; exactly 0 where nobody was asked."""
        concentrations, expected, climb, bend = _concentrations(np.asfortranarray(scores))
        loss, slope, own, shared = likelihood(self.counts[rows], concentrations)
        pull = concentrations * slope
        total = pull.sum(axis=1, keepdims=True)

        def curved(direction: Floats) -> Floats:
            along, up = np.asfortranarray(direction[:, :-1]), direction[:, -1:]
            swing = along - (expected * along).sum(axis=1, keepdims=True)
            moved = concentrations * (swing + climb * up)
            pulled = slope * moved + concentrations * (own * moved + shared * moved.sum(axis=1, keepdims=True))
            together = pulled.sum(axis=1, keepdims=True)
            return np.concatenate(
                [pulled - expected * (swing * total + together), bend * up * total + climb * together], axis=1
            )

        return Near(float(loss.sum()), np.concatenate([pull - expected * total, total * climb], axis=1), curved)


def _concentrations(scores: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Concentrations (r, k), expected fractions (r, k), slope and bend (r, 1) of log A, from scores (r, k + 1)."""
    from scipy.special import expit

    logs, where = scores[:, :-1] - scores[:, :-1].max(axis=1, keepdims=True), expit(scores[:, -1:])
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    scale = np.log(_HIGHEST / _LOWEST)
    total, climb = np.log(_LOWEST) + scale * where, scale * where * (1 - where)
    return np.exp(np.maximum(total + logs, _FAINTEST)), np.exp(logs), climb, climb * (1 - 2 * where)


def _score_parts(widths: Sequence[int]) -> tuple[slice, ...]:
    """Of each question, the scores of its answers and of its total."""
    ends = np.cumsum([0, *(width + 1 for width in widths)]).tolist()
    return tuple(slice(start, end) for start, end in itertools.pairwise(ends))
