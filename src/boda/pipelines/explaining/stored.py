"""The score that is explained is the score that is stored: the same pixels, the same network, the same number."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from boda.errors import Refused
from boda.explanations.score import Score
from boda.keys import shown
from boda.pipelines.explaining.subjects import Subjects

TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}
"""How far a score may be from that of the stored features, in standard deviations of the score over the collection."""
_CHANGED = "the image or the network is not what it was"
_WHY = {
    "fp32": f"{_CHANGED}: embed again",
    "bf16": f"{_CHANGED}, or bf16 is too coarse for scores that lie so close: embed again with --precision fp32",
}
_SPREAD_OF = 2000
"""Images whose scores say how much scores differ."""


def differences(
    score: Score, rows: Sequence[int], scores: npt.NDArray[np.float64], subjects: Subjects
) -> npt.NDArray[np.float64] | None:
    """|score - score of the stored features|, in standard deviations of the score over the collection.

    Of a score that reads no features, such as a logit, the features themselves are compared: the length of their
    difference, in root mean squared distances of the collection from its mean.

    Args:
        score: what is explained.
        rows: (n,) of subjects.
        scores: (n,) as explained.
        subjects: with what is stored.

    Returns:
        (n,); None where nothing is stored: of image files.

    Raises:
        Refused: one is above the tolerance of the precision in which features are stored.
    """
    if subjects.features is None or subjects.stored is None:
        return None
    every = len(subjects.features)
    sample = np.unique(np.linspace(0, every - 1, min(every, _SPREAD_OF)).astype(np.intp))
    known, stored = subjects.features.array[sample], subjects.stored[list(rows)]
    if type(score) is Score and score.reads == "features":
        away, spread = np.abs(scores - _of(score, stored)), float(_of(score, known).std())
        what = f"{score.title}, computed again, is"
        size = spread if spread > 0 else max(float(np.abs(scores).max()), 1e-12)
    else:
        again = subjects.through(subjects.network.features, rows).astype(np.float64)
        away, what = np.linalg.norm(again - stored.astype(np.float64), axis=1), "its features, computed again, are"
        spread = float(np.sqrt(known.astype(np.float64).var(axis=0).sum()))
        size = spread if spread > 0 else max(float(np.linalg.norm(stored.astype(np.float64), axis=1).max()), 1e-12)
    found: npt.NDArray[np.float64] = away / size
    most = TOLERANCE[subjects.features.recipe.precision]
    bad = np.flatnonzero(~(found <= most))
    if len(bad):
        place = int(bad[0])
        raise Refused(
            f"{shown(subjects.keys[rows[place]])}: {what} {found[place]:.2g} standard deviations from what is stored "
            f"(at most {most:g}): {_WHY[subjects.features.recipe.precision]}"
        )
    return found


def _of(score: Score, features: npt.NDArray[np.float32] | npt.NDArray[np.float16]) -> npt.NDArray[np.float64]:
    with torch.no_grad():
        found: npt.NDArray[np.float64] = score.of(torch.from_numpy(np.array(features, np.float32))).double().numpy()
    return found
