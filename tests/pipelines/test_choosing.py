"""Choosing inside the folds: the score of what was chosen, not of the luckiest."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.errors import Refused
from boda.evaluation.metrics import measure
from boda.heads.asking import Asked
from boda.heads.assembling import Unit
from boda.heads.crossfit import cross_fit
from boda.heads.ridge import Ridge
from boda.pipelines.heads.choosing import nested_choice
from boda.pipelines.heads.material import Material, Plan, gather
from synthetic import synthetic_workspace


def candidates_of(place, sets, columns, target="y", **how) -> dict[str, Material]:
    """One candidate for each feature set, on the same rows and folds."""
    workspace = synthetic_workspace(place, sets, columns)
    plan = Plan(Asked(target), **how)
    names = list(sets)
    first = gather(workspace, replace(plan, inputs=(names[0],)))
    return {name: first.with_inputs(workspace, replace(plan, inputs=(name,))) for name in names}


@pytest.fixture
def simple(tmp_path) -> dict[str, Material]:
    """One feature set says much of y, one a little, one nothing."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=120)
    sets = {
        "nothing": rng.normal(size=(120, 5)),
        "much": y[:, None] + 0.4 * rng.normal(size=(120, 5)),
        "little": y[:, None] + 3.0 * rng.normal(size=(120, 5)),
    }
    return candidates_of(tmp_path / "w.boda", sets, {"y": y.tolist()})


def test_the_better_features_are_chosen_in_every_fold(simple):
    """And the score is about what they reach alone."""
    found = nested_choice(simple)
    assert found.chosen == ("much",) * 5
    assert found.best == "much"
    assert found.value == pytest.approx(nested_choice({"much": simple["much"]}).value)
    assert all(len(scores) == 5 for scores in found.inner.values())


def test_one_candidate_is_plain_cross_validation(simple):
    """The same predictions as a fit of each fold by itself."""
    material = simple["little"]
    found = nested_choice({"little": material})
    _, plain = cross_fit(
        material.inputs,
        material.target,
        Ridge(penalties=(10.0,)),
        found.folds,
        groups=material.groups,
        rng=np.random.default_rng(0),
    )
    assert np.corrcoef(found.points, plain.out_of_fold[:, 0])[0, 1] > 0.99
    assert found.value == pytest.approx(measure("number", material.target.values, found.points)["spearman"])


def test_the_luckiest_of_many_that_know_nothing_looks_good_and_the_chosen_does_not(tmp_path):
    """The trap that nesting is for: with 10 feature sets of noise the best plain score is far above chance."""
    rng = np.random.default_rng(3)
    sets = {f"noise{i}": rng.normal(size=(40, 2)) for i in range(10)}
    candidates = candidates_of(tmp_path / "w.boda", sets, {"y": rng.normal(size=40).tolist()})
    luckiest = max(nested_choice({name: one}).value for name, one in candidates.items())
    assert luckiest > 0.2
    assert nested_choice(candidates).value < luckiest - 0.15


@settings(max_examples=2, deadline=None)
@given(fold=st.integers(0, 4), seed=st.integers(0, 1000))
def test_what_is_held_out_has_no_say_in_the_choice(tmp_path_factory, fold, seed):
    """Other values of the rows of a fold change neither what is chosen for it nor what is said of it."""
    rng = np.random.default_rng(seed)
    sets = {name: rng.normal(size=(40, 2)) for name in "ab"}
    candidates = candidates_of(tmp_path_factory.mktemp("w") / "w.boda", sets, {"y": rng.normal(size=40).tolist()})
    before = nested_choice(candidates)
    away = before.folds == fold
    first = next(iter(candidates.values()))
    target = replace(first.target, values=np.where(away, 100 * rng.normal(size=40), first.target.values))
    after = nested_choice({name: replace(one, target=target) for name, one in candidates.items()}, folds=before.folds)
    assert before.chosen[fold] == after.chosen[fold]
    np.testing.assert_array_equal(before.points[away], after.points[away])
    assert {name: scores[fold] for name, scores in before.inner.items()} == {
        name: scores[fold] for name, scores in after.inner.items()
    }


def test_a_metric_of_which_less_is_better_is_minimised(simple):
    """Also for a metric that is not the one quoted first."""
    found = nested_choice(simple, metric="rmse")
    assert found.metric == "rmse"
    assert found.chosen == ("much",) * 5
    assert found.inner["much"][0] < found.inner["nothing"][0]


def test_classes_are_chosen_by_accuracy_and_groups_stay_whole(tmp_path):
    """A feature set that only knows the group is not chosen, since groups are never on both sides."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(30), 4)
    label = rng.integers(0, 3, 30)[group]
    sets = {
        "group": rng.normal(size=(30, 20))[group],
        "class": label[:, None] + rng.normal(size=(120, 3)),
    }
    columns = {"label": [f"c{one}" for one in label], "group": group.tolist()}
    found = nested_choice(candidates_of(tmp_path / "w.boda", sets, columns, "label"))
    assert found.metric == "accuracy"
    assert found.chosen == ("class",) * 5
    assert found.points.shape == (120, 3)
    for one in range(30):
        assert len(np.unique(found.folds[group == one])) == 1


def test_units_keep_their_rows_with_other_inputs(tmp_path):
    """Several images a row: another feature set gives the same rows, with all their views."""
    rng = np.random.default_rng(2)
    house, view = np.repeat(np.arange(20), 2), ["front", "kitchen"] * 20
    sets = {"a": rng.normal(size=(40, 3)), "b": rng.normal(size=(40, 4))}
    columns = {"house": house.tolist(), "view": view, "y": rng.normal(size=20)[house].tolist()}
    workspace = synthetic_workspace(tmp_path / "w.boda", sets, columns)
    plan = Plan(Asked("y"), ("a",), unit=Unit("house", "view"))
    first = gather(workspace, plan)
    other = first.with_inputs(workspace, replace(plan, inputs=("b", "house")))
    assert other.assembled.keys == first.assembled.keys
    assert [one.array[one.index].shape for one in other.inputs.features] == [(20, 4), (20, 4)]
    np.testing.assert_allclose(other.inputs.features[1].block(slice(None)), sets["b"][1::2], rtol=1e-6)


def test_what_cannot_be_chosen_from_is_refused(simple, tmp_path):
    """No candidates, other rows, two folds, no such metric."""
    with pytest.raises(Refused, match="at least one"):
        nested_choice({})
    with pytest.raises(Refused, match="no metric 'auc' of number"):
        nested_choice(simple, metric="auc")
    with pytest.raises(Refused, match="at least three"):
        nested_choice(simple, folds=np.arange(120) % 2)
    (other,) = candidates_of(tmp_path / "v.boda", {"v": np.eye(40)[:, :9]}, {"y": list(range(40))}).values()
    with pytest.raises(Refused, match="other rows"):
        nested_choice(simple | {"other": other})
