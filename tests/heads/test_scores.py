"""Scores: second derivatives against differences, minima against L-BFGS, and a penalty for each loss."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import minimize

from boda.heads import scores
from boda.heads.design import Design
from boda.heads.ratings import EmdLoss, ShareLoss
from boda.heads.scores import Loss, fit_scores
from boda.heads.votes import QuestionLoss

LEVELS = (1.0, 2.0, 5.0)
OF_COUNTS = {
    "votes": QuestionLoss.of,
    "shares": ShareLoss.of,
    "emd": lambda counts: EmdLoss.of(counts, LEVELS),
}


def data(rows: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features far from centred, and counts of three answers that follow them; some rows have none."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, width)) * np.geomspace(0.3, 3, width) + 2
    z = (x - 2) @ rng.standard_normal((width, 3)) / width
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    counts = np.stack([rng.multinomial(n, one) for n, one in zip(rng.integers(0, 40, rows), p, strict=True)])
    return x.astype(np.float32), counts.astype(float)


@pytest.mark.parametrize("kind", OF_COUNTS)
def test_second_derivatives_are_differences_of_slopes(kind: str) -> None:
    """Along any direction, and where the second derivative is not positive."""
    rng = np.random.default_rng(1)
    loss = OF_COUNTS[kind](rng.integers(0, 9, (40, 3)).astype(float))
    z = rng.standard_normal((40, len(loss.start))) * 2
    direction = rng.standard_normal(z.shape)
    ahead, behind = (loss(slice(0, 40), z + step * direction).slopes for step in (1e-5, -1e-5))
    curved = loss(slice(0, 40), z).curved(direction)
    np.testing.assert_allclose(curved, (ahead - behind) / 2e-5, atol=1e-6 * np.abs(curved).max())


@pytest.mark.parametrize("kind", OF_COUNTS)
@pytest.mark.parametrize(("rows", "width"), [(40, 60), (200, 8)])
def test_the_minimum_is_that_of_l_bfgs(kind: str, rows: int, width: int) -> None:
    """The objective on the features as they are, solved by another method, is no lower."""
    x, counts = data(rows, width)
    loss = OF_COUNTS[kind](counts)
    found = _fit(x, [loss], [5.0]).scores
    told = np.flatnonzero(loss.told)
    outputs, doubles, of_told = len(loss.start), x[told].astype(np.float64), loss.take(told)

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        weights, offset = point[:-outputs].reshape(width, outputs), point[-outputs:]
        value, slopes, _ = of_told(slice(0, len(told)), doubles @ weights + offset)
        shrunk = 5.0 * loss.stiffness * weights
        slope = np.append(doubles.T @ slopes + shrunk, slopes.sum(axis=0)[None], axis=0)
        return value + (shrunk * weights).sum() / 2, slope.ravel()

    here = np.append(found.weights.ravel(), found.offset)
    start = np.append(np.zeros(width * outputs), loss.start)
    options = {"maxiter": 20000, "maxfun": 40000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 30}
    oracle = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    assert objective(here)[0] <= oracle.fun * (1 + 1e-8)


def test_every_loss_has_a_penalty_and_a_model_of_its_own() -> None:
    """Side by side is as alone; a loss whose rows are noise has the larger penalty."""
    x, counts = data(150, 6)
    noise = np.random.default_rng(2).permutation(counts)
    losses: Sequence[Loss] = [ShareLoss.of(counts), ShareLoss.of(noise)]
    both = _fit(x, losses, None)
    for number, loss in enumerate(losses):
        alone = _fit(x, [loss], None)
        columns = slice(3 * number, 3 * number + 3)
        np.testing.assert_array_equal(alone.scores.weights, both.scores.weights[:, columns])
        assert alone.penalties[0] == both.penalties[number]
    assert both.penalties[0] < both.penalties[1]
    held = both.settings()["held_out"]
    assert [len(losses) for _, losses in held] == [2] * len(held)
    assert any(losses[1] is None for _, losses in held)


def test_many_rows_are_held_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One fold in place of five, and the same choice."""
    x, counts = data(600, 5)
    five = _fit(x, [ShareLoss.of(counts)], (1e4, 10.0))
    monkeypatch.setattr(scores, "_ONE_HELD_OUT", 500)
    one = _fit(x, [ShareLoss.of(counts)], (1e4, 10.0))
    assert one.penalties == five.penalties == (10.0,)
    assert one.held_out[0][10.0] == pytest.approx(five.held_out[0][10.0] / 5, rel=0.1)


def test_larger_than_memory_chooses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of folds that are made each time are those of a design in memory."""
    x, counts = data(120, 5)
    plain = _fit(x, [QuestionLoss.of(counts)], (1e3, 10.0, 1.0))
    monkeypatch.setattr(scores, "_IN_MEMORY", 0)
    streamed = _fit(x, [QuestionLoss.of(counts)], (1e3, 10.0, 1.0))
    assert streamed.penalties == plain.penalties
    assert list(streamed.held_out[0].values()) == pytest.approx(list(plain.held_out[0].values()), rel=1e-3)


def test_a_plateau_is_crossed() -> None:
    """Penalties that let nothing be learned differ by how well they were solved: that ends no path."""
    x, counts = data(300, 6)
    found = _fit(x, [ShareLoss.of(counts)], (1e12, 1e11, 1e10, 1e9, 1e8, 1e7, 10.0))
    assert found.penalties == (10.0,)


def _fit(x: np.ndarray, losses: Sequence[Loss], penalties: Sequence[float] | None) -> scores.FittedScores:
    rng = np.random.default_rng(3)
    return fit_scores(Design.of(x), losses, penalties, groups=np.arange(len(x)), rng=rng)
