"""Copies: rows whose images are the same file or nearly the same picture, which must not stand on both sides of a fold.

Likeness is the cosine of features less their mean. The mean is what all images of a set share: without it, any two
galaxies have 0.9 and the line between copies and look-alikes differs from set to set. With it, measured on the
default features of six sets of photographs and galaxies (5,178 images), the highest likeness of pictures that are not
the same was 0.895 (edge-on galaxies; 0.85 among photographs, of lawns), while the same photograph cut differently or
listed under two names mostly had 0.91 and more. JPEG of quality 60 leaves most photographs 0.90 to 0.97, a mirror image
0.91 to 0.98. So 0.9 finds most of what inflates a score and hardly anything else; where it joins mere look-alikes (1 %
of 10,000 tiny drawings of clothes), these stay on one side of a fold, which costs nothing. What it misses, as pictures
of the same thing, a column of groups has to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.cores import one_thread
from boda.errors import Refused
from boda.evaluation.groups import join, numbered

LIKENESS = 0.9
"""Of copies, see above."""
LIMIT = 250_000
"""Distinct files that are compared with each other, which takes minutes; the time grows with the square."""

_BLOCK = 4_096  # rows against rows at once: 64 MiB
_GATHERED = 2**22  # values of candidate pairs in memory at once
_SKETCH = 128
_SAMPLE = 1_024
_SLACK = 1e-4  # of the sketch's float32
_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Copies:
    """Which rows are copies of which."""

    groups: _Rows
    """(n,) numbers 0, 1, ... in the order of their first row; a row without copies is alone."""
    pairs: _Rows
    """(p, 2) each row that has a copy, and the row that it is most like: the first file of equal ones."""
    likeness: npt.NDArray[np.float64]
    """(p,) of each pair; 1 for equal files."""
    threshold: float

    @property
    def copied(self) -> int:
        """How many rows could be left out and every picture still be there."""
        return len(self.groups) - len(np.unique(self.groups))

    def as_json(self) -> dict[str, Any]:
        """Counts, not rows."""
        sizes = np.bincount(self.groups) if len(self.groups) else np.zeros(1, int)
        return {
            "rows": len(self.groups),
            "copied": self.copied,
            "groups_of_copies": int((sizes > 1).sum()),
            "largest_group": int(sizes.max()),
            "threshold": self.threshold,
        }


def group_copies(
    contents: Sequence[bytes | str | None] | None,
    features: StoredFeatures | None,
    *,
    index: _Rows | None = None,
    new: int | None = None,
    likeness: float = LIKENESS,
) -> Copies:
    """Find equal files and near copies; copies of copies are one group.

    Every pair of distinct files is compared, exactly: a sketch of each row (its largest 128 principal components, and
    the length of the rest) bounds every likeness from above, and the few pairs that it cannot rule out are computed
    from the features. Memory is that of the sketch, 0.5 KiB a row, however many pairs there are.

    Args:
        contents: (n,) digests of the files; None for a row (or at all) where nobody knows.
        features: (n, d), finite, maybe a memory map; None to look for equal files only.
        index: (n,); row i is `features[index[i]]`, which then may have any length. None: row i.
        new: only the first so many rows are compared, with each other and with all after them; these are not compared
            among themselves. None: all rows.
        likeness: the least cosine of centred features that makes two rows copies.

    Raises:
        Refused: neither is given, lengths differ, a feature is not finite, or there are more than `LIMIT` distinct
            files to compare (equal files alone are found at any size).
    """
    given = [len(one) for one in (contents, features if index is None else index) if one is not None]
    if len(set(given)) != 1:
        raise Refused(f"copies are found among equally many contents and features, but there are {given or 'none'}")
    n = given[0]
    same_file = np.arange(n) if contents is None else join(contents)
    first = np.unique(same_file, return_index=True)[1].astype(np.int64)
    again = np.setdiff1d(np.arange(n), first)
    if features is None:
        return Copies(same_file, np.stack([again, first[same_file[again]]], axis=1), np.ones(len(again)), likeness)
    if len(first) > LIMIT:
        raise Refused(
            f"{len(first)} images are too many to compare each with each (at most {LIMIT}): "
            "look for equal files only, or give a column of groups"
        )
    compared = len(first) if new is None else int(np.searchsorted(first, new))
    labels, partner, best = _near(features, first if index is None else index[first], compared, likeness)
    found = np.flatnonzero(partner >= 0)
    pairs = np.concatenate(
        [np.stack([again, first[same_file[again]]], axis=1), np.stack([first[found], first[partner[found]]], axis=1)]
    )
    order = np.argsort(pairs[:, 0], kind="stable")
    values = np.concatenate([np.ones(len(again)), best[found]])
    return Copies(numbered(labels[same_file]), pairs[order], values[order], likeness)


def _near(
    features: StoredFeatures, rows: _Rows, compared: int, likeness: float
) -> tuple[_Rows, _Rows, npt.NDArray[np.float64]]:
    """(u,) group of each of these rows, its most alike copy (a place in `rows`, -1: none) and their likeness."""
    unit = _Centred(features, rows)
    sketch = _sketch(unit)
    labels, partner, best = np.arange(len(rows)), np.full(len(rows), -1), np.full(len(rows), -np.inf)
    for start in range(0, compared, _BLOCK):  # pairs of the last block of these with itself and later ones come along
        for after in range(start, len(rows), _BLOCK):
            left, right = _candidates(sketch[start : start + _BLOCK], sketch[after : after + _BLOCK], likeness)
            if start == after:
                left, right = left[left < right], right[left < right]
            step = max(1, _GATHERED // unit.width)
            linked = []
            for part in range(0, len(left), step):
                one, two = left[part : part + step] + start, right[part : part + step] + after
                alike = np.einsum("ij,ij->i", unit[one], unit[two], dtype=np.float64)
                close = alike >= likeness
                one, two, alike = one[close], two[close], np.minimum(alike[close], 1.0)
                _keep_best(partner, best, one, two, alike)
                _keep_best(partner, best, two, one, alike)
                linked.append(np.stack([one, two], axis=1))
            if linked:
                labels = _merged(labels, np.concatenate(linked))
    return labels, partner, best


def _candidates(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32], likeness: float) -> tuple[_Rows, _Rows]:
    """The pairs that the sketch cannot rule out."""
    near = np.flatnonzero(one @ two.T >= likeness - _SLACK)
    return near // len(two), near % len(two)


def _keep_best(partner: _Rows, best: npt.NDArray[np.float64], rows: _Rows, others: _Rows, alike: Any) -> None:
    """Note the most alike other row of each row; of equally alike ones the first seen."""
    order = np.lexsort((others, -alike, rows))
    rows, place = np.unique(rows[order], return_index=True)
    better = alike[order][place] > best[rows]
    best[rows[better]] = alike[order][place][better]
    partner[rows[better]] = others[order][place][better]


def _merged(labels: _Rows, pairs: _Rows) -> _Rows:
    """Labels with the groups of each pair joined."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = labels[pairs[:, 0]], labels[pairs[:, 1]]
    graph = coo_array((np.ones(len(pairs), np.int8), edges), shape=(len(labels), len(labels)))
    merged: _Rows = connected_components(graph, directed=False)[1][labels].astype(np.int64)
    return merged


