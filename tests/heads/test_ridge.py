"""Ridge: closed forms against scikit-learn's."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as Oracle

from boda.errors import Refused
from boda.evaluation.folds import split
from boda.heads.crossfit import cross_fit, fit, outputs_of
from boda.heads.design import Design
from boda.heads.inputs import CategoryInput, FeatureInput, Inputs, NumberInput
from boda.heads.learner import CrossFit
from boda.heads.moments import Moments, Origin
from boda.heads.penalties import Choice, default_penalties
from boda.heads.preparation import Preparation
from boda.heads.ridge import Ridge, RidgeModel, solve
from boda.heads.target import Target

GRID = tuple(10.0 ** np.arange(-2, 6))


def generated(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated columns, and a target that a few of them give."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) @ (np.eye(d) + 0.3 * rng.standard_normal((d, d)) / np.sqrt(d))
    return x.astype(np.float32), x[:, : max(1, d // 5)].sum(axis=1) + 2 * rng.standard_normal(n)


def number(y: np.ndarray) -> Target:
    return Target("number", "score", y)


def learn(x: np.ndarray, y: np.ndarray, ridge: Ridge, groups: np.ndarray | None = None, seed: int = 0) -> RidgeModel:
    groups = np.arange(len(x)) if groups is None else groups
    return ridge.fit(Design.of(x), number(y), groups=groups, rng=np.random.default_rng(seed))


class Plain:
    """The same learner without its fast way."""

    def __init__(self, ridge: Ridge) -> None:
        self.fit = ridge.fit


@pytest.mark.parametrize(("n", "d"), [(400, 30), (60, 200), (50, 50)])
@pytest.mark.parametrize("penalty", [1e-2, 10.0, 1e4])
def test_weights_are_those_of_scikit_learn(n: int, d: int, penalty: float) -> None:
    """Rows more than columns, fewer, and as many; to 1e-8."""
    x, y = generated(n, d)
    model = learn(x, y + 100, Ridge((penalty,)))
    oracle = Oracle(alpha=penalty, solver="svd").fit(x.astype(np.float64), y + 100)
    np.testing.assert_allclose(model.weights[:, 0], oracle.coef_, rtol=1e-8, atol=1e-8 * np.abs(oracle.coef_).max())
    np.testing.assert_allclose(model.offset, oracle.intercept_, rtol=1e-8)
    np.testing.assert_allclose(model.outputs(x)[:, 0], oracle.predict(x.astype(np.float64)), rtol=1e-7)


@pytest.mark.parametrize(("n", "d"), [(400, 30), (60, 200)])
def test_normal_equations_are_solved_to_1e_8(n: int, d: int) -> None:
    """Their residual beside their right side, also with columns that repeat each other and a small penalty."""
    x, y = generated(n, d)
    x[:, 1] = x[:, 0]
    model = learn(x, y, Ridge((1e-3,)))
    away = x - x.mean(axis=0, dtype=np.float64)
    right = away.T @ (y - y.mean())
    left = away.T @ (away @ model.weights[:, 0]) + 1e-3 * model.weights[:, 0]
    assert np.linalg.norm(left - right) <= 1e-8 * np.linalg.norm(right)


def test_hostile_scales_and_means_are_solved_alike() -> None:
    """Raw columns of 1e10 beside 0.1, all far from 0."""
    x, y = generated(300, 6)
    scales = np.array([1e10, 0.1, 1, 1e-5, 1e3, 1])
    hostile = ((x + 10) * scales).astype(np.float32)
    model = learn(hostile, y, Ridge((0.5,)))
    away = hostile.astype(np.float64) - hostile.mean(axis=0, dtype=np.float64)
    augmented = np.vstack([away, np.sqrt(0.5) * np.eye(6)])
    size = np.linalg.norm(augmented, axis=0)
    exact = np.linalg.lstsq(augmented / size, np.append(y - y.mean(), np.zeros(6)), rcond=None)[0] / size
    np.testing.assert_allclose(model.weights[:, 0], exact, rtol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (60, 150)])
def test_degrees_of_freedom_are_the_trace_of_the_hat_matrix(n: int, d: int) -> None:
    """Between 0 and d."""
    x, y = generated(n, d)
    model = learn(x, y, Ridge((20.0,)))
    values = np.linalg.svd(x - x.mean(axis=0, dtype=np.float64), compute_uv=False) ** 2
    np.testing.assert_allclose(model.degrees_of_freedom, (values / (values + 20)).sum(), rtol=1e-8)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (60, 150)])
def test_the_penalty_is_that_of_least_error_on_inner_folds(n: int, d: int) -> None:
    """As scikit-learn, fitted once for each penalty and inner fold, finds; with every error on the way."""
    x, y = generated(n, d)
    model = learn(x, y, Ridge(GRID), seed=3)
    folds = split(n, folds=5, rng=np.random.default_rng(3))
    errors = np.zeros(len(GRID))
    for place, penalty in enumerate(GRID):
        for fold in range(5):
            held = folds == fold
            oracle = Oracle(alpha=penalty).fit(x[~held].astype(np.float64), y[~held])
            errors[place] += ((y[held] - oracle.predict(x[held].astype(np.float64))) ** 2).sum()
    np.testing.assert_allclose(model.choice.held_out_errors, errors / n, rtol=1e-6)
    assert model.choice.penalty == GRID[int(errors.argmin())]


def test_inner_folds_keep_groups_whole() -> None:
    """Copies of a row would let the smallest penalty win; as one group they do not."""
    x, y = generated(40, 30)
    x, y, groups = np.repeat(x, 6, axis=0), np.repeat(y, 6), np.repeat(np.arange(40), 6)
    assert learn(x, y, Ridge(GRID)).choice.penalty < learn(x, y, Ridge(GRID), groups).choice.penalty


def test_noise_gets_all_the_shrinkage_and_a_clean_signal_none() -> None:
    """The default penalties go to where nothing is left, and to where nothing is taken, at any scale."""
    x, y = generated(200, 10)
    noise = np.random.default_rng(9).standard_normal(200)
    for scale in (1e-4, 1.0, 1e6):
        scaled = (x * scale).astype(np.float32)
        assert np.ptp(learn(scaled, noise, Ridge()).outputs(scaled)) < 0.3
        exact = scaled.astype(np.float64) @ np.arange(10) / scale
        np.testing.assert_allclose(learn(scaled, exact, Ridge()).outputs(scaled)[:, 0], exact, atol=1e-4)
        assert np.corrcoef(learn(scaled, y, Ridge()).outputs(scaled)[:, 0], y)[0, 1] > 0.5


def test_default_penalties_stand_on_one_ladder() -> None:
    """Those of other data are other steps of it."""
    one, other = default_penalties(3e4, 10), default_penalties(3e6, 10)
    np.testing.assert_allclose(one[6:], other[:-6])


def test_predictions_scale_with_the_target() -> None:
    """A target divided by ten gives a tenth of every prediction: the ranks are the same."""
    x, y = generated(300, 20)
    inputs, folds, groups = Inputs.of(x), split(300, rng=np.random.default_rng(0)), np.arange(300)
    raw = cross_fit(inputs, number(y), Ridge(), folds, groups=groups, rng=np.random.default_rng(0))[1]
    tenth = cross_fit(inputs, number(y / 10), Ridge(), folds, groups=groups, rng=np.random.default_rng(0))[1]
    np.testing.assert_allclose(tenth.out_of_fold, raw.out_of_fold / 10, rtol=1e-6, atol=1e-8)


def hostile(n: int = 700) -> tuple[Inputs, np.ndarray]:
    """Features of many scales, numbers of 1e10 beside 0.1 with gaps, categories of which some are rare."""
    x, y = generated(n, 12)
    rng = np.random.default_rng(5)
    scaled = (x * 10.0 ** rng.uniform(-4, 4, 12) + 10.0 ** rng.uniform(-2, 4, 12)).astype(np.float32)
    scaled[:, 3] = 7.7
    huge, tiny = 1e10 + y * 1e9, 0.1 + 1e-6 * rng.standard_normal(n)
    huge[::9], tiny[-1] = np.nan, np.nan
    names = np.array(["a", "b", None], object)[rng.integers(0, 3, n)]
    names[0] = "rare"
    columns = (NumberInput("huge", huge), NumberInput("tiny", tiny), CategoryInput("name", names))
    return Inputs((FeatureInput("f", "", scaled), *columns)), y + 1e-10 * np.nan_to_num(huge)


def both_ways(inputs: Inputs, y: np.ndarray, ridge: Ridge, folds: np.ndarray) -> list[tuple[Preparation, CrossFit]]:
    return [
        cross_fit(inputs, number(y), learner, folds, groups=np.arange(len(y)), rng=np.random.default_rng(0))
        for learner in (ridge, Plain(ridge))
    ]


@pytest.mark.parametrize("scaling", ["standardised", "normalised", "raw"])
def test_the_fast_way_equals_the_plain_one(scaling: str) -> None:
    """One pass of moments against a preparation, a design and a fit for each fold."""
    inputs, y = hostile()
    blocks = (FeatureInput("f", "", inputs.features[0].array, scaling=scaling), *inputs.columns)
    folds = split(len(y), rng=np.random.default_rng(1))
    (fast_prepared, fast), (prepared, plain) = both_ways(Inputs(blocks), y, Ridge((30.0,)), folds)
    assert Ridge((30.0,)).cross_fit(Inputs(blocks), number(y), folds, np.arange(len(y)), np.random.default_rng(0))
    assert fast_prepared.columns == prepared.columns
    np.testing.assert_allclose(fast.out_of_fold, plain.out_of_fold, rtol=1e-5, atol=1e-5)
    design = prepared.design(Inputs(blocks))
    np.testing.assert_allclose(outputs_of(fast.model, design), outputs_of(plain.model, design), rtol=1e-5, atol=1e-5)
    freedom = [[one["degrees_of_freedom"] for one in found.chosen] for found in (fast, plain)]
    np.testing.assert_allclose(freedom[0], freedom[1], rtol=1e-5)


def test_the_fast_way_chooses_penalties_as_nested_scikit_learn_does() -> None:
    """Every outer fold, every inner fold, every penalty, each standardised on its own training rows."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = generated(250, 15)
    x = x * 10 ** np.linspace(-2, 2, 15).astype(np.float32) + 5
    folds = split(250, folds=4, rng=np.random.default_rng(2))
    inputs = Inputs((FeatureInput("f", "", x),))
    found = cross_fit(inputs, number(y), Ridge(GRID), folds, groups=np.arange(250), rng=np.random.default_rng(0))[1]

    def squared(held: np.ndarray, training: np.ndarray, penalty: float) -> float:
        pipeline = make_pipeline(StandardScaler(), Oracle(alpha=penalty)).fit(
            x[training].astype(np.float64), y[training]
        )
        return float(((y[held] - pipeline.predict(x[held].astype(np.float64))) ** 2).sum())

    for outer in range(4):
        others = [fold for fold in range(4) if fold != outer]
        errors = [
            sum(squared(folds == inner, (folds != outer) & (folds != inner), penalty) for inner in others)
            for penalty in GRID
        ]
        np.testing.assert_allclose(
            found.chosen[outer]["held_out_errors"], np.array(errors) / (folds != outer).sum(), rtol=1e-5
        )
        best = GRID[int(np.argmin(errors))]
        assert found.chosen[outer]["penalty"] == best
        pipeline = make_pipeline(StandardScaler(), Oracle(alpha=best)).fit(
            x[folds != outer].astype(np.float64), y[folds != outer]
        )
        held = folds == outer
        np.testing.assert_allclose(
            found.out_of_fold[held, 0], pipeline.predict(x[held].astype(np.float64)), rtol=1e-4, atol=1e-6
        )
    errors = [sum(squared(folds == fold, folds != fold, penalty) for fold in range(4)) for penalty in GRID]
    np.testing.assert_allclose(found.model.choice.held_out_errors, np.array(errors) / 250, rtol=1e-5)


