"""Truncated Newton: down to a minimum, by steps that conjugate gradients look for only as far as is worth it.

A step solves H s = -slopes roughly (Dembo, Eisenstat and Steihaug, SIAM J. Numer. Anal. 19(2), 1982). Where the
function bends down along the way (Steihaug, SIAM J. Numer. Anal. 20(3), 1983) the step found so far is taken. H is
needed only times a direction, which costs less than a look at the function wherever that takes logarithms. The
coordinates should be such that H is nearly round: there is no other preconditioner.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEPS = 100
PRODUCTS = 200
"""Of one step at most."""
_HALVINGS = 30


class Look(NamedTuple):
    """A function near a point."""

    value: float
    slope: Floats
    """(m,)."""
    curved: Callable[[Floats], Floats]
    """(m,) direction to (m,): the second derivative times it."""


class Minimum(NamedTuple):
    """Where the search ended."""

    point: Floats
    slope: float
    """The largest at the last look, before the last step."""
    steps: int
    products: int


def minimise(look: Callable[[Floats], Look], start: Floats, *, tolerance: float, least: float = 0.0) -> Minimum:
    """Go down until a step is expected to gain no more than `tolerance` times the value; that step is still taken.

    It ends earlier where rounding lets no step go down.

    Args:
        look: at a point.
        start: (m,).
        tolerance: of the value, which is to be positive.
        least: the share of what is tolerated that each product has to gain, or the step is taken as it is. It halves
            the products of a rough search; a fine one needs 0, as first products can gain little where later ones gain
            much.
    """
    point, here = start, look(start)
    first, steps, products = _largest(here), 0, 0
    while steps < STEPS and (left := _largest(here)) > 0:
        worth = tolerance * abs(here.value)
        step, tried = _step(here, enough=min(0.1, max(left / first, 1e-3)), least=least * worth)
        steps, products = steps + 1, products + tried
        gain = -float(here.slope @ step) / 2
        if gain <= worth:
            point = point + step
            break
        length, there = _down(look, point, here, step, gain)
        if there is None:
            break
        point, here = point + length * step, there
    return Minimum(point, _largest(here), steps, products)


def _largest(here: Look) -> float:
    return float(np.abs(here.slope).max(initial=0))


def _down(
    look: Callable[[Floats], Look], point: Floats, here: Look, step: Floats, gain: float
) -> tuple[float, Look | None]:
    """How far along a step it is lower, and what it is there; None where nowhere."""
    length = 1.0
    for _ in range(_HALVINGS):
        there = look(point + length * step)
        if there.value <= here.value - 1e-4 * length * gain:
            return length, there
        length /= 2
    return 0.0, None


def _step(here: Look, enough: float, least: float) -> tuple[Floats, int]:
    """A step, and how many products it took: until `enough` of the slopes is left, or a product gained too little."""
    step, left = np.zeros_like(here.slope), -here.slope
    ahead, size = left, float(left @ left)
    target = enough**2 * size
    for products in range(1, PRODUCTS + 1):
        curved = here.curved(ahead)
        bend = float(ahead @ curved)
        if bend <= 0:
            return (step if products > 1 else ahead), products
        length = size / bend
        step = step + length * ahead
        left = left - length * curved
        size, before = float(left @ left), size
        if size <= target or length * before / 2 <= least:
            return step, products
        ahead = left + (size / before) * ahead
    return step, PRODUCTS
