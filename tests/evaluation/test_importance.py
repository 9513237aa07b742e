"""Importance is what a metric loses when an input no longer belongs to its row."""

import numpy as np
import pytest

from boda.evaluation.importance import permutation_importance
from boda.evaluation.metrics import metrics_of, statistics


@pytest.fixture
def rows(rng):
    """The truth is 3 a + b; c is noise. Columns a, b, c; folds."""
    inputs = rng.normal(size=(500, 3))
    return inputs, 3 * inputs[:, 0] + inputs[:, 1], rng.permutation(500) % 5


def importance(rows, metric, rng, blocks=("c", "b", "a"), **more):
    inputs, truth, folds = rows
    places = {"a": [0], "b": [1], "c": [2], "all": [0, 1, 2]}
    seen = []

    def predict(block, donors):
        seen.append(donors)
        moved = inputs.copy()
        moved[:, places[block]] = inputs[donors][:, places[block]]
        return moved @ [3.0, 1.0, 0.0]

    prediction = inputs @ [3.0, 1.0, 0.0]
    described = metrics_of("number")[metric]
    found = permutation_importance(
        predict, blocks, described, lambda said: statistics("number", truth, said)[metric], prediction, folds, rng=rng,
        rounds=200, **more,
    )  # fmt: skip
    return found, seen


def test_the_loss_is_the_closed_form(rows, rng):
    """Permuting a column of weight w costs 2 w^2 of squared error; of r2 that share of the variance."""
    found, _ = importance(rows, "r2", rng, repeats=20)
    assert [one.block for one in found] == ["a", "b", "c"]
    np.testing.assert_allclose([one.loss.value for one in found], [18 / 10, 2 / 10, 0], atol=0.12)
    assert found[0].loss.low > found[1].loss.high and found[1].loss.low > 0
    assert found[2].loss.value == 0 and not found[2].loss.clear and found[2].as_json()["repeats"] == 20


def test_worse_is_positive_whichever_way_is_better(rows, rng):
    """Errors rise and correlations fall; both are losses above 0."""
    for metric in ("mae", "rmse", "spearman"):
        assert importance(rows, metric, rng)[0][0].loss.low > 0


def test_columns_of_a_block_move_together(rows, rng):
    """All columns of one donor: the moved prediction is that of another row, so its spread stays."""
    found, _ = importance(rows, "r2", rng, blocks=("all",), repeats=10)
    assert found[0].loss.value == pytest.approx(2, abs=0.15)


def test_donors_are_rows_of_the_same_fold(rows, rng):
    """Held-out rows get what held-out rows of their fold had; each is given once."""
    _, seen = importance(rows, "r2", rng, repeats=2)
    folds = rows[2]
    assert len(seen) == 6
    for donors in seen:
        np.testing.assert_array_equal(folds[donors], folds)
        np.testing.assert_array_equal(np.sort(donors), np.arange(500))
        assert (donors != np.arange(500)).mean() > 0.9


def test_groups_widen_the_interval(rows, rng):
    """Ten copies of a row are no more evidence."""
    inputs, truth, folds = rows
    copied = np.repeat(inputs, 10, axis=0), np.repeat(truth, 10), np.repeat(folds, 10)
    alone = importance(copied, "mae", rng, blocks=("a",))[0][0].loss
    grouped = importance(copied, "mae", rng, blocks=("a",), groups=np.repeat(np.arange(500), 10))[0][0].loss
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
