"""What a clustering says: which cluster each row is in."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Labels: TypeAlias = npt.NDArray[np.int32]
"""(n,): the cluster of each row, 0..k-1; -1 is in no cluster."""

Centres: TypeAlias = npt.NDArray[np.float32]
"""(k, d): row j is the centre of cluster j."""


@dataclass(frozen=True, eq=False)
class Partition:
    """Rows in clusters. The numbers of the clusters mean nothing: another seed may count them differently."""

    labels: Labels
    """(n,) int32; -1 is in no cluster."""
    centres: Centres | None
    """(k, d) float32; None where the method has no centres."""
    inertia: float | None
    """Sum of the squared distances of the rows to their centres, in float64; None where there are no centres."""
    iterations: int
    """Passes over all rows that the kept solution took."""

    @property
    def k(self) -> int:
        """How many clusters there are."""
        return int(self.labels.max(initial=-1)) + 1 if self.centres is None else len(self.centres)
