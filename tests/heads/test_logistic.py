"""Logistic regression: scikit-learn's answer, also where classes, rows or curvature are missing."""

import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from boda.errors import Refused
from boda.heads import curvature, newton
from boda.heads.crossfit import cross_fit
from boda.heads.design import Design
from boda.heads.inputs import Inputs
from boda.heads.logistic import Logistic, LogisticModel
from boda.heads.softmax import fit_softmax
from boda.heads.target import Target


def made(n: int, d: int, k: int, *, spread: float = 1.0, sharp: float = 1.0, seed: int = 0) -> tuple[Any, Any]:
    """(n, d) float32 features about 3, and (n,) classes that the first k of them decide."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = (sharp * x[:, :k] + rng.gumbel(size=(n, k))).argmax(axis=1)
    return (spread * x + 3).astype(np.float32), y.astype(np.int64)


def classes(y: Any, k: int) -> Target:
    return Target("class", "kind", y, tuple(f"class {one}" for one in range(k)))


def learn(x: Any, y: Any, k: int, penalty: float) -> LogisticModel:
    groups = np.arange(len(x))
    return Logistic((penalty,)).fit(Design.of(x), classes(y, k), groups=groups, rng=np.random.default_rng(0))


def sklearn_scores(x: Any, y: Any, penalty: float, at: Any = None, weights: Any = None) -> Any:
    """Solved as far as it goes; one score a class."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = LogisticRegression(C=1 / penalty, solver="newton-cg", tol=1e-12, max_iter=3000)
        oracle.fit(x.astype(np.float64), y, sample_weight=weights)
    scores = oracle.decision_function((x if at is None else at).astype(np.float64))
    return np.stack([-scores / 2, scores / 2], axis=1) if scores.ndim == 1 else scores


def assert_near(found: Any, wanted: Any, relative: float = 1e-6) -> None:
    assert np.abs(found - wanted).max() <= relative * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("n", "d", "k", "penalty"),
    [(300, 20, 3, 1.0), (300, 20, 2, 1.0), (60, 200, 3, 0.1), (60, 200, 2, 10.0), (5000, 40, 5, 30.0)],
)
def test_scores_are_those_of_scikit_learn(n: int, d: int, k: int, penalty: float) -> None:
    """With two classes as with more, with more columns than rows, and over several parts of the rows."""
    x, y = made(n, d, k)
    assert_near(learn(x, y, k, penalty).outputs(x), sklearn_scores(x, y, penalty))


def test_scores_of_real_pictures_are_those_of_scikit_learn(boda_data: Path) -> None:
    """Pixels of Fashion-MNIST: many columns are almost constant, and one stays so."""
    folder = boda_data / "fashion_mnist"
    pixels = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    y = np.frombuffer(labels, np.uint8)[:900].astype(np.int64)
    x = np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28)[:900, ::2, ::2].reshape(900, -1).astype(np.float32) / 255
    assert_near(learn(x, y, 10, 1.0).outputs(x), sklearn_scores(x, y, 1.0))


@pytest.mark.parametrize("k", [2, 4])
def test_derivative_is_below_a_hundred_millionth_of_the_objective(k: int) -> None:
    """By its formula, in the weights that the model kept."""
    x, y = made(400, 15, k)
    model = learn(x, y, k, 2.0)
    scores = model.outputs(x)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    residuals = shares / shares.sum(axis=1, keepdims=True) - np.eye(k)[y]
    penalty = 4.0 if k == 2 else 2.0
    slopes = x.astype(np.float64).T @ residuals + penalty * model.tensors()["weights"]
    assert np.linalg.norm(slopes) <= 1e-8 * model.settings()["objective"]
    assert np.linalg.norm(residuals.sum(axis=0)) <= 1e-8 * model.settings()["objective"]


