"""The certificate of logistic regression: never below what is left, and nearly all of it close to the optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.heads.certificate import gaps, objectives
from boda.heads.design import Design
from boda.heads.links import Link, Sigmoid, Softmax
from boda.heads.newton import solve
from boda.heads.problems import Problems, all_cores


def problem(link: Link, *, seed: int, rows: int = 40, k: int = 3) -> Problems:
    """Two folds, with weights; sigmoids have weights of their own column."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).astype(np.float32) + 1
    if isinstance(link, Softmax):
        shares, weights = rng.dirichlet(np.full(k, 0.3), rows).T, rng.exponential(size=(1, rows))
    else:
        shares, weights = rng.integers(0, 2, (k, rows)).astype(float), rng.integers(0, 2, (k, rows)).astype(float)
    folds = np.stack([np.ones(rows), rng.integers(0, 2, rows)]).astype(np.float32)
    return Problems(Design.of(x), link, np.ascontiguousarray(shares), folds, weights)


@pytest.mark.parametrize("link", [Softmax(), Sigmoid()])
@given(seed=st.integers(0, 1000), far=st.floats(0, 3), penalty=st.floats(1e-3, 100))
@settings(max_examples=40, deadline=None)
def test_gap_is_at_least_what_is_left(link: Link, seed: int, far: float, penalty: float) -> None:
    """Anywhere, with offsets that are wrong as well."""
    problems = problem(link, seed=seed)
    best = solve(problems, penalty)
    away = far * np.random.default_rng(seed + 1).normal(size=best.coefficients.shape)
    there = best.coefficients + problems.link.centred(away, problems.present)
    with all_cores() as cores:
        point = problems.at(there, np.float64, np.float64, cores)
    left = objectives(problems, there, point, penalty) - best.objective
    certified = gaps(problems, there, point, penalty)
    assert (left >= -1e-6 * best.objective).all()
    assert (certified >= left - 1e-9 * (1 + best.objective)).all()


@pytest.mark.parametrize("link", [Softmax(), Sigmoid()])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-10])
def test_solver_stops_where_the_gap_is_as_small_as_asked(link: Link, tolerance: float) -> None:
    """Relative to the objective, in every unit."""
    problems = problem(link, seed=3)
    found, best = solve(problems, 0.5, tolerance=tolerance), solve(problems, 0.5, tolerance=1e-12)
    assert (found.gap <= tolerance * found.objective).all()
    assert (found.objective - best.objective <= found.gap + 1e-13).all()
    assert (found.objective - best.objective >= -1e-13).all()


def test_gap_with_the_best_offsets_is_the_squared_slope_over_twice_the_penalty() -> None:
    """The closed form that strong convexity gives."""
    problems = problem(Softmax(), seed=5)
    weights = np.random.default_rng(0).normal(size=problems.shape)
    weights = problems.link.centred(weights, problems.present)
    with all_cores() as cores:
        for _ in range(60):
            point = problems.at(weights, np.float64, np.float64, cores)
            expected = point.slopes[..., -1] + problems.moments.counts
            weights[..., -1] += np.log(problems.moments.counts / expected)
        point = problems.at(weights, np.float64, np.float64, cores)
    slopes = point.slopes[..., :-1] + 2.0 * weights[..., :-1]
    wanted = (slopes**2).sum(axis=(1, 2)) / 4.0
    np.testing.assert_allclose(gaps(problems, weights, point, 2.0)[:, 0], wanted, rtol=1e-6)


@pytest.mark.parametrize("link", [Softmax(), Sigmoid()])
def test_problems_solved_together_are_those_solved_alone(link: Link) -> None:
    """Folds share passes and nothing else."""
    both = problem(link, seed=7)
    together = solve(both, 1.0).coefficients
    for fold in range(2):
        alone = Problems(both.design, link, both.shares, both.folds[fold : fold + 1], both.weights)
        np.testing.assert_allclose(together[fold], solve(alone, 1.0).coefficients[0], atol=1e-6)
