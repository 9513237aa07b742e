"""Problems: logistic regressions over the same rows, whose passes over the design are one pass.

Five folds of ten classes are one product with 50 columns, which takes twice as long as one with ten, not five times.
Letters: g problems, k columns, c units a problem (see `links`), d width, n rows. Coefficients are (g, k, d + 1), the
offset last.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from boda.heads.design import Design
from boda.heads.links import Doubles, Floats, Link

PART = 2048
"""Rows that one core takes at once; at a width of 512 their float64 copy stays in the cache."""

Given = TypeVar("Given")
Found = TypeVar("Found")
Kind: TypeAlias = type[np.floating[Any]]
Sums: TypeAlias = tuple[npt.NDArray[Any], ...]


class Point(NamedTuple):
    """What one pass says of coefficients, before any penalty."""

    loss: Doubles
    """(g, c): of the rows that train."""
    entropy: Doubles
    """(g, c): of their probabilities."""
    held_out: Doubles
    """(g, c): loss of the rows held out."""
    slopes: Doubles
    """(g, k, d + 1): derivative of the loss."""
    probabilities: Floats
    """(g, k, n)."""


class Moments(NamedTuple):
    """Sums that do not depend on coefficients, of rows that train."""

    rows: Doubles
    """(g, c) weights."""
    counts: Doubles
    """(g, k) weights times shares."""
    features: Doubles
    """(g, c, d) weights times features."""
    products: Doubles
    """(g, k, d) weights times shares times features."""


class Cores:
    """Parts of rows side by side, one to a core; sums are always in the same order."""

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool

    def each(self, work: Callable[[Given], Found], items: Sequence[Given]) -> list[Found]:
        """`work` of each item, in order.

        What no second core could share is done here: beside other programs a thread that hands over and waits loses a
        hundred times what such work takes.
        """
        if self._pool is None or len(items) < 2:
            return [work(item) for item in items]
        return list(self._pool.map(work, items))

    def sums(self, design: Design, work: Callable[[slice, Floats], Sums]) -> Sums:
        """What `work` gives for parts of the rows, added up."""
        total: Sums | None = None
        for block, x in design.blocks():
            starts = range(0, len(x), PART)
            parts = [slice(start, min(start + PART, len(x))) for start in starts]
            for found in self.each(partial(_part, work, block.start, x), parts):
                total = found if total is None else tuple(a + b for a, b in zip(total, found, strict=True))
        assert total is not None
        return total


def _part(work: Callable[[slice, Floats], Sums], start: int, x: Floats, part: slice) -> Sums:
    return work(slice(start + part.start, start + part.stop), x[part])


@contextmanager
def all_cores() -> Iterator[Cores]:
    """As many threads as linear algebra has, which has one in each of them meanwhile."""
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas")
    count = max((one["num_threads"] for one in libraries.info()), default=1)
    if count < 2:
        yield Cores(None)
        return
    with ThreadPoolExecutor(count) as pool, libraries.limit(limits=1):
        yield Cores(pool)


@dataclass(frozen=True, eq=False)
class Problems:
    """Sum over rows of weight * loss(x W + b), for g problems at once."""

    design: Design
    link: Link
    shares: Doubles
    """(k, n) in 0..1: of each class, adding up to 1 in a row; or yes and no, for sigmoids."""
    folds: npt.NDArray[np.float32]
    """(g, n): 1 where a row trains, 0 where it is held out."""
    weights: Doubles
    """(c, n) >= 0, of rows that train as of those that are held out; c = 1, or c = k where each column has its own."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of coefficients: (g, k, d + 1)."""
        return len(self.folds), len(self.shares), self.design.width + 1

    @cached_property
    def moments(self) -> Moments:
        """One pass."""

        def work(rows: slice, x: Floats) -> Sums:
            doubles = x.astype(np.float64)
            weights = self.folds[:, None, rows] * self.weights[:, rows]
            parts = weights * self.shares[:, rows]
            return weights.sum(axis=2), parts.sum(axis=2), weights @ doubles, parts @ doubles

        with all_cores() as cores:
            return Moments(*cores.sums(self.design, work))

    @cached_property
    def present(self) -> npt.NDArray[np.bool_]:
        """(g, k): what there is to learn."""
        return self.link.present(self.moments.counts, self.moments.rows)

    @cached_property
    def held_out_weight(self) -> Doubles:
        """(c,): of the rows held out, in all problems."""
        total = np.zeros(self.moments.rows.shape[1])
        for start in range(0, self.design.rows, PART):
            rows = slice(start, start + PART)
            told = np.broadcast_to(self.told(rows), (len(self.folds), len(total), self.folds[:, rows].shape[1]))
            total += (told * (1 - self.folds[:, None, rows])).sum(axis=(0, 2))
        return total

    def told(self, rows: slice) -> Doubles:
        """Weights of rows, broadcast to (g, c, r), whether they train or not."""
        weights = self.weights[None, :, rows]
        return weights if self.present.all() else weights * self.link.told(self.shares[:, rows], self.present)

    def at(self, coefficients: Doubles, precision: Kind, kind: Kind, cores: Cores) -> Point:
        """One pass, computed in one precision; probabilities are kept in another."""
        g, k, _ = self.shape
        flat, offsets = (part.astype(precision) for part in _flat(coefficients))
        kept = np.empty((g, k, self.design.rows), kind)

        def work(rows: slice, x: Floats) -> Sums:
            x = x.astype(precision, copy=False)
            scores = _scores(x, flat, (g, k)) + offsets
            shares = self.shares[:, rows].astype(precision, copy=False)
            told, folds = self.told(rows).astype(precision, copy=False), self.folds[:, None, rows]
            loss, entropy, probabilities = self.link.terms(scores, shares, self.present)
            kept[:, :, rows] = probabilities
            weights = told * folds
            probabilities -= shares
            probabilities *= weights
            parts = weights * loss, weights * entropy, (told - weights) * loss
            return *(part.sum(axis=2, dtype=np.float64) for part in parts), _slopes(probabilities, x).astype(np.float64)

        loss, entropy, held_out, slopes = cores.sums(self.design, work)
        return Point(loss, entropy, held_out, slopes, kept)

    def curved(self, probabilities: Floats, direction: Doubles, cores: Cores) -> Doubles:
        """Second derivative of the loss times a direction, (g, k, d + 1); computed as the probabilities are kept."""
        g, k, _ = self.shape
        kind = probabilities.dtype
        flat, offsets = (part.astype(kind) for part in _flat(direction))

        def work(rows: slice, x: Floats) -> Sums:
            x = x.astype(kind, copy=False)
            bent = self.link.curved(probabilities[:, :, rows], _scores(x, flat, (g, k)) + offsets)
            bent *= (self.told(rows) * self.folds[:, None, rows]).astype(kind)
            return (_slopes(bent, x).astype(np.float64),)

        return cores.sums(self.design, work)[0]


def _flat(coefficients: Doubles) -> tuple[Doubles, Doubles]:
    return coefficients[..., :-1].reshape(-1, coefficients.shape[2] - 1), coefficients[..., -1:]


def _scores(x: Floats, flat: Floats, shape: tuple[int, int]) -> Floats:
    return np.ascontiguousarray((x @ flat.T).T).reshape(*shape, len(x))


def _slopes(residuals: Floats, x: Floats) -> Floats:
    g, k, r = residuals.shape
    products = (residuals.reshape(-1, r) @ x).reshape(g, k, -1)
    return np.concatenate([products, residuals.sum(axis=2, keepdims=True)], axis=2)
