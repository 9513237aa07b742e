"""Scores: linear in the design, for any smooth loss, with an L2 penalty that inner folds choose.

Minimised: sum over rows of loss(x W + b) + sum over outputs of penalty / 2 |w|^2, by Newton's method on all rows, in
coordinates in which the penalised problem is nearly round: the eigenvectors of the covariance of x, each divided by
the square root of its curvature. The offset b is not penalised. Several losses on one design, as the questions of a
vote tree, share these axes and the inner folds; each has a penalty of its own.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.cores import one_thread, side_by_side
from boda.errors import Refused
from boda.evaluation import folds as folding
from boda.heads.design import Design
from boda.heads.truncated_newton import Look, minimise

Floats = npt.NDArray[np.float64]
Path: TypeAlias = dict[float, float]
"""Held-out loss of each penalty that was tried."""

PENALTIES = tuple(float(penalty) for penalty in np.geomspace(1e6, 1e-1, 15))
"""Tried from the largest on, until the held-out loss has clearly risen."""

_FOLDS = 5
_ONE_HELD_OUT = 20_000
"""Rows from which on one fifth is held out once: its loss is then known well enough."""
_IN_MEMORY = 2 * 2**30
_WIDEST = 4096
"""Beyond it the eigenvectors cost more than they save."""
_MUCH = 2**24
"""Numbers in a design, from which on its products gain from threads; those of smaller ones wait for each other."""


@dataclass(frozen=True, slots=True)
class _Care:
    """How well a minimum is sought."""

    tolerance: float
    """Of the objective, which the last step is expected to gain."""
    least: float
    """Of that, which every product with the second derivative has to gain."""
    kind: type[np.floating[Any]]
    """Of the numbers that are multiplied."""


_LOOSE, _TIGHT = _Care(1e-4, 0.1, np.float32), _Care(1e-12, 0.0, np.float64)
"""While penalties are compared, and for the model."""
_NOISE = 1e-3
"""Of a held-out loss, which being loose may cost."""


class Near(NamedTuple):
    """A loss near some scores."""

    value: float
    """Sum over the rows."""
    slopes: Floats
    """(r, o)."""
    curved: Callable[[Floats], Floats]
    """(r, o) change of scores to the change of slopes that follows: the second derivative times it."""


class Loss(Protocol):
    """What is minimised, of n rows with o outputs."""

    @property
    def told(self) -> npt.NDArray[np.bool_]:
        """(n,) rows that something is known of; the others are left out."""
        ...

    @property
    def start(self) -> Floats:
        """(o,) offsets to begin with."""
        ...

    @property
    def stiffness(self) -> Floats:
        """(o,) how many times the penalty each output is penalised."""
        ...

    @property
    def curvature(self) -> Floats:
        """(o,) about the mean second derivative in each output there, over these rows; only speed depends on it."""
        ...

    def take(self, rows: npt.NDArray[np.intp]) -> "Loss":
        """Only these rows, and the rest as it was."""
        ...

    def __call__(self, rows: slice, scores: Floats) -> Near:
        """Loss of these rows, which are all told, at (r, o) scores."""
        ...


@dataclass(frozen=True, eq=False)
class LinearScores:
    """x W + b."""

    weights: Floats
    """(d, o)."""
    offset: Floats
    """(o,)."""

    def __call__(self, x: npt.NDArray[np.float32]) -> Floats:
        """(n, d) to (n, o)."""
        return np.asarray(x.astype(np.float64) @ self.weights + self.offset)


@dataclass(frozen=True, eq=False)
class FittedScores:
    """Scores, and how they were found."""

    scores: LinearScores
    """Of all losses, side by side."""
    penalties: tuple[float, ...]
    """One a loss."""
    held_out: tuple[Path, ...]
    """Of each loss; empty where there was nothing to choose."""
    steps: int
    """Of the loss that took most."""
    slope: float
    """The largest slope before the last step, in the round coordinates, in units of the loss of all rows."""

    def settings(self) -> dict[str, Any]:
        """Plain JSON: each penalty with the held-out loss of each loss, None where it was not tried."""
        tried = sorted({penalty for path in self.held_out for penalty in path}, reverse=True)
        held = [[penalty, [path.get(penalty) for path in self.held_out]] for penalty in tried]
        return {"penalties": list(self.penalties), "held_out": held, "steps": self.steps, "slope": self.slope}


def fit_scores(
    design: Design,
    losses: Sequence[Loss],
    penalties: Sequence[float] | None,
    *,
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> FittedScores:
    """Scores with the penalty, of those given, whose held-out loss is lowest, for each loss.

    Args:
        design: (n, d).
        losses: of its rows.
        penalties: > 0; `PENALTIES` where None. A single one is taken as it is.
        groups: (n,); kept together by the inner folds.
        rng: of the inner folds.

    Raises:
        Refused: a penalty is not positive, or there are fewer than two groups and so nothing to hold out.
    """
    tried = sorted(PENALTIES if penalties is None else penalties, reverse=True)
    if not tried or tried[-1] <= 0:
        raise Refused(f"penalties must be positive, not {list(penalties or ())}")
    held = _held_out(groups, rng) if len(tried) > 1 else None
    calm = one_thread if design.rows * design.width < _MUCH else nullcontext
    with calm():
        axes = _Axes.of(design)

    def fit(loss: Loss) -> _Fitted:
        problem = _Problem(axes, loss)
        with calm():
            return problem.fitted(tried[0], problem.start, {}) if held is None else problem.chosen(tried, held)

    found = side_by_side(fit, losses)
    weights, offsets = (np.concatenate(parts, axis=-1) for parts in zip(*(one.scores for one in found), strict=True))
    return FittedScores(
        LinearScores(weights, offsets),
        tuple(one.penalty for one in found),
        tuple(one.path for one in found if one.path),
        max(one.steps for one in found),
        max(one.slope for one in found),
    )


def _held_out(groups: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(f, n) which rows each fold holds out; whole groups."""
    count = min(_FOLDS, len(np.unique(groups)))
    if count < 2:
        raise Refused("all rows are of one group, so none can be held out to choose a penalty: give one penalty")
    folds = folding.split(len(groups), folds=count, groups=groups, rng=rng)
    return np.asarray(folds == np.arange(1 if len(groups) > _ONE_HELD_OUT else count)[:, None])


