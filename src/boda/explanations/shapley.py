"""Shapley values: what each player of a game adds, on average over all orders in which players may come in.

They are the only shares that add up to the worth of all, are equal for players that are interchangeable, 0 for one who
never changes anything, and add when games add (Shapley, A value for n-person games, 1953).
"""

from collections.abc import Callable
from math import comb
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Coalitions: TypeAlias = npt.NDArray[np.bool_]
"""(c, p): who of p players is in each of c coalitions."""
Game: TypeAlias = Callable[[Coalitions], Floats]
"""(c, p) coalitions to what they are worth, (c, n): n games at once, of the same players."""


def shapley(game: Game, players: int) -> Floats:
    """(n, p) exactly, from all 2^p coalitions.

    >>> glove = lambda coalitions: (coalitions[:, :1] & coalitions[:, 1:].any(axis=1, keepdims=True)).astype(float)
    >>> shapley(glove, 3).round(4)  # one has a left glove, two have a right one, and a pair is worth 1
    array([[0.6667, 0.1667, 0.1667]])
    """
    codes = np.arange(2**players)
    coalitions = (codes[:, None] >> np.arange(players) & 1).astype(bool)
    worth = game(coalitions)
    shares = np.array([1 / (players * comb(players - 1, size)) for size in range(players)])
    values = np.empty((worth.shape[1], players))
    for player in range(players):
        without = codes[~coalitions[:, player]]
        gains = worth[without + 2**player] - worth[without]
        values[:, player] = shares[coalitions[without].sum(axis=1)] @ gains
    return values


def sampled_shapley(game: Game, players: int, *, pairs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(n, p) estimates from orders drawn at random, and (n, p) their standard errors; they too add up exactly.

    Each order is taken forwards and backwards: who comes late in one comes early in the other, so their mean varies
    less than that of two that know nothing of each other.

    Args:
        game: what coalitions are worth.
        players: p.
        pairs: how many orders are drawn, at least 2; each costs 2 (p + 1) coalitions.
        rng: draws them.

    Source: Castro, Gomez and Tejada, Computers and Operations Research 36, 2009; Mitchell et al., JMLR 23(43), 2022
    (backwards).
    """
    found = []
    for _ in range(pairs):
        order = rng.permutation(players)
        found.append((_along(game, order) + _along(game, order[::-1])) / 2)
    drawn = np.stack(found)
    return drawn.mean(axis=0), drawn.std(axis=0, ddof=1) / np.sqrt(pairs)


def _along(game: Game, order: npt.NDArray[np.int64]) -> Floats:
    """(n, p) what each player adds to those who came before."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    gains = np.diff(game(places < np.arange(len(order) + 1)[:, None]), axis=0)
    return gains[places].T
