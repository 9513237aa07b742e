"""Deletion and insertion: does a score fall as what a map marks is hidden, and rise as it is shown?

Pixels are hidden behind a baseline in the order of a map, the largest first, and the score is read on the way
(deletion); or put back into the baseline in the same order (insertion). A map that knows what moves the score has a
small area under the first curve and a large one under the second (Petsiuk, Das and Saenko, BMVC 2018,
arXiv:1806.07421).

Two things differ from the paper. Both curves run between the image and the same baseline, where the paper deletes to
grey and inserts into a blurred image. And they are in the score's own units, where the paper takes a probability: so
any score can be checked, and who wants probabilities asks for one. Nothing is divided by how far the score moved from
the baseline to the image, since that may be nearly nothing and of either sign; `ranking` divides sums, where asked to.

One number is left, insertion less deletion, `faithfulness`. What is added to a score cancels in it, and so does much
of what a network makes of half hidden pictures as such. Hiding in one order leaves the same pictures as showing in the
reverse order: so a map turned round has the same number with the other sign, and maps drawn at random have 0 on
average, of every score and baseline. How scattered a map is counts, though: see `regions`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.evaluation.weighted import Floats
from boda.explanations.baselines import Baseline, baseline_of
from boda.explanations.passes import blocks, scored
from boda.explanations.score import Score

STEPS = 10


@dataclass(frozen=True, eq=False)
class Curves:
    """The score of n images as more and more of their pixels are hidden, or shown; in the score's units."""

    deletion: Floats
    """(n, steps + 1): from the image to its baseline."""
    insertion: Floats
    """(n, steps + 1): from the baseline to the image."""
    shares: Floats
    """(steps + 1,) of the pixels that were changed, from 0 to 1."""

    @property
    def deletion_auc(self) -> Floats:
        """(n,) the mean score along the way, by trapezoids; small where the map is right."""
        return _area(self.deletion, self.shares)

    @property
    def insertion_auc(self) -> Floats:
        """(n,) the mean score along the way, by trapezoids; large where the map is right."""
        return _area(self.insertion, self.shares)

    @property
    def faithfulness(self) -> Floats:
        """(n,) insertion less deletion: 0 on average for maps drawn at random."""
        return self.insertion_auc - self.deletion_auc


def curves(
    opened: OpenNetwork,
    score: Score,
    batch: Tensor,
    maps: npt.NDArray[np.floating[Any]],
    *,
    rng: np.random.Generator,
    steps: int = STEPS,
    baseline: Baseline = "blurred",
    at_once: int = 64,
) -> Curves:
    """Hide and show pixels in the order of maps.

    Args:
        opened: the network.
        score: of each image by itself.
        batch: (n, 3, h, w), normalised.
        maps: (n, h, w), one value a pixel; of signed maps the most negative come last.
        rng: puts pixels of equal value in a random order, so that no place goes first by being first.
        steps: how often the score is read on the way, each time after as many pixels, to one; a curve takes
            steps - 1 passes an image, besides its ends.
        baseline: what hides pixels; all channels of a pixel go together.
        at_once: pictures at once; bounds memory.

    Raises:
        Refused: maps do not fit the batch or are not finite, the steps are none or more than pixels, or the score is
            not one number an image.
    """
    n, pixels = len(batch), batch.shape[2] * batch.shape[3]
    if maps.shape != (n, *batch.shape[2:]):
        raise Refused(f"maps of shape {maps.shape} do not fit images of {tuple(batch.shape)}: one value a pixel")
    if not 1 <= steps <= pixels:
        raise Refused(f"steps={steps} must be at least 1 and at most the {pixels} pixels")
    batch = batch.detach()
    start = baseline_of(opened, batch, baseline)
    places = torch.from_numpy(_places(maps, rng)).to(batch.device)
    counts = np.rint(np.linspace(0, pixels, steps + 1)).astype(np.int64)
    changed = torch.from_numpy(counts).to(batch.device)
    found = np.empty((2, n, steps + 1))  # deletion, insertion
    for rows, (first, last) in ((batch, (0, -1)), (start, (-1, 0))):
        for block in blocks(n, at_once):
            found[0, block, first] = found[1, block, last] = _scores(opened, score, rows[block])
    between = 2 * (steps - 1)
    for block in blocks(n * between, at_once):
        image, way = np.divmod(np.arange(block.start, block.stop), between)
        step, kind = way // 2 + 1, way % 2
        marked = places[image] < changed[step][:, None, None]
        hidden = marked ^ torch.from_numpy(kind == 1).to(batch.device)[:, None, None]
        found[kind, image, step] = _scores(opened, score, torch.where(hidden[:, None], start[image], batch[image]))
    return Curves(found[0], found[1], counts / pixels)


def _places(maps: npt.NDArray[np.floating[Any]], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """(n, h, w) each pixel's place in the order of its map, 0 the largest; equal ones in a random order."""
    places = np.empty(maps.shape, np.int32)
    for image, one in enumerate(maps):
        if not np.isfinite(one).all():
            raise Refused(f"the map of image {image} of the batch holds NaN or infinity: it gives pixels no order")
        order = np.lexsort((rng.random(one.size), -one.ravel()))
        places[image].reshape(-1)[order] = np.arange(one.size, dtype=np.int32)
    return places


def _scores(opened: OpenNetwork, score: Score, rows: Tensor) -> Floats:
    found: Floats = scored(opened, score, rows).double().cpu().numpy()
    return found


def _area(curve: Floats, shares: Floats) -> Floats:
    area: Floats = (np.diff(shares) * (curve[:, 1:] + curve[:, :-1]) / 2).sum(axis=1)
    return area
