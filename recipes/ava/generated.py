"""Generated features: 512 wide, with the scale of CLIP's, that say of the real mean ratings about as much as CLIP does.

No image is behind them. For image i with standardised mean rating s_i:

- 512 hidden coordinates z_i, of variance 1 and uncorrelated over images; coordinate k correlates with s by r_k. These
  fall slowly (`k^-SIGNAL/2`, random signs), and together let a linear head explain `SAID^2` of the variance of s;
- feature i is a centre that all share plus z_i with standard deviations that fall as `k^(-SPECTRUM/2)`, turned by a
  random rotation: much of a vector is the same for all images, and a few directions have most of the variance;
- scaled so that the mean squared length is `LENGTH^2`.

Four numbers were chosen by trying: `SAID` so that the closed form comes near 0.70, where the published curves end, and
`SPECTRUM`, `SIGNAL` and `CENTRE` so that the published training gives curves like the published ones. That they can be
met shows that unfinished optimisation explains the published gap; it measures nothing of CLIP.
"""

import math

import numpy as np

from ava.features import AvaFeatures
from ava.table import AvaTable

WIDTH = 512
LENGTH = 10.0
CENTRE = 0.8
"""Length of the shared centre, as a share of `LENGTH`: the cosine of two images is about its square."""
SPECTRUM = 1.35
SIGNAL = 0.15
SAID = 0.73
_BLOCK = 16_384


def generated_features(table: AvaTable, rng: np.random.Generator) -> AvaFeatures:
    """(n, 512) for every row of the table.

    Args:
        table: whose mean ratings they tell of.
        rng: of everything drawn.
    """
    ratings = table.means
    said = (ratings - ratings.mean()) / ratings.std()
    ranks = np.arange(1, WIDTH + 1, dtype=np.float64)
    correlations = ranks ** (-SIGNAL / 2) * rng.choice([-1.0, 1.0], WIDTH)
    correlations *= SAID / np.linalg.norm(correlations)
    along = correlations / SAID
    variances = ranks**-SPECTRUM
    variances *= LENGTH**2 * (1 - CENTRE**2) / variances.sum()
    rotation = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
    turned = (np.sqrt(variances)[:, None] * rotation).astype(np.float32)
    centre = rng.normal(size=WIDTH)
    centre = (centre * LENGTH * CENTRE / np.linalg.norm(centre)).astype(np.float32)
    vectors = np.empty((len(table), WIDTH), np.float32)
    for start in range(0, len(table), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(table)))
        hidden = rng.standard_normal((rows.stop - start, WIDTH), dtype=np.float32)
        # what hidden coordinates say along `correlations` shrinks by as much as the rating adds, so variances stay 1
        shrunk = (1 - math.sqrt(1 - SAID**2)) * (hidden @ along.astype(np.float32))
        hidden += np.outer(said[rows], correlations).astype(np.float32)
        hidden -= np.outer(shrunk, along).astype(np.float32)
        vectors[rows] = hidden @ turned + centre
    return AvaFeatures("generated", table.ids.copy(), vectors)
