"""Truncated Newton against closed forms and known minima."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess_prod

from boda.heads.truncated_newton import Look, minimise


def test_a_parabola_is_solved() -> None:
    """Where the second derivative is constant the minimum is a linear system."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 30)) / 10 + np.eye(30)
    curvature, target = root @ root.T, rng.normal(size=30)

    def look(x: np.ndarray) -> Look:
        return Look(100 + x @ curvature @ x / 2 - target @ x, curvature @ x - target, lambda d: curvature @ d)

    found = minimise(look, np.zeros(30), tolerance=1e-15)
    np.testing.assert_allclose(found.point, np.linalg.solve(curvature, target), atol=1e-6)
    assert found.slope < 1e-3


def test_a_bent_valley_is_followed() -> None:
    """Rosenbrock's function, which bends down on the way, from the usual start."""

    def look(x: np.ndarray) -> Look:
        return Look(1 + rosen(x), rosen_der(x), lambda d: rosen_hess_prod(x, d))

    found = minimise(look, np.array([-1.2, 1.0]), tolerance=1e-14)
    np.testing.assert_allclose(found.point, np.ones(2), atol=1e-5)


def test_a_hilltop_is_left() -> None:
    """Near a maximum every direction bends down: the slope is followed."""

    def look(x: np.ndarray) -> Look:
        return Look(2 + float(np.cos(x).sum()), -np.sin(x), lambda d: -np.cos(x) * d)

    found = minimise(look, np.array([0.1, -0.2]), tolerance=1e-14)
    np.testing.assert_allclose(np.abs(found.point), np.pi, atol=1e-5)


def test_a_minimum_is_left_as_it_is() -> None:
    """No slope: no step."""
    found = minimise(lambda x: Look(1.0, np.zeros(2), lambda d: d), np.ones(2), tolerance=1e-9)
    assert found.steps == 0
    assert found.point.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-8])
def test_what_is_left_is_less_than_the_tolerance(tolerance: float) -> None:
    """The value is at most about `tolerance` of itself above its minimum."""
    scales = np.geomspace(1, 30, 20)

    def look(x: np.ndarray) -> Look:
        inner = np.exp(np.clip(x, -50, 50))
        value = 10 + (scales * (inner - x - 1)).sum()
        return Look(float(value), scales * (inner - 1), lambda d: scales * inner * d)

    found = minimise(look, np.full(20, 1.5), tolerance=tolerance)
    assert look(found.point).value <= 10 * (1 + 2 * tolerance)
