"""How often an image's nearest neighbour is of its class, with an interval and what guessing would give."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.neighbours.exact import nearest


@dataclass(frozen=True, slots=True)
class Share:
    """So many right of so many, with its interval of 95 %."""

    right: int
    total: int

    @property
    def value(self) -> float:
        """Right / total."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """By Wilson's score."""
        return wilson(self.right, self.total)

    def as_json(self) -> dict[str, Any]:
        """Counts, share and interval."""
        return {"right": self.right, "total": self.total, "accuracy": self.value, "interval": list(self.interval)}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Each image predicted by its nearest neighbour among all the others."""

    accuracy: Share
    baseline: Share
    """Always saying the largest class."""
    nearest: npt.NDArray[np.int64]
    """(n,) the row of each image's nearest neighbour."""
    wrong: tuple[int, ...]
    """Rows whose nearest neighbour is of another class."""


def wilson(right: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share by Wilson's score, which holds for few images and for shares near 0 and 1.

    Args:
        right: how many of them.
        total: at least 1.
        confidence: between 0 and 1.

    Source: Wilson, Journal of the American Statistical Association 22, 1927.

    >>> [round(end, 3) for end in wilson(90, 100)]
    [0.826, 0.945]
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = right / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = (z / (1 + spread)) * (share * (1 - share) / total + spread / (4 * total)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def leave_one_out(features: StoredFeatures, labels: Sequence[Hashable]) -> LeaveOneOut:
    """Predict each image's class by its nearest neighbour among all others, by the angle between features.

    Args:
        features: (n, d), finite.
        labels: n classes.

    Raises:
        Refused: features and labels differ in rows, or there are fewer than 2.
    """
    if len(features) != len(labels) or len(labels) < 2:
        raise Refused(f"{len(features)} rows with {len(labels)} labels: give at least 2, as many of both")
    rows = nearest(features, features, 1, exclude=np.arange(len(features))).rows[:, 0]
    wrong = tuple(row for row, other in enumerate(rows) if labels[row] != labels[other])
    total = len(labels)
    largest = Counter(labels).most_common(1)[0][1]
    return LeaveOneOut(Share(total - len(wrong), total), Share(largest, total), rows, wrong)
