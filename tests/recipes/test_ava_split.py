"""The published split is reproduced row by row, without pandas."""

import hashlib

import numpy as np
import pytest

from ava.split import TRAIN, published_order, published_split, training_rows
from ava.table import AvaTable


def table_of(rows: int) -> AvaTable:
    """Rows whose ids are 100, 101, ..., each with two ratings."""
    lines = np.zeros((rows, 15), np.int64)
    lines[:, 1] = np.arange(rows) + 100
    lines[np.arange(rows), 2 + np.arange(rows) % 10] = 2
    return AvaTable.of(lines)


def test_the_order_of_the_whole_table_is_pinned():
    """The first thousand rows of 255,530, by their digest: pandas 3.1 and NumPy 2.4 gave it."""
    order = published_order(255_530)
    assert order[:5].tolist() == [4622, 169263, 74753, 199197, 236014]
    digest = hashlib.sha256(order[:1000].astype("<i8").tobytes()).hexdigest()
    assert digest == "8ca6c8c8f5e9059f983b473cd5aa67ae973925fddefd4c6243b5297c0fd68021"
    assert (np.sort(order) == np.arange(255_530)).all()


@pytest.mark.parametrize("rows", [1, 7, 1000, 194_294, 255_530])
def test_the_order_is_that_of_pandas(rows):
    """`sample(frac=1, random_state=42)`, where pandas is at hand."""
    pandas = pytest.importorskip("pandas")
    shuffled = pandas.DataFrame({"row": np.arange(rows)}).sample(frac=1, random_state=42)
    assert (shuffled["row"].to_numpy() == published_order(rows)).all()


def test_a_part_of_ava_is_split_in_proportion():
    """229,971 rows of the whole, in either count of its rows; 90 % of a part."""
    assert training_rows(255_530) == training_rows(255_524) == TRAIN == 229_971
    assert training_rows(194_294) == 174_864
    assert round(TRAIN / 255_530, 3) == 0.9


def test_images_without_features_leave_after_the_split():
    """No image changes sides or places because others are missing, as it would where they are dropped first."""
    table, whole = table_of(1000), published_split(table_of(1000), np.arange(100, 1100))
    there = np.delete(np.arange(100, 1100), [3, 500, 777])
    split = published_split(table, there)
    for side, before in ((split.train, whole.train), (split.test, whole.test)):
        assert side.tolist() == [row for row in before.tolist() if row not in {3, 500, 777}]
    assert (len(whole.train), len(whole.test)) == (900, 100)
    dropped_first = there[published_order(len(there))[: int(0.9 * len(there))]]
    assert set(dropped_first.tolist()) != set(table.ids[split.train].tolist())
