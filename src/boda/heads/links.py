"""Links: what a row loses for its scores, as softmax over classes or as one sigmoid a column.

Arrays have the axes (g problems, k columns, r rows). A unit is what has an optimum of its own: a whole problem of
softmax, one column of one problem of sigmoids; arrays of units are (g, c) with c = 1 or c = k.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]

_ABSENT = -1e4
"""Score of a class that no training row has: its probability is exactly 0 in double precision."""


class Terms(NamedTuple):
    """Of each row, before its weight."""

    loss: Floats
    """(g, c, r): cross-entropy of the scores."""
    entropy: Floats
    """(g, c, r): of the probabilities; the dual objective is made of it."""
    probabilities: Floats
    """(g, k, r)."""


class Dual(NamedTuple):
    """How far probabilities move towards a constant one so that no offset could do better (see `certificate`)."""

    share: Doubles
    """(g, c): 0 where nothing has to move."""
    constant: Doubles
    """(g, k)."""
    entropy: Doubles
    """(g, c): of the constant."""


class Link(Protocol):
    """A convex loss of scores."""

    def present(self, counts: Doubles, rows: Doubles) -> npt.NDArray[np.bool_]:
        """(g, k): whether there is something to learn, from counts (g, k) of (g, c) rows."""
        ...

    def told(self, shares: Doubles, present: npt.NDArray[np.bool_]) -> Doubles:
        """How much a row says of what is present, 0 to 1, broadcasts to (g, c, r)."""
        ...

    def terms(self, scores: Floats, shares: Floats, present: npt.NDArray[np.bool_]) -> Terms:
        """Loss, entropy and probabilities; `shares` (k, r), `present` (g, k). The scores are overwritten."""
        ...

    def curved(self, probabilities: Floats, scores: Floats) -> Floats:
        """Second derivative of the loss times `scores`, (g, k, r); the scores are overwritten."""
        ...

    def total(self, each: Doubles) -> Doubles:
        """Sum of (g, k, ...) over all but the units: (g, c)."""
        ...

    def centred(self, coefficients: Doubles, present: npt.NDArray[np.bool_]) -> Doubles:
        """Without what does not change probabilities, (g, k, d + 1)."""
        ...

    def offsets(self, totals: Doubles, rows: Doubles) -> Doubles:
        """(g, k): the best ones if features said nothing, from counts (g, k) of (g, c) rows."""
        ...

    def mixture(self, excess: Doubles, totals: Doubles, rows: Doubles) -> Dual:
        """What makes expected counts, `totals` + `excess` (g, k), equal to `totals`."""
        ...


class Softmax:
    """One of k classes: p = softmax(z), loss = log sum exp(z) - q'z."""

    def present(self, counts: Doubles, rows: Doubles) -> npt.NDArray[np.bool_]:
        """Classes that are seen."""
        return counts > 0

    def told(self, shares: Doubles, present: npt.NDArray[np.bool_]) -> Doubles:
        """(g, 1, r): nothing, where the row is of a class that is not present."""
        return np.asarray(present.astype(float) @ shares)[:, None]

    def terms(self, scores: Floats, shares: Floats, present: npt.NDArray[np.bool_]) -> Terms:
        """As of Link; a class that is not present has probability 0."""
        if not present.all():
            scores[~present] = _ABSENT
        scores -= scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores)
        sums = probabilities.sum(axis=1, keepdims=True)
        probabilities /= sums
        logs = np.log(sums)
        loss = logs - np.einsum("gkr,kr->gr", scores, shares)[:, None]
        entropy = logs - np.einsum("gkr,gkr->gr", scores, probabilities)[:, None]
        return Terms(loss, entropy, probabilities)

    def curved(self, probabilities: Floats, scores: Floats) -> Floats:
        """(diag p - p p') u."""
        scores -= np.einsum("gkr,gkr->gr", probabilities, scores)[:, None]
        scores *= probabilities
        return scores

    def total(self, each: Doubles) -> Doubles:
        """(g, 1)."""
        summed: Doubles = each.reshape(len(each), -1).sum(axis=1)[:, None]
        return summed

    def centred(self, coefficients: Doubles, present: npt.NDArray[np.bool_]) -> Doubles:
        """Mean over the present classes 0, and 0 for the others."""
        kept = coefficients * present[..., None]
        means = kept.sum(axis=1, keepdims=True) / present.sum(axis=1)[:, None, None]
        return np.asarray((kept - means) * present[..., None])

    def offsets(self, totals: Doubles, rows: Doubles) -> Doubles:
        """Logs of the shares of the classes."""
        return np.log(np.where(totals > 0, totals / rows, 1.0))

    def mixture(self, excess: Doubles, totals: Doubles, rows: Doubles) -> Dual:
        """Towards the classes that are expected too rarely."""
        over = np.maximum(excess, 0.0)
        share = np.max(over / np.maximum(totals + over, np.finfo(float).tiny), axis=1, keepdims=True)
        constant = np.where(share > 0, totals - (1 - share) * excess / np.where(share > 0, share, 1.0), totals)
        constant = np.maximum(constant, 0.0)
        constant /= constant.sum(axis=1, keepdims=True)
        return Dual(share, constant, _entropy(constant).sum(axis=1, keepdims=True))


