"""The checks beside a map: is it better than chance and a blob in the middle, complete, made of what was learned?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import Floats
from boda.explanations.checks.against import Against, against, curves_by
from boda.explanations.checks.deletion import Curves
from boda.explanations.checks.randomised import similarity
from boda.explanations.checks.regions import Places, at_regions
from boda.explanations.checks.settings import Settings
from boda.explanations.heat import Heat
from boda.explanations.score import Score

BEST = "better than chance and than a blob in the middle"
"""The verdict that says most."""
_ROUNDING = 1e-5
"""Differences below this share of the scores' size are none."""
_ALIKE = 0.5
"""Rank correlation from which on a map of random weights is said to look much the same."""


@dataclass(frozen=True, eq=False)
class Checks:
    """Of n maps of one score by one method; all curves and areas in the score's units."""

    method: str
    unit: str
    curves: Curves
    centre: Curves
    """Of a blob in the middle of the picture."""
    chance: tuple[Curves, ...]
    """Of as many random maps, as coarse as the map that was put in order."""
    similarity: Floats
    """(n,) rank correlation with the map of the same network with random weights; NaN where one of both is constant."""
    mirrored: Floats
    """(n,) the largest with that map's three mirror images: what smooth maps and those of the middle share."""
    gap: Floats | None
    """(n,) what the map adds up to, less what the score moved; None where the method promises nothing."""
    moved: Floats | None
    """(n,) what the score moved from the method's baseline to the image; None where the method has none."""
    grain: Places
    """Regions down and across by which pixels were put in order."""
    notes: tuple[str, ...] = ()

    @property
    def faithfulness(self) -> Floats:
        """(n,) insertion less deletion."""
        return self.curves.faithfulness

    @property
    def centre_faithfulness(self) -> Floats:
        """(n,) of the blob in the middle."""
        return self.centre.faithfulness

    @property
    def chance_faithfulness(self) -> Floats:
        """(n, draws) of the random maps."""
        return np.stack([one.faithfulness for one in self.chance], axis=1)

    @property
    def reach(self) -> Floats:
        """(n,) how far random maps get: the largest size, since a map turned round is as random as itself."""
        reach: Floats = np.abs(self.chance_faithfulness).max(axis=1)
        return reach

    @property
    def span(self) -> Floats:
        """(n,) how far the score lies from that of the curves' baseline, at least 0; to put images on one scale."""
        span: Floats = np.abs(self.curves.deletion[:, 0] - self.curves.deletion[:, -1])
        return span

    def beats_chance(self, image: int) -> bool:
        """Whether that map lies above all random ones: 1 random map in 2 x (draws + 1) would."""
        return bool(self.faithfulness[image] > self.reach[image] + self._least(image))

    def beats_centre(self, image: int) -> bool:
        """Whether that map beats chance and a blob in the middle."""
        over = self.faithfulness[image] > self.centre_faithfulness[image] + self._least(image)
        return self.beats_chance(image) and bool(over)

    def below_chance(self, image: int) -> bool:
        """Whether that map lies below all random ones turned round: what it marks speaks against the score."""
        return bool(self.faithfulness[image] < -self.reach[image] - self._least(image))

    def verdict(self, image: int) -> str:
        """In a few words, of one image of the batch."""
        if self.beats_centre(image):
            return BEST
        if self.beats_chance(image):
            return "better than chance, no better than a blob in the middle"
        if self.below_chance(image):
            return "worse than chance: the score is higher without what it marks than with that alone"
        return "no better than chance"

    def words(self, image: int) -> list[str]:
        """Short lines, of one image of the batch."""
        unit, of_image, of_baseline = self.unit, self.curves.deletion[image, 0], self.curves.deletion[image, -1]
        lines = [
            self.verdict(image),
            (
                f"score {of_image:.3g} {unit}, of the image hidden {of_baseline:.3g}: on average "
                f"{self.curves.deletion_auc[image]:.3g} while what the map marks is hidden first, "
                f"{self.curves.insertion_auc[image]:.3g} while it is shown first"
            ),
            (
                f"the second less the first: {self.faithfulness[image]:.3g}; {len(self.chance)} random maps at most "
                f"{self.reach[image]:.3g} either way, a blob in the middle {self.centre_faithfulness[image]:.3g}"
            ),
        ]
        return [*lines, *self._complete(image), self._alike(image), *self.notes]

    def record(self) -> dict[str, Any]:
        """Plain JSON: lists of n; what is not defined is None."""
        areas = {
            f"{name}{kind}": getattr(one, f"{kind}_auc")
            for name, one in (("", self.curves), ("centre_", self.centre))
            for kind in ("deletion", "insertion")
        }
        of_chance = {
            f"chance_{kind}": np.stack([getattr(one, f"{kind}_auc") for one in self.chance], axis=1)
            for kind in ("deletion", "insertion")
        }
        plain: dict[str, Any] = as_plain(
            {
                "method": self.method,
                "unit": self.unit,
                "grain": self.grain,
                "score": self.curves.deletion[:, 0],
                "baseline_score": self.curves.deletion[:, -1],
                **areas,
                **of_chance,
                "completeness_gap": self.gap,
                "completeness_of": self.moved,
                "similarity_to_random_weights": self.similarity,
                "similarity_to_their_mirror_images": self.mirrored,
                "verdict": [self.verdict(image) for image in range(len(self.similarity))],
                "notes": self.notes,
            }
        )
        return plain

    def _least(self, image: int) -> float:
        return float(_ROUNDING * np.abs(self.curves.deletion[image]).max())

    def _complete(self, image: int) -> list[str]:
        if self.gap is None or self.moved is None:
            return []
        gap, moved = abs(self.gap[image]), abs(self.moved[image])
        share = f" ({gap / moved:.2%})" if moved > 0 else ""
        return [f"the map adds up to what the score moved from its baseline, {moved:.3g}, but for {gap:.2g}{share}"]

    def _alike(self, image: int) -> str:
        alike = self.similarity[image]
        if np.isnan(alike):
            return "with random weights there is no map to compare with"
        much = ": much the same, so it says little of what was learned" if alike >= _ALIKE else ""
        return (
            f"likeness to the map with random weights {alike:.2f}, to its mirror images at most "
            f"{self.mirrored[image]:.2f} (1: weights do not matter){much}"
        )


