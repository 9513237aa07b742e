"""Log gamma and its derivatives against scipy, where they cancel too."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma, gammaln, polygamma

from boda.heads.gamma_functions import log_gamma


@given(st.floats(-30, 14))
def test_all_three_are_those_of_scipy(power: float) -> None:
    """From the faintest concentration to far beyond any number of votes."""
    z = np.array([np.exp(power)])
    value, slope, bend = log_gamma(z)
    np.testing.assert_allclose(value, gammaln(z), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(slope, digamma(z), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(bend, polygamma(1, z), rtol=1e-9)


@given(st.floats(-20, 7), st.integers(1, 200))
def test_rises_over_whole_steps_are_sums(power: float, steps: int) -> None:
    """By the recurrence: log z + log (z + 1) + ..., and their derivatives."""
    z = np.array([np.exp(power)])
    rises = log_gamma(z + steps).since(log_gamma(z))
    every = z + np.arange(steps)
    np.testing.assert_allclose(rises.value, np.log(every).sum(), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(rises.slope, (1 / every).sum(), rtol=1e-10)
    np.testing.assert_allclose(rises.bend, -(1 / every**2).sum(), rtol=1e-7)


def test_no_step_is_exactly_no_rise() -> None:
    """Nobody asked: exactly zero."""
    z = np.array([[1e-13, 0.3, 700.0]])
    assert not any(part.any() for part in log_gamma(z + 0.0).since(log_gamma(z)))
