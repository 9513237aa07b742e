"""The penalty of logistic regression: what scikit-learn would choose on the same folds, wherever it lies."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from boda.errors import Refused
from boda.heads import newton
from boda.heads.design import Design
from boda.heads.logistic import Logistic, LogisticModel
from boda.heads.penalty_path import ONE_HELD_OUT, held_out_rows
from boda.heads.target import Target

PENALTIES = (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)


def fitted(
    x: np.ndarray, y: np.ndarray, penalties: tuple[float, ...] | None = None, groups: np.ndarray | None = None
) -> LogisticModel:
    teams = np.arange(len(x)) if groups is None else groups
    target = Target("class", "kind", y, tuple(str(one) for one in range(y.max() + 1)))
    return Logistic(penalties).fit(Design.of(x), target, groups=teams, rng=np.random.default_rng(0))


def made(n: int, d: int, strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype(np.float32)
    return x, (strength * x[:, :3] + rng.gumbel(size=(n, 3))).argmax(axis=1).astype(np.int64)


@pytest.mark.parametrize("much", [newton._MUCH, 0])
def test_choice_and_losses_are_those_of_scikit_learn(much: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same folds; losses within a thousandth, well below what penalties differ by; also in float32."""
    monkeypatch.setattr(newton, "_MUCH", much)
    x, y = made(400, 20, 1.0)
    settings = fitted(x, y, PENALTIES).settings()
    folds = held_out_rows(np.arange(400), y, np.random.default_rng(0)) == 1
    wanted = []
    for penalty in settings["penalties"]:
        losses = 0.0
        for trains in folds:
            oracle = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=2000).fit(x[trains], y[trains])
            losses += log_loss(y[~trains], oracle.predict_proba(x[~trains]), normalize=False)
        wanted.append(losses / 400)
    np.testing.assert_allclose([row[0] for row in settings["held_out_losses"]], wanted, rtol=1e-3)
    assert settings["penalty"] == settings["penalties"][int(np.argmin(wanted))]


@pytest.mark.parametrize("strength", [0.0, 1.0, 3.0, 1e4])
def test_default_grid_reaches_past_the_best(strength: float) -> None:
    """From features that say nothing to those that say all."""
    x, y = made(150, 30, strength)
    x *= 1e3
    settings = fitted(x, y).settings()
    losses = [row[0] for row in settings["held_out_losses"]]
    assert settings["penalties"] == sorted(settings["penalties"], reverse=True)
    assert settings["penalty"] == settings["penalties"][int(np.argmin(losses))]
    assert len(losses) < 34
    if 0 < strength < 1e4:
        assert not settings["penalty_at_border"][0]


def test_a_border_of_given_penalties_is_reported() -> None:
    """They are all that is tried, so whether the best lies beyond cannot be known."""
    x, y = made(200, 10, 1.0)
    settings = fitted(x, y, (1e5, 1e6)).settings()
    assert settings["penalties"] == [1e6, 1e5]
    assert settings["penalty_at_border"] == [True]


def test_rows_of_a_group_are_held_out_together() -> None:
    """Copies on both sides would praise the weakest penalty."""
    groups = np.repeat(np.arange(30), 4)
    trains = held_out_rows(groups, np.zeros(120, np.int64), np.random.default_rng(0))
    assert trains.shape == (5, 120)
    assert (trains.reshape(5, 30, 4) == trains.reshape(5, 30, 4)[:, :, :1]).all()
    assert ((1 - trains).sum(axis=0) == 1).all()
    with pytest.raises(Refused, match="one group"):
        held_out_rows(np.zeros(10, np.int64), None, np.random.default_rng(0))


def test_copies_in_groups_ask_for_a_stronger_penalty() -> None:
    """The same rows eight times: without groups every one has been seen."""
    x, y = made(40, 30, 0.5)
    rows, groups = np.tile(x, (8, 1)), np.tile(np.arange(40), 8)
    alone, kept = fitted(rows, np.tile(y, 8)), fitted(rows, np.tile(y, 8), groups=groups)
    assert kept.settings()["penalty"] > 30 * alone.settings()["penalty"]


def test_many_rows_are_held_out_once() -> None:
    """A fifth of them."""
    n = ONE_HELD_OUT + 5
    trains = held_out_rows(np.arange(n), np.arange(n) % 3, np.random.default_rng(0))
    assert trains.shape == (1, n)
    assert trains.mean() == pytest.approx(0.8, abs=1e-3)


def test_a_class_of_one_row_does_not_spoil_the_choice() -> None:
    """The fold that holds it out has never seen it, and is not judged by it."""
    x, y = made(100, 5, 1.0)
    y[y == 2] = 0
    y[17] = 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = fitted(x, y, PENALTIES).settings()
    assert max(row[0] for row in settings["held_out_losses"]) < 1.2
