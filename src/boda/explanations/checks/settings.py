"""How maps are checked: what the checks beside all maps have in common."""

from dataclasses import dataclass

from boda.errors import Refused
from boda.explanations.baselines import Baseline
from boda.explanations.checks.deletion import STEPS
from boda.explanations.checks.regions import REGIONS

DRAWS = 4
"""Random maps an image. Each stands for itself and for itself turned round, so a further random map lies above all of
them, both ways, in 1 of 2 x (4 + 1) images."""


@dataclass(frozen=True, eq=False, slots=True)
class Settings:
    """The same for a map and for all that it is held against.

    Raises:
        Refused: no random maps or no regions are asked for.
    """

    steps: int = STEPS
    """Of the curves. An image takes about 2 x (draws + 2) x steps passes."""
    draws: int = DRAWS
    """Random maps an image."""
    regions: int | None = REGIONS
    """Down and across, to which finer maps are averaged before pixels are put in order; None: no averages."""
    baseline: Baseline = "blurred"
    """What hides pixels."""
    at_once: int = 64
    """Pictures at once; bounds memory."""

    def __post_init__(self) -> None:
        """Check the numbers; steps and baseline are checked where pixels are known."""
        if self.draws < 1:
            raise Refused(f"draws={self.draws} must be at least 1: without random maps nobody knows what chance does")
        if self.regions is not None and self.regions < 1:
            raise Refused(f"regions={self.regions} must be at least 1, or None")
