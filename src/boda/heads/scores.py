"""Scores: linear in the design, for any smooth loss, with an L2 penalty that inner folds choose.

Minimised: sum over rows of loss(x W + b) + sum over outputs of penalty / 2 |w|^2, by L-BFGS on all rows, in
coordinates in which the penalised problem is nearly round: the eigenvectors of the covariance of x, each divided by
the square root of its curvature. The offset b is not penalised. Parts are outputs that share nothing but the design,
as the questions of a vote tree: one path of penalties serves them all, and each part has its own choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.cores import side_by_side
from boda.errors import Refused
from boda.evaluation import folds as folding
from boda.heads.design import Design

Floats = npt.NDArray[np.float64]
HeldOut: TypeAlias = tuple[tuple[float, tuple[float, ...]], ...]
"""Each penalty that was tried, with the held-out loss of each part."""

PENALTIES = tuple(float(penalty) for penalty in np.geomspace(1e6, 1e-1, 15))
"""Tried from the largest on, until the held-out loss of every part has risen twice."""

_FOLDS = 5
_IN_MEMORY = 2 * 2**30
_WIDEST = 4096
"""Beyond it the eigenvectors cost more than they save."""


@dataclass(frozen=True, slots=True)
class _Care:
    """How well a minimum is sought."""

    tolerance: float
    """Relative decrease of the objective at which the search ends."""
    kind: type[np.floating[Any]]
    """Of the numbers that are multiplied."""


_LOOSE, _TIGHT = _Care(1e-6, np.float32), _Care(1e-13, np.float64)
"""While penalties are compared, and for the model."""


class Loss(Protocol):
    """What is minimised, of n rows with o outputs."""

    @property
    def parts(self) -> tuple[slice, ...]:
        """Outputs that are penalised together; side by side they are all of them."""
        ...

    @property
    def start(self) -> Floats:
        """(o,) offsets to begin with."""
        ...

    @property
    def stiffness(self) -> Floats:
        """(o,) how many times the penalty of its part each output is penalised."""
        ...

    @property
    def curvature(self) -> Floats:
        """(o,) about the mean second derivative in each output there, over all rows; only speed depends on it."""
        ...

    def __call__(self, rows: slice, scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Sums of the weighted loss over these rows, (p,), and its slope in every score, (r, o)."""
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
    penalties: tuple[float, ...]
    """One a part."""
    held_out: HeldOut
    """Empty where there was nothing to choose."""
    steps: int
    slope: float
    """The largest slope that is left, in the round coordinates, in units of the loss of all rows."""

    def settings(self) -> dict[str, Any]:
        """Plain JSON."""
        held = [[penalty, list(losses)] for penalty, losses in self.held_out]
        return {"penalties": list(self.penalties), "held_out": held, "steps": self.steps, "slope": self.slope}


