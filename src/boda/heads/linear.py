"""A linear layer that somebody else trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from boda.heads.imported import refuse_unnormalised
from boda.heads.learner import Outputs


@dataclass(frozen=True, eq=False)
class LinearModel:
    """`x @ weights + offset`, of features as they are."""

    kind: ClassVar[str] = "linear"
    weights: npt.NDArray[np.float64]
    """(d, k)."""
    offset: npt.NDArray[np.float64]
    """(k,)."""
    unit_length: bool
    """Whether it takes only features of length 1."""

    def outputs(self, x: npt.NDArray[np.float32]) -> Outputs:
        """(n, d) to (n, k).

        Raises:
            Refused: it takes features of length 1, and a row has another.
        """
        if self.unit_length:
            refuse_unnormalised(x)
        return np.asarray(x.astype(np.float64) @ self.weights + self.offset)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Weights and offset."""
        return {"weights": self.weights, "offset": self.offset}

    def settings(self) -> Mapping[str, Any]:
        """Whether it takes only features of length 1."""
        return {"unit_length": self.unit_length}

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "LinearModel":
        """What `tensors` and `settings` describe."""
        return cls(tensors["weights"], tensors["offset"], bool(settings["unit_length"]))
