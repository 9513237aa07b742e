"""Pairs that stand out: two rows much nearer to each other than either is to any other.

What is cut out of a picture has features like those of the whole, but not as like as 0.9; a likeness of 0.7 may be that
of any two kitchens, or of one kitchen only. So the neighbours of both tell: a copy is followed by a gap, a kitchen by
more kitchens (as matches of points are told from chance by the second best: Lowe, "Distinctive image features from
scale-invariant keypoints", IJCV 60, 2004). The only two tigers of a collection stand out as well: such pairs are
proposals, and pixels decide (`cuts`).
"""

import numpy as np
import numpy.typing as npt

from boda.health.likeness import Likeness
from boda.neighbours.exact import nearest

LEAST, GAP = 0.5, 0.2
"""Likeness of such a pair, and how much more that is than the likeness of either to its `OTHER`th nearest."""
OTHER = 4
"""So up to three copies of a picture do not hide each other."""
FEWEST, MOST = 50, 20_000
"""Rows: among fewer everything stands out, and of more every likeness takes too long."""

Rows = npt.NDArray[np.int64]


def standing_out(alike: Likeness, *, least: float = LEAST, gap: float = GAP) -> Rows:
    """(p, 2) every pair that stands out, lower row first; what stands out most comes first.

    Args:
        alike: of u rows; of fewer than `FEWEST` none stands out.
        least: likeness.
        gap: of likeness.
    """
    n = len(alike.index)
    if n < FEWEST:
        return np.zeros((0, 2), np.int64)
    unit = alike.unit(np.arange(n))
    found = nearest(unit, unit, OTHER, exclude=np.arange(n))
    likeness, others = 1 - found.distances, found.rows
    bar = np.maximum(least, likeness[:, -1] + gap)
    one, place = np.nonzero(likeness[:, :-1] >= bar[:, None])
    two = others[one, place]
    both = likeness[one, place] >= bar[two]
    most = likeness[one, place] - np.maximum(bar[one], bar[two])
    pairs = np.sort(np.stack([one[both], two[both]], axis=1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return pairs[np.argsort(-most[both][first], kind="stable")].astype(np.int64)