def _risen(losses: Sequence[Floats]) -> bool:
    """Whether the last sum over folds is clearly worse than the best, or the best is past and was a clear gain.

    Clearly is by more than the standard error, and than noise: where penalties are so strong that nothing is learned
    all losses are equal but for how well they were minimised.
    """
    sums = [float(each.sum()) for each in losses]
    best = int(np.argmin(sums))
    noise, rises = _NOISE * sums[best], losses[-1] - losses[best]
    error = float(rises.std(ddof=1)) * np.sqrt(len(rises)) if len(rises) > 1 else 0.0
    past = best < len(losses) - 2 and sums[0] - sums[best] > noise
    return past or sums[-1] - sums[best] > max(error, noise)


@dataclass(frozen=True, eq=False)
class _Axes:
    """A design whose columns are centred and, where that can be had, principal axes."""

    design: Design
    """(n, r)."""
    mean: Floats
    """(d,) of the columns that were given."""
    axes: Floats | None
    """(d, r) orthonormal; no slope ever leaves their span. None: the columns as they were given, centred."""
    spreads: Floats
    """(r,) sums of squares of the columns."""

    @classmethod
    def of(cls, design: Design) -> "_Axes":
        mean = sum((x.sum(axis=0, dtype=np.float64) for _, x in design.blocks()), np.zeros(design.width)) / design.rows
        if min(design.shape) > _WIDEST or design.rows * design.width * 4 > _IN_MEMORY:
            centred = Design(design.rows, design.width, lambda rows: design.make(rows) - mean.astype(np.float32))
            squares = sum(
                (np.square(x, dtype=np.float64).sum(axis=0) for _, x in centred.blocks()), np.zeros(len(mean))
            )
            return cls(centred, mean, None, squares)
        axes, spreads = _principal_axes(design, mean)
        turned = np.empty((design.rows, axes.shape[1]), np.float32)
        for rows, x in design.blocks():
            turned[rows] = (x - mean) @ axes
        return cls(Design.of(turned), mean, axes, spreads)

    def take(self, rows: npt.NDArray[np.bool_]) -> "_Axes":
        """Only these rows; all of them are nothing new."""
        if rows.all():
            return self
        places = np.flatnonzero(rows)
        some = self.design.take(places) if self.axes is None else Design.of(self.design.make(places))
        return replace(self, design=some, spreads=self.spreads * (len(places) / len(rows)))

    def outward(self, point: Floats) -> tuple[Floats, Floats]:
        """Weights and offsets on the design that was given, of (r + 1, o): the offsets are the last row."""
        weights = point[:-1] if self.axes is None else self.axes @ point[:-1]
        return weights, point[-1] - self.mean @ weights


class _Fitted(NamedTuple):
    """Of one loss."""

    scores: tuple[Floats, Floats]
    """Weights and offsets."""
    penalty: float
    path: Path
    steps: int
    slope: float


class _Minimum(NamedTuple):
    """Where a search ended."""

    point: Floats
    steps: int
    slope: float


