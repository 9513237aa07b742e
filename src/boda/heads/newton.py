"""Newton's method for logistic regressions, several at once, until a duality gap certifies the objective.

Each step solves H s = -slopes by conjugate gradients, which need only products of H with a direction: two matrix
products and no exponential. They are preconditioned with one block a column (`curvature`) and stop early, in
proportion to how far the optimum still is (Dembo, Eisenstat and Steihaug, SIAM J. Numer. Anal. 19(2), 1982).
Objective, slopes and gap are computed in float64, unless all that is sought is an optimum good enough to compare;
directions in float32 where there is much to multiply, until a step in that precision no longer helps.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.heads.certificate import gaps, objectives
from boda.heads.curvature import Curvature, Preconditioner
from boda.heads.links import Doubles
from boda.heads.problems import Cores, Kind, Point, Problems, all_cores

Sought: TypeAlias = Literal["certified", "expected"]

STEPS = 100
"""Newton steps at most."""
PRODUCTS = 250
"""Of one step at most."""
_MUCH = 2**25
"""Multiplications of one pass beyond which directions are computed in float32."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Where the search ended."""

    coefficients: Doubles
    """(g, k, d + 1), the offset last."""
    objective: Doubles
    """(g, c)."""
    gap: Doubles
    """(g, c): the objective is at most this far above its optimum."""
    slope: Doubles
    """(g, c): length of the derivative of the objective."""
    held_out: Doubles
    """(g, c): loss of the rows held out."""
    steps: int
    passes: int
    """Over the rows."""
    curvature: Curvature | None
    """The last that was used."""