class Sigmoid:
    """Yes or no in every column: p = 1 / (1 + exp(-z)), loss = log(1 + exp(z)) - q z."""

    def present(self, counts: Doubles, rows: Doubles) -> npt.NDArray[np.bool_]:
        """Columns with both a yes and a no."""
        return (counts > 0) & (counts < rows)

    def told(self, shares: Doubles, present: npt.NDArray[np.bool_]) -> Doubles:
        """(g, k, 1): nothing, of a column that is not present."""
        return present.astype(float)[..., None]

    def terms(self, scores: Floats, shares: Floats, present: npt.NDArray[np.bool_]) -> Terms:
        """As of Link; rows say nothing of columns that are not present."""
        decays = np.exp(-np.abs(scores))
        logs = np.maximum(scores, 0.0) + np.log1p(decays)
        probabilities = np.where(scores >= 0, 1.0, decays) / (1.0 + decays)
        return Terms(logs - shares * scores, logs - probabilities * scores, probabilities)

    def curved(self, probabilities: Floats, scores: Floats) -> Floats:
        """Spread p (1 - p) of one row, times u."""
        scores *= probabilities
        scores *= 1 - probabilities
        return scores

    def total(self, each: Doubles) -> Doubles:
        """(g, k)."""
        summed: Doubles = each.reshape(*each.shape[:2], -1).sum(axis=2)
        return summed

    def centred(self, coefficients: Doubles, present: npt.NDArray[np.bool_]) -> Doubles:
        """All of it matters, except where nothing is to be learned."""
        return coefficients * present[..., None]

    def offsets(self, totals: Doubles, rows: Doubles) -> Doubles:
        """Odds, as logs."""
        mixed = (totals > 0) & (totals < rows)
        return np.where(mixed, np.log(np.where(mixed, totals, 1.0) / np.where(mixed, rows - totals, 1.0)), 0.0)

    def mixture(self, excess: Doubles, totals: Doubles, rows: Doubles) -> Dual:
        """Towards whichever of yes and no is expected too rarely."""
        over = np.abs(excess)
        known = np.where(excess > 0, totals, rows - totals)
        share = over / np.maximum(known + over, np.finfo(float).tiny)
        safe = np.where(share > 0, share, 1.0) * np.maximum(rows, np.finfo(float).tiny)
        constant = np.clip(np.where(share > 0, (share * totals - (1 - share) * excess) / safe, 0.5), 0.0, 1.0)
        return Dual(share, constant, _entropy(constant) + _entropy(1 - constant))


def _entropy(shares: Doubles) -> Doubles:
    return -shares * np.log(np.where(shares > 0, shares, 1.0))