def test_float32_directions_and_sampled_or_shared_curvature_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They only say where to go; objective and slopes say when to stop."""
    x, y = made(3000, 30, 4, spread=20.0)
    plain = learn(x, y, 4, 0.5).outputs(x)
    monkeypatch.setattr(newton, "_MUCH", 0)
    monkeypatch.setattr(curvature, "SAMPLE", 100)
    assert_near(learn(x, y, 4, 0.5).outputs(x), plain, 1e-7)
    monkeypatch.setattr(curvature, "_MOST", 0)
    assert_near(learn(x, y, 4, 0.5).outputs(x), plain, 1e-7)


def test_classes_that_come_apart_get_finite_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weaker the penalty the larger they are, but scikit-learn's; also where directions are in float32 first."""
    x, y = made(200, 10, 3, sharp=1e6)
    wanted = sklearn_scores(x, y, 1e-3)
    assert_near(learn(x, y, 3, 1e-3).outputs(x), wanted, 1e-5)
    monkeypatch.setattr(newton, "_MUCH", 0)
    assert_near(learn(x, y, 3, 1e-3).outputs(x), wanted, 1e-5)


def test_values_of_ten_to_the_ten_beside_a_tenth_are_solved(recwarn: Any) -> None:
    """Raw, as nobody should give them."""
    x, y = made(300, 4, 3)
    x[:, 2] = 1e10 * (1 + np.random.default_rng(1).random(300))
    model = learn(x, y, 3, 1.0)
    assert np.isfinite(model.outputs(x)).all()
    assert model.settings()["gap"] <= 1e-6 * model.settings()["objective"]


def test_constant_columns_get_no_weight() -> None:
    """The offset does their work, which costs nothing."""
    x, y = made(200, 6, 3)
    x[:, 4] = 2.5
    model = learn(x, y, 3, 1.0)
    assert np.abs(model.tensors()["weights"][4]).max() < 1e-7
    assert_near(model.outputs(x), sklearn_scores(x, y, 1.0))


def test_a_class_that_no_row_has_scores_below_all_others() -> None:
    """Finite; the other scores are as if it did not exist, as scikit-learn gives them."""
    x, y = made(300, 8, 4)
    known = y != 2
    model = learn(x[known], y[known], 4, 1.0)
    scores = model.outputs(x)
    assert np.isfinite(scores).all()
    assert (scores.argmin(axis=1) == 2).mean() > 0.5
    assert (scores.argmax(axis=1) != 2).all()
    assert_near(scores[:, [0, 1, 3]], sklearn_scores(x[known], y[known], 1.0, at=x))


def test_two_of_three_classes_are_fitted_as_two() -> None:
    """As scikit-learn does, which sees no third."""
    x, y = made(300, 8, 3)
    known = y != 1
    scores = learn(x[known], y[known], 3, 5.0).outputs(x)
    assert_near(scores[:, [0, 2]], sklearn_scores(x[known], y[known], 5.0, at=x))


def test_one_class_alone_is_always_the_answer() -> None:
    """With scores as finite as any."""
    x, _ = made(20, 5, 3)
    model = learn(x, np.full(20, 1), 3, 1.0)
    assert (model.outputs(x).argmax(axis=1) == 1).all()
    assert np.isfinite(model.outputs(x)).all()


def test_a_saved_model_answers_as_before() -> None:
    """From its tensors and settings."""
    x, y = made(100, 5, 3)
    model = learn(x, y, 3, 1.0)
    again = LogisticModel.from_saved(model.tensors(), model.settings())
    np.testing.assert_array_equal(again.outputs(x), model.outputs(x))
    assert set(model.settings()) >= {"penalty", "gap", "iterations", "objective"}


def test_a_design_made_block_by_block_gives_the_same_model() -> None:
    """As one larger than memory is."""
    x, y = made(3000, 12, 3)
    streamed = Design(*x.shape, lambda rows: x[rows].copy())
    target, groups = classes(y, 3), np.arange(3000)
    found = Logistic((1.0,)).fit(streamed, target, groups=groups, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found.outputs(x), learn(x, y, 3, 1.0).outputs(x))


