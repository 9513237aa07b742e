"""Likeness: the cosine of features less their mean, as `evaluation.copies` has it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.evaluation.copies import group_copies

Rows = npt.NDArray[np.int64]

_BLOCK = 4_096
_GATHERED = 2**22  # values in memory at once


@dataclass(frozen=True, eq=False)
class Likeness:
    """Of u rows: row i is `features[index[i]]`."""

    features: StoredFeatures
    """(m, d), finite; maybe a memory map."""
    index: Rows
    """(u,)"""
    mean: npt.NDArray[np.float64]
    """(d,) of the u rows."""

    @classmethod
    def among(cls, features: StoredFeatures, index: Rows) -> "Likeness":
        """Centred on the mean of these rows."""
        total = np.zeros(features.shape[1])
        for start in range(0, len(index), _BLOCK):
            total += np.asarray(features[index[start : start + _BLOCK]], np.float64).sum(axis=0)
        return cls(features, index, total / max(1, len(index)))

    def unit(self, rows: Rows) -> npt.NDArray[np.float32]:
        """(r, d) of these rows, centred, at length 1; zeros where a row is the mean."""
        off = np.asarray(self.features[self.index[rows]], np.float64) - self.mean
        lengths = np.sqrt(np.square(off).sum(axis=1, keepdims=True))
        unit: npt.NDArray[np.float32] = np.divide(off, lengths, out=np.zeros_like(off), where=lengths > 0).astype("f4")
        return unit

    def of(self, pairs: Rows) -> npt.NDArray[np.float64]:
        """(p,) likeness of each pair (p, 2)."""
        found = np.empty(len(pairs))
        step = max(1, _GATHERED // max(1, self.features.shape[1]))
        for start in range(0, len(pairs), step):
            one, two = (self.unit(pairs[start : start + step, side]) for side in (0, 1))
            found[start : start + step] = np.einsum("ij,ij->i", one, two, dtype=np.float64)
        return found.clip(-1, 1)

    def pairs(self, least: float) -> Rows:
        """(p, 2) every pair that is at least so alike, in order; both in one group of `group_copies`.

        Raises:
            Refused: there are too many rows to compare each with each, or a feature is not finite.
        """
        groups = group_copies(None, self.features, index=self.index, likeness=least).groups
        order = np.argsort(groups, kind="stable")
        several = [rows for rows in np.split(order, np.cumsum(np.bincount(groups))[:-1]) if len(rows) > 1]
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *(self._pairs_of_group(rows, least) for rows in several)])
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]

    def _pairs_of_group(self, rows: Rows, least: float) -> Rows:
        unit = self.unit(rows)
        found = [np.zeros((0, 2), np.int64)]
        step = max(1, _GATHERED // len(rows))
        for start in range(0, len(rows), step):
            one, two = np.nonzero(unit[start : start + step] @ unit.T >= least)
            upper = one + start < two
            found.append(np.stack([rows[one[upper] + start], rows[two[upper]]], axis=1))
        return np.concatenate(found)