@pytest.mark.parametrize("reason", ["few rows", "two folds", "split groups"])
def test_where_the_fast_way_does_not_hold_it_says_so(reason: str) -> None:
    """None, and `cross_fit` takes the plain one."""
    x, y = generated(40 if reason == "few rows" else 200, 30)
    folds = np.arange(len(y)) % (2 if reason == "two folds" else 5)
    groups = np.arange(len(y)) // (2 if reason == "split groups" else 1)
    inputs, rng = Inputs((FeatureInput("f", "", x),)), np.random.default_rng(0)
    assert Ridge().cross_fit(inputs, number(y), folds, groups, rng) is None
    found = cross_fit(inputs, number(y), Ridge(GRID), folds, groups=groups, rng=rng)[1]
    assert np.isfinite(found.out_of_fold).all()


def test_a_poisoned_fold_does_not_reach_the_models_that_held_it_out() -> None:
    """Its values and targets may be anything finite."""
    inputs, y = hostile()
    folds = np.arange(len(y)) % 5
    clean = cross_fit(inputs, number(y), Ridge((10.0,)), folds, groups=np.arange(len(y)), rng=np.random.default_rng(0))[
        1
    ]
    poisoned, target = inputs.features[0].array.copy(), y.copy()
    poisoned[folds == 0] *= -1e12
    target[folds == 0] = 1e6
    again = Inputs((FeatureInput("f", "", poisoned), *inputs.columns))
    found = cross_fit(
        again, number(target), Ridge((10.0,)), folds, groups=np.arange(len(y)), rng=np.random.default_rng(0)
    )[1]
    assert found.chosen[0]["degrees_of_freedom"] == pytest.approx(clean.chosen[0]["degrees_of_freedom"], rel=1e-6)
    prepared = Preparation.fit(inputs, np.flatnonzero(folds != 0)).design(again).dense()
    assert np.isfinite(prepared).all()


