"""The published split: which rows of AVA.txt train, which test, and in which order batches are made.

The published code shuffles the whole table with `frame.sample(frac=1, random_state=42)` of pandas, before it knows
which images it has, and takes the first 229,971 rows for training. Images that are missing or cannot be read then leave
both sides; the others stay where they are, and training sees them in this order.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ava.table import AvaTable

SEED = 42
TRAIN = 229_971
"""Rows of the whole table that train."""
WHOLE = 255_000
"""From how many rows on a table counts as the whole one (copies of AVA.txt have 255,524 to 255,530)."""
SHARE = 0.9
"""Of a part of the table that trains."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of the table."""

    train: Rows
    """In the order of training."""
    test: Rows


def published_order(rows: int) -> Rows:
    """(n,) the rows of a table in the order that `sample(frac=1, random_state=42)` of pandas gives them.

    pandas draws `RandomState(42).choice(rows, rows, replace=False)`, which is this permutation. NumPy keeps the streams
    of `RandomState` as they are for good (NEP 19).

    >>> published_order(5).tolist()
    [1, 4, 2, 0, 3]
    """
    return np.random.RandomState(SEED).permutation(rows)


def training_rows(rows: int) -> int:
    """How many rows of the shuffled table train: the published number, or of a part of AVA its share, rounded down."""
    return TRAIN if rows >= WHOLE else int(SHARE * rows)


def published_split(table: AvaTable, there: npt.NDArray[np.int64]) -> Split:
    """Shuffle and cut the whole table, then leave out the images that have no features.

    Args:
        table: all rows.
        there: (m,) ids of the images that have features.
    """
    order, cut = published_order(len(table)), training_rows(len(table))
    kept = np.isin(table.ids, there)[order]
    return Split(order[:cut][kept[:cut]], order[cut:][kept[cut:]])
