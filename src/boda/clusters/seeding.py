"""Seeding: first centres that lie apart, by greedy k-means++.

Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007. The next centre is a row drawn with
a probability in proportion to its squared distance from the nearest one so far; of a few draws the one is taken that
leaves the smallest sum of squared distances, as the authors suggest at their end.
"""

import math

import numpy as np

from boda.clusters.rows import Float32, Float64, Spread

LEAST, PER_CLUSTER = 2048, 20
"""Rows among which the centres are drawn: so many at least, and so many a cluster; a random part of what is there."""


def seeds(there: Spread, k: int, rng: np.random.Generator) -> Float32:
    """The k first centres, (k, d), which are rows."""
    count = max(LEAST, PER_CLUSTER * k)
    part = there.sample(rng.choice(len(there.rows), count, replace=False) if count < len(there.rows) else slice(None))
    rows, count = part.rows.take(slice(None)), len(part.rows)
    draws = 2 + int(math.log(k))
    chosen = [int(rng.integers(count))]
    nearest = _squared(part, rows, np.array(chosen))[0]
    while len(chosen) < k:
        drawn = _drawn(nearest, draws, rng)
        after = np.minimum(nearest, _squared(part, rows, drawn))
        best = int(after.sum(axis=1, dtype=np.float64).argmin())
        chosen.append(int(drawn[best]))
        nearest = after[best]
    return rows[chosen]


def _squared(part: Spread, rows: Float32, chosen: np.ndarray) -> Float32:
    """(c, n) squared distances of all rows from the chosen ones."""
    centres = rows[chosen] - part.middle.astype(np.float32)
    product: Float32 = (-2 * centres) @ rows.T
    offset: Float64 = 2 * centres.astype(np.float64) @ part.middle
    product += (offset + part.squares[chosen])[:, None].astype(np.float32)
    product += part.squares
    product[np.arange(len(chosen)), chosen] = 0
    return np.maximum(product, 0, out=product)


def _drawn(nearest: Float32, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Rows in proportion to their distance; any row where all distances are zero."""
    reached = np.cumsum(nearest, dtype=np.float64)
    if reached[-1] <= 0:
        return rng.integers(len(nearest), size=draws)
    found: np.ndarray = np.searchsorted(reached, rng.random(draws) * reached[-1], side="right")
    return found.clip(max=len(nearest) - 1)
