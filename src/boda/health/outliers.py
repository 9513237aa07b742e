"""Outliers: images that are like none of the others, by how far their k-th nearest neighbour is.

Far is what is far here: the logarithm of that distance is compared with the median of all, in robust deviations, as
distances of features have a long tail in every collection (modified z-score above 3.5: Iglewicz and Hoaglin, "How to
detect and handle outliers", 1993). Of large collections neighbours are sought in a random part, which finds outliers as
well and takes a share of the time (Sugiyama and Borgwardt, "Rapid distance-based outlier detection via sampling",
NIPS 2013).

The cosine is of features as they are: less their mean, as copies are told, all that is foreign looks alike, since it
differs from the mean in the same way. Of 20 photographs of other things among 1,703 of houses all were found so, beside
3 houses, and none of them by centred features.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.counted import counted
from boda.errors import Refused
from boda.neighbours.exact import nearest

NEIGHBOURS = 10
"""Which neighbour: a few alike outliers do not hide each other."""
FEWEST = 30
"""Rows among which something can be unusual."""
FAR = 3.5
"""Robust deviations above the median."""
REFERENCE = 20_000
"""Rows that neighbours are sought in, at most."""

_ROBUST = 1.4826  # of the median absolute deviation of a normal distribution
_NEAREST = 1e-6  # copies of an image are at a distance of 0, which has no logarithm
_BLOCK = 4_096
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outliers:
    """How unusual each of n rows is."""

    distance: Floats
    """(n,) to the k-th nearest neighbour: 1 less the cosine of features, 0..2."""
    score: Floats
    """(n,) robust deviations of its logarithm from the median."""
    limit: float
    """The distance above which a row is an outlier."""
    usual: float
    """99 % of rows have a distance below."""
    k: int

    @property
    def rows(self) -> Rows:
        """The outliers, the furthest first."""
        found = np.flatnonzero(self.distance > self.limit)
        return found[np.argsort(-self.distance[found], kind="stable")].astype(np.int64)

    def reason(self, row: int) -> str:
        """Why this row is one."""
        return (
            f"its {_ordinal(self.k)} nearest neighbour is at {self.distance[row]:.2f}; "
            f"99 % of images have one nearer than {self.usual:.2f}"
        )


def outliers(features: StoredFeatures, index: Rows, *, k: int = NEIGHBOURS, rng: np.random.Generator) -> Outliers:
    """Measure how far each row is from the others.

    Args:
        features: (m, d), finite.
        index: (n,); row i is `features[index[i]]`.
        k: which neighbour.
        rng: draws the part that neighbours are sought in, where there are more than `REFERENCE` rows.

    Raises:
        Refused: fewer than `FEWEST` rows, or a feature is not finite.
    """
    n = len(index)
    if n < FEWEST:
        raise Refused(f"{counted(n, 'image is', 'images are')} too few to call one of them unusual: at least {FEWEST}")
    part = np.arange(n) if n <= REFERENCE else np.sort(rng.choice(n, REFERENCE, replace=False))
    reference = np.asarray(features[index[part]], np.float32)
    itself = np.full(n, -1)
    itself[part] = np.arange(len(part))
    distance = np.empty(n)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance[rows] = nearest(reference, features[index[rows]], k, exclude=itself[rows]).distances[:, -1]
    logs = np.log(np.maximum(distance, _NEAREST))
    middle = float(np.median(logs))
    spread = max(_ROBUST * float(np.median(np.abs(logs - middle))), 1e-9)
    limit = float(np.exp(middle + FAR * spread))
    return Outliers(distance, (logs - middle) / spread, limit, float(np.quantile(distance, 0.99)), k)


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 // 10 != 1 else 0, "th")
    return f"{number}{ending}"
