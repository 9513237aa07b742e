"""What every map of one score and one batch is held against. Made once, it serves all methods."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.baselines import Baseline
from boda.explanations.checks.centre import centre_blob, random_maps
from boda.explanations.checks.deletion import STEPS, Curves, curves
from boda.explanations.checks.randomised import randomised
from boda.explanations.checks.regions import REGIONS, Places, places_at
from boda.explanations.heat import Map
from boda.explanations.score import Score

DRAWS = 4
"""Random maps an image. Each stands for itself and for itself turned round, so a further random map lies above all of
them, both ways, in 1 of 2 x (4 + 1) images."""


@dataclass(frozen=True, eq=False)
class Against:
    """A blob in the middle, chance, and the same network with random weights."""

    centre: Curves
    chance: Mapping[Places, tuple[Curves, ...]]
    """Of random maps, by how many places the maps have that they stand beside, down and across."""
    untaught: OpenNetwork
    steps: int
    regions: int | None
    baseline: Baseline


def against(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    places: Iterable[Places],
    *,
    rng: np.random.Generator,
    steps: int = STEPS,
    draws: int = DRAWS,
    regions: int | None = REGIONS,
    baseline: Baseline = "blurred",
    at_once: int = 64,
) -> Against:
    """Curves of the blob and of random maps, and the network with random weights.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        places: of the maps that will be checked: `heat.maps.shape[1:]` of each.
        rng: of random maps, random weights, and the order of equal pixels.
        steps: of the curves.
        draws: random maps an image.
        regions: down and across, to which finer maps are averaged before pixels are put in order; None: no averages.
        baseline: of the curves.
        at_once: pictures at once; bounds memory.

    Raises:
        Refused: no random maps or no regions are asked for, or as of `curves`.
    """
    if draws < 1:
        raise Refused(f"draws={draws} must be at least 1: without random maps nobody knows what chance does")
    if regions is not None and regions < 1:
        raise Refused(f"regions={regions} must be at least 1, or None")
    untaught = randomised(opened, torch.Generator().manual_seed(int(rng.integers(2**63))))
    shape = (batch.shape[2], batch.shape[3])

    def of(maps: Map) -> Curves:
        return curves(opened, score, batch, maps, rng=rng, steps=steps, baseline=baseline, at_once=at_once)

    chance = {
        one: tuple(of(random_maps(len(batch), shape, rng, places=one)) for _ in range(draws))
        for one in sorted({places_at(one, regions) for one in places})
    }
    return Against(
        of(np.broadcast_to(centre_blob(shape), (len(batch), *shape))), chance, untaught, steps, regions, baseline
    )
