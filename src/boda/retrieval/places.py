"""Where two images are alike: what each place of a feature map adds to the cosine of features that are its mean.

With f(p) the features at place p of P, and f their mean,

    cos(a, b) = sum over p and q of a(p).b(q) / (P Q |a| |b|)

exactly, so each place of either image, and each pair of places, has its share. With the mean m of a collection taken
off, a(p) - m stands for a(p) everywhere, and what all images share adds nothing. A share may be negative.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.arrays import Features

_PLACES = 1_024
"""Pairs are looked for among this many places of each image, those that add most: there may be millions."""
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """A place of the first image and one of the second: (y, x) on their maps."""

    first: tuple[int, int]
    second: tuple[int, int]
    adds: float
    """To the likeness."""
    likeness: float
    """Of the two places: the cosine of their features."""


@dataclass(frozen=True, eq=False)
class Matched:
    """What each place adds to a likeness."""

    likeness: float
    """The sum of all shares."""
    first: _Floats
    """(y, x) shares of the places of the first image; they add up to the likeness."""
    second: _Floats
    """(y, x) of the second image."""
    pairs: tuple[Pair, ...]
    """Pairs that add most; no place is in two."""


def match_places(first: Features, second: Features, mean: _Floats | None = None, *, pairs: int = 5) -> Matched | None:
    """What each place adds to the likeness of two images.

    Args:
        first: (y, x, d) features at the places of one image.
        second: (y, x, d) of the other.
        mean: (d,) of a collection, to be taken off; None: nothing.
        pairs: how many are told.

    Returns:
        None where the mean over the places of one of them is nothing: then no likeness is defined.
    """
    a, b = (_places(one, mean) for one in (first, second))
    lengths = float(np.linalg.norm(a.mean(axis=0)) * np.linalg.norm(b.mean(axis=0)))
    if lengths <= 1e-12 * max(1.0, float(np.abs(a).max() * np.abs(b).max())):
        return None
    scale = 1 / (len(a) * len(b) * lengths)
    of_first, of_second = a @ b.sum(axis=0) * scale, b @ a.sum(axis=0) * scale
    found = _best_pairs(a, b, scale, (of_first, of_second), pairs)
    return Matched(
        float(of_first.sum()),
        of_first.reshape(first.shape[:2]),
        of_second.reshape(second.shape[:2]),
        tuple(Pair(_at(p, first.shape[1]), _at(q, second.shape[1]), adds, cosine) for p, q, adds, cosine in found),
    )


def _places(features: Features, mean: _Floats | None) -> _Floats:
    """(places, d)."""
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    return flat if mean is None else flat - mean


def _best_pairs(
    a: _Floats, b: _Floats, scale: float, shares: tuple[_Floats, _Floats], count: int
) -> list[tuple[int, int, float, float]]:
    """(p, q, share, cosine): the pair that adds most, then the one that adds most of what is left, and so on."""
    p, q = (np.argsort(-share, kind="stable")[:_PLACES] for share in shares)
    adds = a[p] @ b[q].T * scale
    lengths = np.linalg.norm(a[p], axis=1)[:, None] * np.linalg.norm(b[q], axis=1)[None, :]
    found = []
    left = adds.copy()
    for _ in range(min(count, *adds.shape)):
        row, column = (int(one) for one in np.unravel_index(np.argmax(left), left.shape))
        if left[row, column] <= 0:
            break
        cosine = adds[row, column] / scale / lengths[row, column]
        found.append((int(p[row]), int(q[column]), float(adds[row, column]), float(cosine)))
        left[row, :] = left[:, column] = -np.inf
    return found


def _at(place: int, width: int) -> tuple[int, int]:
    return divmod(place, width)
