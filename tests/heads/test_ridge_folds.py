"""Ridges of all folds at once: float32 products, and what tells when they will not do."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Oracle
from sklearn.preprocessing import StandardScaler

from boda.heads import ridge_folds
from boda.heads.inputs import FeatureInput, Inputs
from boda.heads.preparation import Preparation

N, D = 24_000, 220
FOLDS = np.random.default_rng(1).integers(0, 5, N)
PENALTIES = (1.0, 100.0, 1e4)


def generated() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, D), dtype=np.float32) * np.logspace(-3, 3, D, dtype=np.float32)
    x = x + rng.standard_normal(D).astype(np.float32) * 20 * np.logspace(-3, 3, D, dtype=np.float32)
    return x, (x / np.logspace(-3, 3, D))[:, :40].sum(axis=1) + 5 * rng.standard_normal(N)


def in_float32(
    x: np.ndarray, y: np.ndarray, penalties: tuple[float, ...] = PENALTIES, folds: np.ndarray = FOLDS
) -> object:
    inputs = Inputs((FeatureInput("f", "", x),))
    return ridge_folds._cross_fit(Preparation.reference(inputs), inputs, y, folds, penalties, np.float32)


def test_float32_products_are_refined_to_1e_8() -> None:
    """Normal equations of the model of all rows, in float64; predictions as scikit-learn's within 1e-4."""
    x, y = generated()
    found = in_float32(x, y)
    assert found is not None
    preparation, models, out_of_fold = found
    penalty = models[0].choice.penalty
    part = preparation.kept[0]
    z = (x - part.mean.astype(np.float64)) / part.scale
    z -= z.mean(axis=0)
    right = z.T @ (y - y.mean())
    left = z.T @ (z @ models[0].weights[:, 0]) + penalty * models[0].weights[:, 0]
    assert np.linalg.norm(left - right) <= 1e-8 * np.linalg.norm(right)
    held = FOLDS == 3
    scaler = StandardScaler().fit(x[~held].astype(np.float64))
    oracle = Oracle(alpha=models[4].choice.penalty).fit(scaler.transform(x[~held].astype(np.float64)), y[~held])
    expected = oracle.predict(scaler.transform(x[held].astype(np.float64)))
    assert np.abs(out_of_fold[held, 0] - expected).max() <= 1e-5 * expected.std()


def test_float32_and_float64_products_choose_alike() -> None:
    """The same errors, penalties and preparation."""
    x, y = generated()
    inputs = Inputs((FeatureInput("f", "", x),))
    base = Preparation.reference(inputs)
    less, more = (
        ridge_folds._cross_fit(base, inputs, y, FOLDS, PENALTIES, precision) for precision in (np.float32, np.float64)
    )
    assert less is not None and more is not None
    for one, other in zip(less[1], more[1], strict=True):
        assert one.choice.penalty == other.choice.penalty
        np.testing.assert_allclose(one.choice.held_out_errors, other.choice.held_out_errors, rtol=1e-5)
    for name, array in Preparation.fit(inputs, np.arange(N)).tensors().items():
        np.testing.assert_allclose(less[0].tensors()[name], array, rtol=1e-6)


@pytest.mark.parametrize("trouble", ["repeated columns", "exact target", "huge values", "tiny values", "distant fold"])
def test_where_float32_products_will_not_do_float64_takes_over(trouble: str) -> None:
    """Or the plain way; the answer is scikit-learn's."""
    (x, y), folds, penalty = generated(), FOLDS, 100.0
    if trouble == "repeated columns":
        x[:, 1] = x[:, 0] * np.float32(1 + 1e-6)
        x[::2, 1] *= np.float32(1 + 1e-6)
        y, penalty = y + 1e6 * (x[:, 1].astype(np.float64) - x[:, 0]) / x[:, 0].std(), 1e-6
    elif trouble == "exact target":
        y = x.astype(np.float64) @ np.logspace(3, -3, D)
        penalty = 1e-3
    elif trouble == "huge values":
        x[:, 5] *= np.float32(1e25)
    elif trouble == "tiny values":
        x[:, 5] *= np.float32(1e-25)
    else:
        sample = np.linspace(0, N - 1, 1025).astype(int)
        folds = FOLDS.copy()
        folds[sample], x[:, 7], x[sample, 7] = 2, 1e4 + np.arange(N) % 2, 0
    found = in_float32(x, y, (penalty, 2 * penalty), folds)
    assert found is None
    inputs = Inputs((FeatureInput("f", "", x),))
    answer = ridge_folds.cross_fit(inputs, y, folds, np.arange(N), (penalty,))
    assert (answer is None) == (trouble == "distant fold")
    if answer is None:
        return
    held = folds == 1
    scaler = StandardScaler().fit(x[~held].astype(np.float64))
    oracle = Oracle(alpha=penalty).fit(scaler.transform(x[~held].astype(np.float64)), y[~held])
    expected = oracle.predict(scaler.transform(x[held].astype(np.float64)))
    assert np.abs(answer[1].out_of_fold[held, 0] - expected).max() <= 1e-4 * expected.std()


def test_cores_change_only_the_last_digits() -> None:
    """Shares of rows, one a core, are added up."""
    from threadpoolctl import threadpool_limits

    x, y = generated()
    inputs = Inputs((FeatureInput("f", "", x[:, :150]),))
    found = []
    for cores in (1, 3):
        with threadpool_limits(cores, user_api="blas"):
            found.append(ridge_folds.cross_fit(inputs, y, FOLDS, np.arange(N), PENALTIES))
    np.testing.assert_allclose(found[0][1].out_of_fold, found[1][1].out_of_fold, rtol=1e-6, atol=1e-6)
    assert found[0][1].chosen[0]["penalty"] == found[1][1].chosen[0]["penalty"]
