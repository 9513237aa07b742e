"""Objectives of an autoencoder: how near the image must come, and what the network sees of it."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from boda.errors import Refused

Distance: TypeAlias = Literal["mse", "l1", "ssim"]


@dataclass(frozen=True, slots=True)
class Objective:
    """Facts only; `boda.training.tasks` and `boda.training.corruption` compute with them."""

    distance: Distance = "mse"
    """Of pixels from 0 to 1: mean squared error, mean absolute error, or 1 less the structural similarity."""
    noise: float = 0.0
    """Standard deviation of noise that the network has to take away."""
    masked: float = 0.0
    """Share of patches that it has to fill in."""
    patch: int = 4
    """Side of such a patch in pixels."""
    classes_weight: float = 0.0
    """Of the classifier's cross entropy beside the distance, where there is a target; 0: the classifier alone is
    trained, and with it the encoder."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            Refused: names the value and what it may be.
        """
        if self.distance not in get_args(Distance):
            raise Refused(f"distance is {self.distance!r}; it can be {', '.join(get_args(Distance))}")
        if not 0 <= self.noise < math.inf:
            raise Refused(f"noise={self.noise}: a standard deviation from 0, of pixels from 0 to 1")
        if not 0 <= self.masked < 1:
            raise Refused(f"masked={self.masked}: a share from 0 to below 1")
        if self.patch < 1:
            raise Refused(f"patch={self.patch}: a side in pixels from 1")
        if not 0 <= self.classes_weight < math.inf:
            raise Refused(f"classes_weight={self.classes_weight}: a number from 0")

    @property
    def spoils(self) -> bool:
        """Whether the network sees something else than the image."""
        return bool(self.noise or self.masked)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)