def test_cross_fitting_works_where_a_fold_takes_a_class_away() -> None:
    """Groups may hold all rows of a class: the model of that fold has never seen it."""
    x, y = made(120, 6, 3)
    folds = np.where(y == 2, 0, 1 + np.arange(120) % 2)
    _, fitted = cross_fit(
        Inputs.of(x), classes(y, 3), Logistic(), folds, groups=np.arange(120), rng=np.random.default_rng(0)
    )
    assert np.isfinite(fitted.out_of_fold).all()
    assert (fitted.out_of_fold[folds == 0].argmax(axis=1) != 2).all()


def test_shares_of_raters_are_rows_of_each_class_with_their_weight() -> None:
    """Rating counts, weighted; the oracle sees each row once for each class."""
    rng = np.random.default_rng(0)
    x, _ = made(150, 7, 3)
    shares, weights = rng.dirichlet(np.ones(3), 150), rng.exponential(size=150)
    fitted = fit_softmax(Design.of(x), shares, weights, 0.7)
    copies = np.repeat(x, 3, axis=0), np.tile(np.arange(3), 150), (shares * weights[:, None]).ravel()
    wanted = sklearn_scores(copies[0], copies[1], 0.7, at=x, weights=copies[2])
    assert_near(x @ fitted.weights + fitted.offset, wanted)
    assert fitted.gap <= 1e-8 * fitted.objective


@pytest.mark.parametrize("d", [7, 300])
def test_a_start_leads_to_the_same_optimum_sooner(d: int) -> None:
    """Also in the span of the rows, where there are more columns than rows."""
    x, y = made(150, d, 3)
    shares, ones = np.eye(3)[y], np.ones(150)
    first = fit_softmax(Design.of(x), shares, ones, 1.0)
    again = fit_softmax(Design.of(x), shares, ones, 1.0, start=first)
    assert again.iterations == 0
    np.testing.assert_allclose(again.weights, first.weights, atol=1e-12)
    near = fit_softmax(Design.of(x), shares, ones, 1.2, start=first)
    far = fit_softmax(Design.of(x), shares, ones, 1.2)
    assert near.iterations < far.iterations
    assert_near(near.weights, far.weights)


def test_twice_the_penalty_on_two_shares_is_one_vector() -> None:
    """The two parametrisations of two classes, as the docstring says."""
    x, y = made(200, 9, 2)
    fitted = fit_softmax(Design.of(x), np.eye(2)[y], np.ones(200), 6.0)
    assert_near(x @ fitted.weights + fitted.offset, learn(x, y, 2, 3.0).outputs(x))


def test_what_makes_no_sense_is_refused() -> None:
    """In one line that says what."""
    x, y = made(20, 3, 3)
    design, shares, ones, groups = Design.of(x), np.eye(3)[y], np.ones(20), np.arange(20)
    rng = np.random.default_rng(0)
    for arguments in (
        (design, shares[:5], ones, 1.0),
        (design, shares, ones[:5], 1.0),
        (design, shares, ones, 0.0),
        (design, shares * 2, ones, 1.0),
        (design, shares, -ones, 1.0),
        (design, shares, 0 * ones, 1.0),
    ):
        with pytest.raises(Refused):
            fit_softmax(*arguments)
    for penalties in ((), (0.0,), (1.0, -1.0), (float("nan"),)):
        with pytest.raises(Refused, match="penalties"):
            Logistic(penalties)
    with pytest.raises(Refused, match="takes classes"):
        Logistic().fit(design, Target("number", "size", np.zeros(20)), groups=groups, rng=rng)
    with pytest.raises(Refused, match="both need as many"):
        Logistic().fit(design, classes(y[:5], 3), groups=groups, rng=rng)
    with pytest.raises(Refused, match="one group"):
        Logistic().fit(design, classes(y, 3), groups=np.zeros(20, np.int64), rng=rng)