class _Centred:
    """Rows less their mean, at length 1, made when asked for. Rows at the mean all become one and the same."""

    def __init__(self, features: StoredFeatures, rows: _Rows) -> None:
        self.features, self.rows, self.width = features, rows, features.shape[1]
        total, longest = np.zeros(self.width), 0.0
        for block in self._raw():
            if not np.isfinite(block).all():
                raise Refused("the features hold NaN or infinity: copies cannot be looked for")
            total += block.sum(axis=0, dtype=np.float64)
            longest = max(longest, float(np.abs(block).max(initial=0)))
        self.mean = total / max(1, len(rows))
        self.nothing = 1e-5 * longest  # what rounding leaves of a row at the mean

    def _raw(self) -> Iterator[npt.NDArray[np.float32]]:
        for start in range(0, len(self.rows), _BLOCK):
            yield np.asarray(self.features[self.rows[start : start + _BLOCK]], np.float32)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: Any) -> npt.NDArray[np.float32]:
        off = np.asarray(self.features[self.rows[places]], np.float64) - self.mean
        lengths = np.sqrt(np.square(off).sum(axis=1))
        at_mean = lengths <= self.nothing
        off[at_mean], lengths[at_mean] = 1.0, np.sqrt(self.width)
        unit: npt.NDArray[np.float32] = (off / lengths[:, None]).astype(np.float32)
        return unit


def _sketch(unit: _Centred) -> npt.NDArray[np.float32]:
    """(u, s + 1) whose products are never below the likeness.

    With an orthonormal basis B, x.y = Bx.By + the product of what is left, and the latter is at most the product of
    its lengths (Cauchy and Schwarz). The basis is that of a sample, since any basis bounds and a good one bounds well.
    """
    sample = unit[np.arange(0, len(unit), max(1, len(unit) // _SAMPLE))].astype(np.float64)
    with one_thread():
        values, vectors = np.linalg.eigh(sample @ sample.T)
        largest = vectors[:, values > 1e-6 * values[-1:]][:, -_SKETCH:] if len(values) else vectors
        basis = np.linalg.qr(sample.T @ largest)[0].astype(np.float32)
    sketch = np.empty((len(unit), basis.shape[1] + 1), np.float32)
    for start in range(0, len(unit), _BLOCK):
        inside = unit[np.arange(start, min(start + _BLOCK, len(unit)))] @ basis
        sketch[start : start + _BLOCK, :-1] = inside
        sketch[start : start + _BLOCK, -1] = np.sqrt(np.clip(1 - np.square(inside).sum(axis=1), 0, 1))
    return sketch
