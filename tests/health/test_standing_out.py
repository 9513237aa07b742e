"""Pairs that stand out: copies that are less alike than copies usually are, and no two of a kind."""

import numpy as np

from boda.health.likeness import Likeness
from boda.health.standing_out import FEWEST, standing_out


def unlike(n: int, seed: int = 0) -> np.ndarray:
    """Rows that have nothing to do with each other."""
    return np.random.default_rng(seed).normal(size=(n, 128)).astype(np.float32)


def beside(row: np.ndarray, likeness: float, seed: int) -> np.ndarray:
    """A row with about this cosine to another."""
    noise = np.random.default_rng(seed).normal(size=row.shape)
    return (likeness * row + np.sqrt(1 - likeness**2) * noise).astype(np.float32)


def look(features: np.ndarray) -> list[list[int]]:
    return standing_out(Likeness.among(features, np.arange(len(features)))).tolist()


def test_a_copy_of_a_likeness_of_eight_tenths_stands_out():
    """Nothing else is near either; three copies of one picture do not hide each other; one of 0.3 is none."""
    features = unlike(100)
    features[7] = beside(features[3], 0.8, 1)
    features[20], features[30] = (beside(features[10], 0.9, seed) for seed in (2, 3))
    features[50] = beside(features[40], 0.3, 4)
    assert sorted(look(features)) == [[3, 7], [10, 20], [10, 30], [20, 30]]
    assert look(features)[-1] == [20, 30]


def test_two_of_a_kind_do_not():
    """Ten rows of one direction have a likeness of 0.8 to each other: none of them is a copy."""
    features = unlike(100)
    features[:10] = [beside(features[0], 0.9, seed) for seed in range(10)]
    assert look(features) == []


def test_among_few_rows_nothing_stands_out():
    """Whatever there is."""
    features = unlike(FEWEST - 1)
    features[1] = features[0]
    assert look(features) == []