def fit_scores(
    design: Design,
    loss: Loss,
    penalties: Sequence[float] | None,
    *,
    groups: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> FittedScores:
    """Scores with the penalty, of those given, whose held-out loss is lowest, for each part of the loss.

    Args:
        design: (n, d).
        loss: of its rows.
        penalties: > 0; `PENALTIES` where None. A single one is taken as it is.
        groups: (n,); kept together by the inner folds.
        rng: of the inner folds.

    Raises:
        Refused: a penalty is not positive, or there are fewer than two groups and so nothing to hold out.
    """
    tried = sorted(PENALTIES if penalties is None else penalties, reverse=True)
    if not tried or tried[-1] <= 0:
        raise Refused(f"penalties must be positive, not {list(penalties or ())}")
    problem = _Problem.of(design, loss)
    chosen = np.full(len(loss.parts), tried[0])
    held_out: HeldOut = ()
    if len(tried) > 1:
        chosen, held_out = _choose(problem, tried, groups, rng)
    scores, steps, slope = problem.minimise(chosen, np.ones(design.rows), problem.start, _TIGHT)
    return FittedScores(problem.outward(scores), tuple(chosen.tolist()), held_out, steps, slope)


def _choose(
    problem: "_Problem", tried: Sequence[float], groups: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, HeldOut]:
    """The best penalty of each part, and the held-out losses. Each fold's search starts where its last one ended."""
    count = min(_FOLDS, len(np.unique(groups)))
    if count < 2:
        raise Refused("all rows are of one group, so none can be held out to choose a penalty: give one penalty")
    folds = folding.split(len(groups), folds=count, groups=groups, rng=rng)
    parts, found = len(problem.loss.parts), [problem.start] * count
    losses: list[Floats] = []
    for penalty in tried:

        def step(fold: int, penalty: float = penalty) -> Floats:
            weights = (folds != fold).astype(np.float64)
            found[fold], _, _ = problem.minimise(np.full(parts, penalty), weights, found[fold], _LOOSE)
            return problem.value_and_slopes(found[fold], 1 - weights, _LOOSE)[0]

        losses.append(np.sum(side_by_side(step, range(count)), axis=0))
        if (np.argmin(losses, axis=0) <= len(losses) - 3).all():
            break
    chosen = np.array(tried)[np.argmin(losses, axis=0)]
    return chosen, tuple((penalty, tuple(one.tolist())) for penalty, one in zip(tried, losses, strict=False))


@dataclass(frozen=True, eq=False)
class _Problem:
    """A loss on a design whose columns are centred and, where that can be had, principal axes."""

    design: Design
    """(n, r)."""
    loss: Loss
    mean: Floats
    """(d,) of the columns that were given."""
    axes: Floats | None
    """(d, r) orthonormal; no slope ever leaves their span. None: the columns as they were given, centred."""
    spreads: Floats
    """(r,) sums of squares of the columns."""

    @classmethod
    def of(cls, design: Design, loss: Loss) -> "_Problem":
        mean = sum((x.sum(axis=0, dtype=np.float64) for _, x in design.blocks()), np.zeros(design.width)) / design.rows
        if min(design.shape) > _WIDEST or design.rows * design.width * 4 > _IN_MEMORY:
            centred = Design(design.rows, design.width, lambda rows: design.make(rows) - mean.astype(np.float32))
            squares = sum(
                (np.square(x, dtype=np.float64).sum(axis=0) for _, x in centred.blocks()), np.zeros(len(mean))
            )
            return cls(centred, loss, mean, None, squares)
        axes, spreads = _principal_axes(design, mean)
        turned = np.empty((design.rows, axes.shape[1]), np.float32)
        for rows, x in design.blocks():
            turned[rows] = (x - mean) @ axes
        return cls(Design.of(turned), loss, mean, axes, spreads)

    @property
    def start(self) -> LinearScores:
        """Offsets alone."""
        return LinearScores(np.zeros((self.design.width, len(self.loss.start))), self.loss.start)

    def outward(self, scores: LinearScores) -> LinearScores:
        """The same scores of the design that was given."""
        weights = scores.weights if self.axes is None else self.axes @ scores.weights
        return LinearScores(weights, scores.offset - self.mean @ weights)

    def value_and_slopes(self, scores: LinearScores, weights: Floats, care: _Care) -> tuple[Floats, Floats, Floats]:
        """Loss of each part, (p,), and its slopes in the weights, (r, o), and in the offset, (o,)."""
        value, slopes = np.zeros(len(self.loss.parts)), np.zeros(scores.weights.shape)
        tilt = np.zeros(len(scores.offset))
        along = scores.weights.astype(care.kind)
        for rows, block in self.design.blocks():
            x = block.astype(care.kind, copy=False)
            losses, slope = self.loss(rows, x @ along + scores.offset, weights[rows])
            value += losses
            slopes += x.T @ slope.astype(care.kind, copy=False)
            tilt += slope.sum(axis=0)
        return value, slopes, tilt

    def minimise(
        self, penalties: Floats, weights: Floats, start: LinearScores, care: _Care
    ) -> tuple[LinearScores, int, float]:
        """Scores, steps and the largest slope that is left, with a penalty a part and a weight a row."""
        from scipy.optimize import minimize

        penalty = np.zeros(len(self.loss.start))
        for part, one in zip(self.loss.parts, penalties, strict=True):
            penalty[part] = one * self.loss.stiffness[part]
        bends = np.maximum(self.loss.curvature, 1e-6)
        scales = 1 / np.sqrt(np.outer(self.spreads, bends) + penalty)
        scales = np.vstack([scales, 1 / np.sqrt(bends * self.design.rows)])

        def place(point: Floats) -> LinearScores:
            scaled = scales * point.reshape(scales.shape)
            return LinearScores(scaled[:-1], scaled[-1])

        def objective(point: Floats) -> tuple[float, Floats]:
            scores = place(point)
            value, slopes, tilt = self.value_and_slopes(scores, weights, care)
            slope = scales * np.vstack([slopes + penalty * scores.weights, tilt])
            return float(value.sum() + (penalty * scores.weights**2).sum() / 2), slope.ravel()

        first = np.vstack([start.weights, start.offset]) / scales
        options = {"maxiter": 1000, "maxfun": 2000, "maxcor": 20, "ftol": care.tolerance, "gtol": 1e-9}
        found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
        return place(found.x), int(found.nit), float(np.abs(found.jac).max())


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