def checked(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    heat: Heat,
    explain: Callable[[OpenNetwork], Heat],
    *,
    rng: np.random.Generator,
    settings: Settings | None = None,
) -> Checks:
    """Check the maps of one method.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised: what was explained.
        heat: its maps.
        explain: makes such maps of the same score and batch, at the same layer, of another network.
        rng: of random maps, random weights, and the order of equal pixels.
        settings: None: the usual ones.

    Raises:
        Refused: as of `curves`.
    """
    places = [(heat.maps.shape[1], heat.maps.shape[2])]
    held = against(opened, score, batch, places, rng=rng, settings=settings)
    return checked_against(opened, score, batch, heat, explain, held, rng=rng)


def checked_against(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    heat: Heat,
    explain: Callable[[OpenNetwork], Heat],
    held: Against,
    *,
    rng: np.random.Generator,
) -> Checks:
    """Check the maps of one of several methods: `held` serves all of them; other arguments as of `checked`.

    Raises:
        Refused: `held` has no random maps as coarse as these, or as of `curves`.
    """
    coarse = at_regions(heat, held.settings.regions)
    down, across = coarse.maps.shape[1:]
    if (down, across) not in held.chance:
        raise Refused(f"no random maps of {down} x {across} places to hold {heat.method} against: give these places")
    own = curves_by(held.settings, opened, score, batch, coarse.at((batch.shape[2], batch.shape[3])), rng)
    alike, mirrored, notes = _likeness(heat, explain, held.untaught)
    gap = heat.gaps.get("completeness")
    moved = None if gap is None else heat.maps.astype(np.float64).sum(axis=(1, 2)) - gap
    chance = held.chance[down, across]
    return Checks(heat.method, score.unit, own, held.centre, chance, alike, mirrored, gap, moved, (down, across), notes)


def _likeness(
    heat: Heat, explain: Callable[[OpenNetwork], Heat], untaught: OpenNetwork
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """To the maps of random weights, and to these mirrored; what a method refuses of random weights is a note."""
    try:
        other = explain(untaught).maps
    except Refused as error:
        nothing = np.full(len(heat.maps), np.nan)
        return nothing, nothing, (f"with random weights: {error}",)
    mirrored = [similarity(heat.maps, np.flip(other, axes)) for axes in (1, 2, (1, 2))]
    return similarity(heat.maps, other), np.max(mirrored, axis=0), ()
