"""The two published targets: the mean rating, and the mean rating divided by ten.

What a model of either says is brought back to ratings of 1 to 10 here, before anything is measured. The published code
compares predictions of one scale with scores of the other; Spearman does not see that, errors are wrong by ten.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scale:
    """How a target is made of mean ratings."""

    name: str
    divisor: float

    def target(self, ratings: Floats) -> Floats:
        """What a model is trained on; a new array."""
        return ratings / self.divisor

    def ratings(self, predictions: npt.NDArray[np.floating]) -> Floats:
        """What a model says, in ratings."""
        return np.asarray(predictions, np.float64) * self.divisor


RAW = Scale("raw", 1.0)
DIVIDED = Scale("divided by ten", 10.0)
SCALES = (RAW, DIVIDED)