def test_adding_rows_to_moments_equals_learning_from_all() -> None:
    """A refit at a fixed penalty from sums, without the old rows."""
    x, y = generated(500, 20)
    origin = Origin.of(Design.of(x[:490]), y[:490])
    old = Moments.of(Design.of(x[:490]), y[:490], origin)
    grown = solve(old + Moments.of(Design.of(x[490:]), y[490:], origin), Choice(7.0))
    whole = learn(x, y, Ridge((7.0,)))
    np.testing.assert_allclose(grown.weights, whole.weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(grown.offset, whole.offset, rtol=1e-9)
    assert grown.rows == 500


def test_a_column_of_targets_is_refused_and_not_broadcast() -> None:
    """(n, 1) against (n,) would be (n, n)."""
    x, y = generated(30, 3)
    with pytest.raises(Refused, match="cannot have the shape"):
        number(y[:, None])
    target = number(y)
    object.__setattr__(target, "values", y[:, None])
    with pytest.raises(Refused, match="shape"):
        Ridge().fit(Design.of(x), target, groups=np.arange(30), rng=np.random.default_rng(0))
    classes = Target("class", "c", np.zeros(30, np.int64), ("a",))
    with pytest.raises(Refused, match="is of class"):
        Ridge().fit(Design.of(x), classes, groups=np.arange(30), rng=np.random.default_rng(0))


def test_what_makes_no_sense_is_refused() -> None:
    """Penalties, one group only, lengths, and another width at prediction."""
    x, y = generated(30, 3)
    for penalties in ((), (0.0,), (1.0, -1.0), (np.nan,)):
        with pytest.raises(Refused, match="penalties"):
            Ridge(penalties)
    with pytest.raises(Refused, match="one group"):
        learn(x, y, Ridge(), np.zeros(30, np.int64))
    with pytest.raises(Refused, match="shape"):
        learn(x, y[:-1], Ridge())
    with pytest.raises(Refused, match="3 columns"):
        learn(x, y, Ridge((1.0,))).outputs(x[:, :2])
    x[:, 1] = x[:, 0]
    with pytest.raises(Refused, match="too small"):
        learn(np.tile(x, (100, 1)) * np.float32(1e6), np.tile(y, 100), Ridge((1e-9,)))


def test_saved_and_loaded_it_predicts_the_same() -> None:
    """Bit by bit, through JSON."""
    x, y = generated(100, 5)
    model = learn(x, y, Ridge())
    again = RidgeModel.from_saved(model.tensors(), json.loads(json.dumps(model.settings())))
    np.testing.assert_array_equal(again.outputs(x), model.outputs(x))
    assert again.settings() == model.settings()


def test_a_constant_target_is_predicted_exactly() -> None:
    """With no weights."""
    x, _ = generated(100, 5)
    np.testing.assert_allclose(learn(x, np.full(100, 5.2), Ridge()).outputs(x), 5.2, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(1, 40), st.floats(-3, 5), st.integers(0, 10**6))
def test_primal_and_dual_forms_agree_with_scikit_learn(n: int, d: int, power: float, seed: int) -> None:
    """Whatever the shape."""
    x, y = generated(n, d, seed)
    oracle = Oracle(alpha=10**power, solver="svd").fit(x.astype(np.float64), y)
    found = learn(x, y, Ridge((10**power,))).outputs(x)[:, 0]
    np.testing.assert_allclose(found, oracle.predict(x.astype(np.float64)), rtol=1e-6, atol=1e-6 * np.abs(y).max())


def test_fit_prepares_and_learns() -> None:
    """The model belongs to the preparation beside it."""
    inputs, y = hostile()
    preparation, model = fit(inputs, number(y), Ridge(), groups=np.arange(len(y)), rng=np.random.default_rng(0))
    assert np.corrcoef(outputs_of(model, preparation.design(inputs))[:, 0], y)[0, 1] > 0.9
