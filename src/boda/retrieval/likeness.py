"""Why two rows are alike: what each dimension adds to the cosine between them.

The cosine is a sum over dimensions of products of unit vectors, so what they add is exact. But two images of a
collection share much that all of them share: for most encoders any two photographs have a cosine well above 0. So the
same is said of rows less the mean of all rows, where what is common to all adds nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused

_BLOCK = 16_384
_PAIRS = 500
_MOST = 3
"""Images named that have most of a dimension."""
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of the features, and what it adds."""

    number: int
    adds: float
    """To the likeness."""
    adds_centred: float
    """To the likeness of rows less their mean; 0 where that is not defined."""
    first: float
    """Share of the rows that have less of it than the first; equal ones count half."""
    second: float
    most: tuple[int, ...]
    """The rows that have most of it, the most first."""


@dataclass(frozen=True, slots=True)
class Carried:
    """How much of a likeness its largest dimensions carry, and how much they carry between any two rows."""

    likeness: float
    top: float
    """What the dimensions that add most add together."""
    others: tuple[float, float, float]
    """The same of random pairs of rows, each by its own largest dimensions: 5 %, median, 95 %."""
    others_likeness: tuple[float, float, float]
    """The likeness of those pairs: 5 %, median, 95 %."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """Why two rows are alike."""

    dimensions: tuple[Dimension, ...]
    """Those that add most once the mean is taken off, the most first."""
    plain: Carried
    centred: Carried | None
    """Of rows less their mean; None where one of them lies at the mean."""
    ranks: tuple[int, int]
    """How many rows are more like the first than the second is, and more like the second than the first is; plus 1."""
    mean: _Floats
    """(d,) of all rows."""


def likeness_of(
    features: StoredFeatures, first: int, second: int, *, top: int = 10, rng: np.random.Generator
) -> Likeness:
    """What each dimension adds to the cosine of two rows.

    Args:
        features: (n, d), finite; read in blocks.
        first: a row.
        second: another row.
        top: how many dimensions are told.
        rng: draws the random pairs.

    Raises:
        Refused: both are the same row, or one is all zeros.
    """
    if first == second:
        raise Refused("an image is like itself in everything: name two")
    a, b = (np.asarray(features[row], np.float64) for row in (first, second))
    if not a.any() or not b.any():
        raise Refused("features that are all zeros are like nothing")
    mean: _Floats = np.sum([block.sum(axis=0) for _, block in _blocks(features)], axis=0) / len(features)
    adds = _adds(a[None], b[None])[0]
    centred = _adds((a - mean)[None], (b - mean)[None])[0] if _apart(a, mean) and _apart(b, mean) else None
    order = np.argsort(-(adds if centred is None else centred), kind="stable")[:top]
    pairs = _random_pairs(len(features), rng)
    rows = [np.asarray(features[side], np.float64) for side in pairs.T]
    return Likeness(
        _told(features, order, (adds, centred), (first, second)),
        _carried(adds, rows[0], rows[1], top),
        None if centred is None else _carried(centred, rows[0] - mean, rows[1] - mean, top),
        _ranks(features, first, second),
        mean,
    )


def _adds(a: _Floats, b: _Floats) -> _Floats:
    """(p, d) what each dimension adds to the cosine of each pair; nothing where a row is all zeros."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = a * b
    adds: _Floats = np.divide(products, lengths[:, None], out=np.zeros_like(products), where=lengths[:, None] > 0)
    return adds


def _apart(row: _Floats, mean: _Floats) -> bool:
    """Whether more than rounding is left of a row less the mean."""
    return bool(np.linalg.norm(row - mean) > 1e-5 * np.linalg.norm(row))


def _carried(adds: _Floats, a: _Floats, b: _Floats, top: int) -> Carried:
    others = _adds(a, b)
    largest = -np.partition(-others, min(top, others.shape[1]) - 1, axis=1)[:, :top]
    return Carried(
        float(adds.sum()),
        float(np.sort(adds)[::-1][:top].sum()),
        _spread(largest.sum(axis=1)),
        _spread(others.sum(axis=1)),
    )


def _spread(values: _Floats) -> tuple[float, float, float]:
    low, middle, high = (float(one) for one in np.quantile(values, [0.05, 0.5, 0.95]))
    return low, middle, high


def _random_pairs(n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(p, 2) of different rows."""
    first = rng.integers(n, size=_PAIRS)
    return np.stack([first, (first + rng.integers(1, n, size=_PAIRS)) % n], axis=1)


def _told(
    features: StoredFeatures, order: npt.NDArray[np.int64], adds: tuple[_Floats, _Floats | None], pair: tuple[int, int]
) -> tuple[Dimension, ...]:
    columns = np.concatenate([np.asarray(block[:, order]) for _, block in _blocks(features)])
    own, centred = adds
    found = []
    for place, number in enumerate(order.tolist()):
        column = columns[:, place]
        shares = [float((column < column[row]).mean() + (column == column[row]).mean() / 2) for row in pair]
        most = np.argsort(-column, kind="stable")[:_MOST]
        less = 0.0 if centred is None else float(centred[number])
        found.append(Dimension(number, float(own[number]), less, shares[0], shares[1], tuple(most.tolist())))
    return tuple(found)


def _ranks(features: StoredFeatures, first: int, second: int) -> tuple[int, int]:
    """By the cosine; rows that are equally like do not count as more like."""
    queries = np.asarray(features[[first, second]], np.float64)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    between = float(queries[0] @ queries[1])
    more = np.zeros(2, np.int64)
    for start, block in _blocks(features):
        lengths = np.linalg.norm(block, axis=1)
        product = block @ queries.T
        cosines = np.divide(product, lengths[:, None], out=np.zeros_like(product), where=lengths[:, None] > 0)
        for side, row in enumerate((first, second)):
            if start <= row < start + len(block):
                cosines[row - start, side] = -np.inf
        more += (cosines > between + 1e-12).sum(axis=0)
    return int(more[0]) + 1, int(more[1]) + 1


def _blocks(features: StoredFeatures) -> Iterator[tuple[int, _Floats]]:
    for start in range(0, len(features), _BLOCK):
        yield start, np.asarray(features[start : start + _BLOCK], np.float64)
