"""Nulls: features that look like the given ones and have no groups, to see what a method makes of nothing."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from boda.arrays import Features
from boda.clusters.space import Floats

Kind: TypeAlias = Literal["shuffled", "correlated"]

KINDS: dict[Kind, str] = {
    "shuffled": "columns shuffled, each by itself",
    "correlated": "columns shuffled so that they keep their correlations",
}


@dataclass(frozen=True, eq=False)
class Nulls:
    """Draws of such features.

    Both kinds keep every column's values exactly, and shuffle them over the rows.

    `shuffled` does so to each column by itself, so nothing is left of how columns go together. It is right against
    noise, and wrong against one long cloud: where columns are correlated, as features of a network are, cutting that
    cloud across gives the same two halves every time, while the shuffled one is a ball that can be cut anywhere. Two
    stable halves of one group would so pass for two groups.

    `correlated` is for that. Normal numbers are drawn whose correlations are those of the normal scores of the
    columns, and each column's values are put in the order of its normal numbers (Iman and Conover, Communications in
    Statistics B 11, 1982). What is left is one cloud as long and as skewed as the given one, without groups; of
    independent columns it is the same as `shuffled`. Principal directions would do no better: shuffled along them, two
    groups are kept that lie apart along the first.

    What neither can show: groups that differ in one column only are kept by both, since the column is.
    """

    ordered: Features
    """(m, d) each column sorted."""
    root: Floats
    """(r, d) with root' root the correlations of normal scores."""

    @classmethod
    def of(cls, features: Features) -> "Nulls":
        """Of (m, d) features; equal values share the mean of their ranks."""
        from scipy.special import ndtri
        from scipy.stats import rankdata

        scores = ndtri(rankdata(features, axis=0) / (len(features) + 1))
        scores -= scores.mean(axis=0)
        lengths = np.sqrt(np.square(scores).sum(axis=0))
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
        root: Floats = np.asarray(np.linalg.qr(scores, mode="r"))
        return cls(np.sort(features, axis=0), root)

    def draw(self, kind: Kind, rng: np.random.Generator) -> Features:
        """(m, d) one of them."""
        if kind == "shuffled":
            return rng.permuted(self.ordered, axis=0)
        normal = rng.standard_normal((len(self.ordered), len(self.root)), np.float32) @ self.root.astype(np.float32)
        found = np.empty_like(self.ordered)
        np.put_along_axis(found, normal.argsort(axis=0), self.ordered, axis=0)
        return found