@dataclass(frozen=True, eq=False)
class _Problem:
    """One loss; its points are (r + 1, o), weights along the axes and then the offsets."""

    axes: _Axes
    loss: Loss

    @property
    def start(self) -> Floats:
        """Offsets alone."""
        return np.vstack([np.zeros((self.axes.design.width, len(self.loss.start))), self.loss.start])

    def take(self, rows: npt.NDArray[np.bool_]) -> "_Problem":
        """Only these rows, as far as something is known of them."""
        kept = rows & self.loss.told
        return _Problem(self.axes.take(kept), self.loss.take(np.flatnonzero(kept)))

    def chosen(self, tried: Sequence[float], held: npt.NDArray[np.bool_]) -> _Fitted:
        """The model of all rows with the best penalty; each fold's search starts where its last two points lead."""
        folds = [(self.take(~rows), self.take(rows)) for rows in held]
        last, before = [self.start] * len(folds), [self.start] * len(folds)
        losses: list[Floats] = []
        penalty, start = tried[0], self.start
        for one in tried:
            each = np.zeros(len(folds))
            for fold, (seen, unseen) in enumerate(folds):
                ahead = 2 * last[fold] - before[fold] if len(losses) > 1 else last[fold]
                before[fold] = last[fold]
                last[fold] = seen.minimum(one, ahead, _LOOSE).point
                each[fold] = unseen.near(last[fold], np.float32).value
            losses.append(each)
            if np.argmin([loss.sum() for loss in losses]) == len(losses) - 1:
                penalty, start = one, np.mean(last, axis=0)
            elif _risen(losses):
                break
        path = {one: float(each.sum()) for one, each in zip(tried, losses, strict=False)}
        return self.fitted(penalty, start, path)

    def fitted(self, penalty: float, start: Floats, path: Path) -> _Fitted:
        """The model of all rows."""
        found = self.take(np.ones(self.axes.design.rows, bool)).minimum(penalty, start, _TIGHT)
        return _Fitted(self.axes.outward(found.point), penalty, path, found.steps, found.slope)

    def minimum(self, penalty: float, start: Floats, care: _Care) -> _Minimum:
        """The best point, how many steps led there, and the largest slope before the last of them."""
        scales, look = self._round(penalty, care)
        found = minimise(look, (start / scales).ravel(), tolerance=care.tolerance, least=care.least)
        return _Minimum(scales * found.point.reshape(scales.shape), found.steps, found.slope)

    def _round(self, penalty: float, care: _Care) -> tuple[Floats, Callable[[Floats], Look]]:
        """How long a unit of each round coordinate is, (r + 1, o), and the penalised loss in these coordinates."""
        shrinking = penalty * self.loss.stiffness
        bends = np.maximum(self.loss.curvature, 1e-6)
        squares = np.vstack([np.outer(self.axes.spreads, bends) + shrinking, bends * max(self.axes.design.rows, 1)])
        scales = 1 / np.sqrt(squares)
        shrinks = np.vstack([np.broadcast_to(shrinking, (len(scales) - 1, len(bends))), np.zeros(len(bends))])

        def look(place: Floats) -> Look:
            point = scales * place.reshape(scales.shape)
            value, slopes, curved = self.near(point, care.kind)

            def curved_round(direction: Floats) -> Floats:
                moved = scales * direction.reshape(scales.shape)
                return np.asarray((scales * (curved(moved) + shrinks * moved)).ravel())

            value += float((shrinks * point**2).sum()) / 2
            return Look(value, (scales * (slopes + shrinks * point)).ravel(), curved_round)

        return scales, look

    def near(self, point: Floats, kind: type[np.floating[Any]]) -> Near:
        """The loss near a point; slopes and changes are (r + 1, o). Changes are computed in float32."""
        found: dict[int, Near] = {}

        def slopes(rows: slice, scores: Floats) -> Floats:
            found[rows.start] = self.loss(rows, scores)
            return found[rows.start].slopes

        def curved(moved: Floats) -> Floats:
            return self._through(moved, np.float32, lambda rows, scores: found[rows.start].curved(scores))

        downward = self._through(point, kind, slopes)
        return Near(sum(one.value for one in found.values()), downward, curved)

    def _through(
        self, point: Floats, kind: type[np.floating[Any]], change: Callable[[slice, Floats], Floats]
    ) -> Floats:
        """From a point to the scores of each block of rows, what `change` makes of them, and back: (r + 1, o)."""
        found = np.zeros(point.shape)
        along = point[:-1].astype(kind)
        for rows, block in self.axes.design.blocks():
            x = block.astype(kind, copy=False)
            slopes = change(rows, x @ along + point[-1])
            found[:-1] += x.T @ slopes.astype(kind)
            found[-1] += slopes.sum(axis=0)
        return found


def _principal_axes(design: Design, mean: Floats) -> tuple[Floats, Floats]:
    """Principal axes (d, r) of a design about its mean, and the sums of squares along them (r,).

    Where there are fewer rows than columns the axes come from the products of rows, and span only these.
    """
    if design.rows < design.width:
        centred = design.dense() - mean
        spreads, turned = np.linalg.eigh(centred @ centred.T)
        kept = spreads > max(spreads[-1], 0.0) * 1e-10
        axes = centred.T @ (turned[:, kept] / np.sqrt(spreads[kept]))
        return np.linalg.qr(axes)[0], spreads[kept]
    products = np.zeros((design.width, design.width))
    for _, x in design.blocks():
        centred = x - mean
        products += centred.T @ centred
    spreads, axes = np.linalg.eigh(products)
    return axes, np.maximum(spreads, 0)
