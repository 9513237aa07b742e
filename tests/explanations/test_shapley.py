"""Shapley values are those of the definition, and estimates of them are as far off as they say."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.explanations.shapley import sampled_shapley, shapley


def table_game(worth: np.ndarray):
    """(2^p,) or (2^p, n) worths by the binary number of the coalition."""
    table = worth.reshape(len(worth), -1)
    return lambda coalitions: table[(coalitions << np.arange(coalitions.shape[1])).sum(axis=1)]


def by_orders(worth: np.ndarray, players: int) -> np.ndarray:
    """(p,) by the definition: the mean over all orders of what a player adds to those before."""
    found = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        code = 0
        for player in order:
            found[player] += worth[code | 1 << player] - worth[code]
            code |= 1 << player
    return found / len(orders)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_it_is_the_mean_over_all_orders(players, seed):
    """Of any game; and the values of all add up to what all are worth more than nobody."""
    worth = np.random.default_rng(seed).normal(size=2**players)
    found = shapley(table_game(worth), players)[0]
    np.testing.assert_allclose(found, by_orders(worth, players), atol=1e-12)
    np.testing.assert_allclose(found.sum(), worth[-1] - worth[0], atol=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_its_axioms(seed):
    """A player who changes nothing gets 0, two who change the same get the same, and sums of games have sums."""
    rng = np.random.default_rng(seed)
    codes = np.arange(16)
    sizes = (codes & 1) + (codes >> 1 & 1)  # players 0 and 1 count alike, player 3 does not count
    worth = rng.normal(size=(3, 2))[sizes, codes >> 2 & 1]
    dummy = shapley(table_game(worth), 4)[0]
    assert dummy[3] == pytest.approx(0, abs=1e-12) and dummy[0] == pytest.approx(dummy[1], abs=1e-12)
    other = rng.normal(size=16)
    both = shapley(table_game(np.stack([worth, other, worth + other], axis=1)), 4)
    np.testing.assert_allclose(both[0] + both[1], both[2], atol=1e-12)


def test_weighted_votes_have_their_known_power():
    """[51; 50, 49, 1]: the largest has four of six orders, the others one each (Shapley and Shubik 1954)."""
    weights = np.array([50, 49, 1])

    def votes(coalitions):
        return (coalitions @ weights >= 51).astype(float)[:, None]

    np.testing.assert_allclose(shapley(votes, 3), [[4 / 6, 1 / 6, 1 / 6]], atol=1e-12)


def test_estimates_are_as_far_off_as_they_say():
    """Of 40 draws of seven players nine in ten are within two standard errors of the exact values; all add up."""
    rng = np.random.default_rng(0)
    worth = rng.normal(size=(128, 2)).cumsum(axis=0)
    game, exact = table_game(worth), shapley(table_game(worth), 7)
    within = []
    for _ in range(40):
        values, errors = sampled_shapley(game, 7, pairs=40, rng=rng)
        np.testing.assert_allclose(values.sum(axis=1), worth[-1] - worth[0], atol=1e-10)
        within.append(np.abs(values - exact) <= 2 * errors)
    assert 0.9 <= np.mean(within) <= 0.99


def test_sums_over_players_and_pairs_have_no_error():
    """An order forwards and backwards gives each of a pair half of what the pair adds, so every draw says the same."""
    weights = np.array([1.0, -2.0, 0.0, 5.0])
    pairs = np.triu(np.random.default_rng(1).normal(size=(4, 4)), 1)

    def game(coalitions):
        here = coalitions.astype(float)
        return (here @ weights + np.einsum("ci,ij,cj->c", here, pairs, here))[:, None]

    values, errors = sampled_shapley(game, 4, pairs=3, rng=np.random.default_rng(0))
    np.testing.assert_allclose(values, [weights + (pairs + pairs.T).sum(axis=0) / 2], atol=1e-12)
    np.testing.assert_allclose(errors, 0, atol=1e-12)
