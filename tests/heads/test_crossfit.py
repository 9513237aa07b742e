"""Cross-fitting: who saw which rows."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from boda.errors import Refused
from boda.heads.crossfit import cross_fit, fit, out_of_fold
from boda.heads.design import Design
from boda.heads.inputs import FeatureInput, Inputs, NumberInput
from boda.heads.ridge import Ridge
from boda.heads.target import Target

N = 60
INDEX = np.arange(N, dtype=np.float64)
INPUTS = Inputs((FeatureInput("f", "", np.arange(N, dtype=np.float32)[:, None], scaling="raw"),))
TARGET = Target("number", "y", INDEX)
FOLDS = np.arange(N) % 3


class Mean:
    """Says the mean of the targets it saw."""

    kind = "mean"

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def outputs(self, x: np.ndarray) -> np.ndarray:
        return np.full((len(x), 1), self.values.mean())

    def settings(self) -> dict[str, float]:
        return {"mean": float(self.values.mean())}


@dataclass
class Watching:
    """Remembers what it was given."""

    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray, float]] = field(default_factory=list)

    def fit(self, design: Design, target: Target, *, groups: np.ndarray, rng: np.random.Generator) -> Mean:
        self.seen.append((design.dense()[:, 0].copy(), target.values, groups, rng.random()))
        return Mean(target.values)


def test_every_row_is_predicted_by_the_model_that_had_not_seen_it() -> None:
    """And the last model saw all rows, with their groups."""
    learner, groups = Watching(), np.arange(N) // 2
    _, found = cross_fit(INPUTS, TARGET, learner, FOLDS, groups=groups, rng=np.random.default_rng(0))
    for fold, (x, y, teams, _) in enumerate(learner.seen[:3]):
        np.testing.assert_array_equal(y, INDEX[fold != FOLDS])
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(teams, groups[fold != FOLDS])
        assert (found.out_of_fold[fold == FOLDS, 0] == y.mean()).all()
        assert found.chosen[fold] == {"mean": y.mean()}
    np.testing.assert_array_equal(learner.seen[3][1], INDEX)
    np.testing.assert_array_equal(found.folds, FOLDS)


def test_folds_draw_from_streams_of_their_own() -> None:
    """The same seed gives the same draws, and no two fits the same one."""
    draws = []
    for _ in range(2):
        learner = Watching()
        cross_fit(INPUTS, TARGET, learner, FOLDS, groups=np.arange(N), rng=np.random.default_rng(4))
        draws.append([one[3] for one in learner.seen])
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 4


def test_without_a_model_of_all_rows_the_rest_is_the_same() -> None:
    """The same models of the folds, from the same streams; one fit fewer."""
    whole, folds_alone = Watching(), Watching()
    _, found = cross_fit(INPUTS, TARGET, whole, FOLDS, groups=np.arange(N), rng=np.random.default_rng(4))
    outputs = out_of_fold(INPUTS, TARGET, folds_alone, FOLDS, groups=np.arange(N), rng=np.random.default_rng(4))
    np.testing.assert_array_equal(outputs, found.out_of_fold)
    assert [one[3] for one in folds_alone.seen] == [one[3] for one in whole.seen[:3]]


def test_a_fold_is_prepared_on_its_training_rows_only() -> None:
    """Poison in fold 0 changes nothing of what the model that holds it out is given."""
    rng = np.random.default_rng(0)
    clean, poisoned = rng.standard_normal(N), None
    poisoned = clean.copy()
    poisoned[FOLDS == 0] = 1e9
    poisoned[0] = np.nan
    seen = []
    for values in (clean, poisoned):
        learner = Watching()
        inputs = Inputs((NumberInput("x", values),))
        cross_fit(inputs, TARGET, learner, FOLDS, groups=np.arange(N), rng=np.random.default_rng(0))
        seen.append(learner.seen)
    np.testing.assert_array_equal(seen[0][0][0], seen[1][0][0])
    assert not np.array_equal(seen[0][1][0], seen[1][1][0])


def test_a_faster_way_is_asked_first() -> None:
    """And where it has no answer the plain one is taken."""

    class Fast(Watching):
        answer = None

        def cross_fit(self, *_: object) -> object:
            return self.answer

    learner = Fast()
    assert cross_fit(INPUTS, TARGET, learner, FOLDS, groups=np.arange(N), rng=np.random.default_rng(0))
    assert len(learner.seen) == 4
    learner.answer = "an answer"
    found = cross_fit(INPUTS, TARGET, learner, FOLDS, groups=np.arange(N), rng=np.random.default_rng(0))
    assert found == "an answer"
    assert len(learner.seen) == 4


def test_lengths_that_differ_and_one_fold_are_refused() -> None:
    """Before anything is learned; an infinite number with its row in the table."""
    rng = np.random.default_rng(0)
    with pytest.raises(Refused, match="equally many rows"):
        cross_fit(INPUTS, TARGET, Watching(), FOLDS[:-1], groups=np.arange(N), rng=rng)
    with pytest.raises(Refused, match="equally many rows"):
        fit(INPUTS, TARGET, Watching(), groups=np.arange(N)[:, None], rng=rng)
    with pytest.raises(Refused, match="two folds"):
        cross_fit(INPUTS, TARGET, Watching(), np.zeros(N, np.int64), groups=np.arange(N), rng=rng)
    values = INDEX.copy()
    values[41] = np.inf
    with pytest.raises(Refused, match="row 41"):
        cross_fit(Inputs((NumberInput("x", values),)), TARGET, Watching(), FOLDS, groups=np.arange(N), rng=rng)


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_a_few_groups_can_still_be_learned_from(groups):
    """Weighing features against columns needs groups enough to choose a penalty beside it, else it is left out."""
    rng = np.random.default_rng(21)
    x = rng.normal(size=(24, 5)).astype(np.float32)
    inputs = Inputs((FeatureInput("f", "", x), NumberInput("iso", rng.normal(size=24))))
    target = Target("number", "y", x[:, 0].astype(np.float64))
    _, model = fit(inputs, target, Ridge(), groups=np.arange(24) % groups, rng=np.random.default_rng(0))
    assert model.outputs(np.zeros((1, 6), np.float32)).shape == (1, 1)
