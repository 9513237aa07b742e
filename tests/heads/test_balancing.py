"""Features are weighed against columns, so that thousands of the one do not drown a few of the other."""

import numpy as np
import pytest

from boda.heads.balancing import _best_weight, is_to_be_balanced
from boda.heads.crossfit import cross_fit, fit
from boda.heads.inputs import FeatureInput, Inputs, NumberInput
from boda.heads.logistic import Logistic
from boda.heads.mlp import Mlp
from boda.heads.ridge import Ridge
from boda.heads.target import Target


def drowning(n=150, width=600):
    """One telling number beside features that say nothing."""
    rng = np.random.default_rng(0)
    number = rng.normal(size=n)
    features = rng.normal(size=(n, width)).astype(np.float32)
    inputs = Inputs((FeatureInput("f", "0123456789abcdef", features), NumberInput("a", number)))
    return inputs, number + 0.3 * rng.normal(size=n)


def test_a_telling_number_is_not_drowned_by_features():
    """Held-out rows are predicted nearly as well as from the number alone."""
    inputs, y = drowning()
    folds, groups = np.arange(150) % 5, np.arange(150)
    target = Target("number", "y", y)
    correlations = {}
    for names in (("f", "a"), ("a",)):
        rng = np.random.default_rng(1)
        _, found = cross_fit(inputs.only(names), target, Ridge(), folds, groups=groups, rng=rng)
        correlations[names] = np.corrcoef(found.out_of_fold[:, 0], y)[0, 1]
    assert correlations["a",] > 0.9
    assert correlations["f", "a"] > correlations["a",] - 0.05


def test_a_few_features_are_not_drowned_by_a_wide_table():
    """And the other way round: two telling features beside 300 columns that say nothing."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(150, 2)).astype(np.float32)
    y = features.sum(axis=1) + 0.3 * rng.normal(size=150)
    numbers = tuple(NumberInput(f"n{place}", rng.normal(size=150)) for place in range(300))
    inputs = Inputs((FeatureInput("f", "0123456789abcdef", features), *numbers))
    _, found = cross_fit(inputs, Target("number", "y", y), Ridge(), np.arange(150) % 5, groups=np.arange(150), rng=rng)
    assert np.corrcoef(found.out_of_fold[:, 0], y)[0, 1] > 0.9


@pytest.mark.parametrize("best", [0.01, 0.1, 1.0, 10.0, 30.0])
def test_the_walk_ends_in_the_valley(best):
    """Wherever the error is least, also at either end of the ladder."""
    asked = []

    def error(weight: float) -> float:
        asked.append(weight)
        return 1 + abs(np.log(weight / best))

    assert _best_weight(error) == best
    assert len(asked) == len(set(asked)) <= 6


def test_a_gain_by_chance_is_none():
    """A thousandth less is no reason to weigh anything."""
    assert _best_weight(lambda weight: 1 - 0.001 * (weight > 1)) == 1.0


def test_the_weight_is_in_the_preparation_and_is_saved():
    """Nothing but the scale of features differs, so a head that is read back predicts the same."""
    inputs, y = drowning(60, 80)
    preparation, model = fit(
        inputs, Target("number", "y", y), Ridge(), groups=np.arange(60), rng=np.random.default_rng(0)
    )
    spread = preparation.design(inputs).dense()[:, :80].std(axis=0)
    assert spread == pytest.approx(spread[0])
    assert spread[0] < 0.5
    again = type(preparation).from_saved(preparation.tensors(), preparation.settings())
    x = again.design(inputs).dense()
    np.testing.assert_array_equal(x, preparation.design(inputs).dense())
    assert np.isfinite(model.outputs(x)).all()


def test_only_what_can_be_weighed_is():
    """Features alone, columns alone, targets without an error and nets without a penalty are left as they are."""
    inputs, y = drowning(20, 5)
    groups, number = np.arange(20), Target("number", "y", y)
    kinds = Target("class", "c", (y > 0).astype(np.int64), ("no", "yes"))
    counts = Target("ratings", "r", np.ones((20, 2)), ("1", "2"), (1.0, 2.0))
    assert is_to_be_balanced(inputs, number, Ridge(), groups)
    assert is_to_be_balanced(inputs, kinds, Logistic(), groups)
    assert not is_to_be_balanced(inputs.only(["f"]), number, Ridge(), groups)
    assert not is_to_be_balanced(inputs.only(["a"]), number, Ridge(), groups)
    assert not is_to_be_balanced(inputs, counts, Ridge(), groups)
    assert not is_to_be_balanced(inputs, number, Mlp(), groups)
    assert not is_to_be_balanced(inputs, number, Ridge((3.0,)), groups)
    assert not is_to_be_balanced(inputs, number, Ridge(), np.zeros(20, np.int64))