class _Search:
    """The state of one search; `solve` runs it."""

    def __init__(
        self,
        problems: Problems,
        penalties: Doubles,
        cores: Cores,
        start: Doubles,
        curvature: Curvature | None,
        sought: Sought,
    ) -> None:
        self.problems, self.penalties, self.cores = problems, penalties, cores
        g, k, d = problems.shape
        much = problems.design.rows * g * k * d > _MUCH
        self.kind: Kind = np.float32 if much else np.float64
        self.precision: Kind = np.float32 if much and sought == "expected" else np.float64
        """Of directions, and of all that is judged."""
        self.passes = 0
        self.gain: Doubles = np.full(problems.moments.rows.shape, np.inf)
        """(g, c): what the last step was expected to lower the objective by."""
        self.curvature = curvature
        self.inverse: Preconditioner | None = None
        self.move_to(start, self.look(start))

    def look(self, coefficients: Doubles) -> Point:
        self.passes += 1
        return self.problems.at(coefficients, self.precision, self.kind, self.cores)

    def move_to(self, coefficients: Doubles, point: Point) -> None:
        self.coefficients, self.point = coefficients, point
        self.objective = objectives(self.problems, coefficients, point, self.penalties)
        self.gap = gaps(self.problems, coefficients, point, self.penalties)
        shrinking = np.broadcast_to(self.penalties, coefficients.shape[1:2])[:, None] * coefficients
        shrinking[..., -1] = 0
        self.slopes = self.problems.link.centred(point.slopes + shrinking, self.problems.present)
        self.slope = np.sqrt(self.problems.link.total(self.slopes**2))

    def reached(self, tolerance: float) -> npt.NDArray[np.bool_]:
        """(g, c)."""
        allowed = tolerance * self.objective
        return np.asarray((self.gap <= allowed) & (self.slope <= allowed) | (self.slope == 0))

    def direction(self, done: npt.NDArray[np.bool_]) -> Doubles:
        """Newton's step, roughly; 0 where a problem is done."""
        inverse = self.preconditioner()
        total, spread = self.problems.link.total, self.spread
        step, left = np.zeros_like(self.slopes), -self.slopes * spread(~done)
        eager = inverse.solve(left)
        ahead, size = eager, total(left * eager)
        relative = np.sqrt(np.maximum(self.gap, 0) / np.maximum(self.objective, np.finfo(float).tiny))
        enough = np.clip(relative, 1e-3, 0.1) ** 2 * size
        for _ in range(PRODUCTS):
            active = size > enough
            if not active.any():
                break
            curved = self.curved(ahead)
            bend = total(ahead * curved)
            active &= bend > 0
            length = np.where(active, size / np.where(active, bend, 1.0), 0.0)
            step += spread(length) * ahead
            left -= spread(length) * curved
            eager = inverse.solve(left)
            fresh = np.where(active, total(left * eager), 0.0)
            ahead = spread(active) * eager + spread(np.where(active, fresh / np.where(active, size, 1.0), 0.0)) * ahead
            size = fresh
        return step

    def preconditioner(self) -> Preconditioner:
        """Made anew as soon as products have cost as much as making it did, so that neither is most of the cost."""
        old = self.curvature
        if old is None or old.spent >= old.price:
            self.curvature, self.inverse = Curvature(self.problems, self.point.probabilities, self.cores), None
        assert self.curvature is not None
        if self.inverse is None:
            self.inverse = Preconditioner(self.problems, self.curvature, self.penalties, self.cores)
        return self.inverse

    def curved(self, direction: Doubles) -> Doubles:
        """Second derivative of the objective times a direction."""
        self.passes += 1
        if self.curvature is not None:
            self.curvature.spent += 1
        found = self.problems.curved(self.point.probabilities, direction, self.cores)
        found[..., :-1] += np.broadcast_to(self.penalties, direction.shape[1:2])[:, None] * direction[..., :-1]
        return found

    def spread(self, units: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(g, c) to what broadcasts over coefficients."""
        return units[:, :, None]

    def step(self, done: npt.NDArray[np.bool_]) -> bool:
        """Go along the direction as far as the objective sinks; False where it no longer does."""
        direction = self.direction(done)
        slope = self.problems.link.total(self.slopes * direction)
        self.gain = np.where(done, self.gain, -slope / 2)
        noise = 50 * np.finfo(self.precision).eps * np.abs(self.objective)
        length = np.where(done, 0.0, 1.0)
        for _ in range(30):
            there = self.coefficients + self.spread(length) * direction
            point = self.look(there)
            objective = objectives(self.problems, there, point, self.penalties)
            good = done | (objective <= self.objective + 1e-4 * length * slope + noise)
            if good.all():
                break
            length = np.where(good, length, length / 2)
        before = self.slope, self.gap
        length = np.where(good, length, 0.0)
        if not good.all():
            there = self.coefficients + self.spread(length) * direction
            point = self.look(there)
        self.move_to(there, point)
        better = (
            (self.gap < 0.9 * before[1]) | (self.slope < 0.9 * before[0]) | (length * slope < -1e-9 * self.objective)
        )
        return bool((better & ~done).any())


def solve(
    problems: Problems,
    penalties: npt.ArrayLike,
    *,
    start: Doubles | None = None,
    tolerance: float = 1e-8,
    sought: Sought = "certified",
    curvature: Curvature | None = None,
) -> Solution:
    """Minimise loss + penalty / 2 |W|^2 for every problem.

    Args:
        problems: g of them.
        penalties: > 0, one for all, or (c,).
        start: (g, k, d + 1); None: weights of 0 and the offsets that are best then.
        tolerance: the gap and the length of the derivative, both in units of the objective, at which a problem is
            done. What rounding leaves no hope of is not sought: `Solution` says how far it came.
        sought: "certified" as above; or "expected": done also after a step that was expected to gain no more than the
            tolerance, which is a few passes earlier; large ones are then judged in float32, and so is their gap.
        curvature: of an earlier solution of these problems, to begin with.
    """
    moments, present = problems.moments, problems.present
    if start is None:
        start = np.zeros(problems.shape)
        start[..., -1] = problems.link.offsets(moments.counts, moments.rows)
    with all_cores() as cores:
        units = np.broadcast_to(np.asarray(penalties, np.float64), moments.rows.shape[1:])
        search = _Search(problems, units, cores, problems.link.centred(start, present), curvature, sought)
        steps = 0
        while steps < STEPS and not (done := search.reached(tolerance)).all():
            if sought == "expected" and (done | (search.gain <= tolerance * search.objective)).all():
                break
            steps += 1
            if not search.step(done):
                if search.kind == np.float64 or sought == "expected":
                    break
                search.kind = np.float64
                search.move_to(search.coefficients, search.look(search.coefficients))
        return Solution(
            search.coefficients,
            search.objective,
            search.gap,
            search.slope,
            search.point.held_out,
            steps,
            search.passes,
            search.curvature,
        )
