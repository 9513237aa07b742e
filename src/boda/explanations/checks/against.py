"""What every map of one score and one batch is held against. Made once, it serves all methods."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.explanations.checks.centre import centre_blob, random_maps
from boda.explanations.checks.deletion import Curves, curves
from boda.explanations.checks.randomised import randomised
from boda.explanations.checks.regions import Places, places_at
from boda.explanations.checks.settings import Settings
from boda.explanations.heat import Map
from boda.explanations.score import Score


@dataclass(frozen=True, eq=False)
class Against:
    """A blob in the middle, chance, and the same network with random weights."""

    centre: Curves
    chance: Mapping[Places, tuple[Curves, ...]]
    """Of random maps, by how many places the maps have that they stand beside, down and across."""
    untaught: OpenNetwork
    settings: Settings
    """By which maps are to be checked too."""


def against(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    places: Iterable[Places],
    *,
    rng: np.random.Generator,
    settings: Settings | None = None,
) -> Against:
    """Curves of the blob and of random maps, and the network with random weights.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        places: of the maps that will be checked: `heat.maps.shape[1:]` of each.
        rng: of random maps, random weights, and the order of equal pixels.
        settings: None: the usual ones.

    Raises:
        Refused: as of `curves`.
    """
    settings = settings or Settings()
    untaught = randomised(opened, torch.Generator().manual_seed(int(rng.integers(2**63))))
    shape = (batch.shape[2], batch.shape[3])

    def of(maps: Map) -> Curves:
        return curves_by(settings, opened, score, batch, maps, rng)

    chance = {
        one: tuple(of(random_maps(len(batch), shape, rng, places=one)) for _ in range(settings.draws))
        for one in sorted({places_at(one, settings.regions) for one in places})
    }
    return Against(of(np.broadcast_to(centre_blob(shape), (len(batch), *shape))), chance, untaught, settings)


def curves_by(
    settings: Settings, opened: OpenNetwork, score: Score, batch: Tensor, maps: Map, rng: np.random.Generator
) -> Curves:
    """`curves` as the checks take them."""
    return curves(
        opened, score, batch, maps,
        rng=rng, steps=settings.steps, baseline=settings.baseline, at_once=settings.at_once,
    )  # fmt: skip
