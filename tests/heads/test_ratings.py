"""Ratings: shares against scikit-learn, two distances against their definitions, and real human votes."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from boda.errors import Refused
from boda.evaluation import folds as folding
from boda.heads import scores
from boda.heads.design import Design
from boda.heads.emd import emd, nima_emd
from boda.heads.ratings import EmdLoss, Ratings, RatingsModel, ShareLoss, mean, shares, spread
from boda.heads.target import Target

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)


def rated(n: int, rng: np.random.Generator, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Features and counts of 20 ratings that depend on them."""
    x = rng.standard_normal((n, width)).astype(np.float32)
    z = x @ np.random.default_rng(5).standard_normal((width, 5)) * 0.6
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return x, rng.multinomial(20, p).astype(float)


def fit(x: np.ndarray, counts: np.ndarray, learner: Ratings, levels: tuple[float, ...] = LEVELS) -> RatingsModel:
    target = Target("ratings", "r", counts, tuple(map(str, levels)), levels)
    return learner.fit(Design.of(x), target, groups=np.arange(len(x)), rng=np.random.default_rng(0))


def test_likelihood_is_scikit_learns_logistic_regression_on_shares() -> None:
    """The same objective: every rating of a row as one row that weighs its share."""
    x, counts = rated(500, np.random.default_rng(0))
    found = shares(fit(x, counts, Ratings(penalties=(7.0,))).outputs(x))
    weights = (counts / counts.sum(axis=1, keepdims=True)).ravel()
    oracle = LogisticRegression(C=1 / 7, solver="newton-cg", tol=1e-8, max_iter=5000)
    oracle.fit(np.repeat(x, 5, axis=0).astype(float), np.tile(np.arange(5), len(x)), sample_weight=weights)
    np.testing.assert_allclose(found, oracle.predict_proba(x.astype(float)), rtol=1e-5)


@pytest.mark.parametrize(("rows", "width"), [(40, 90), (90, 40)])
def test_more_columns_than_rows_is_no_special_case(rows: int, width: int) -> None:
    """Wide and tall designs, far from centred and of very different scales, meet the same oracle."""
    rng = np.random.default_rng(1)
    x, counts = rated(rows, rng, width)
    x = x * np.geomspace(0.1, 10, width).astype(np.float32) + 3
    found = shares(fit(x, counts, Ratings(penalties=(20.0,))).outputs(x))
    weights = (counts / counts.sum(axis=1, keepdims=True)).ravel()
    oracle = LogisticRegression(C=1 / 20, tol=1e-10, max_iter=10000)
    oracle.fit(np.repeat(x, 5, axis=0).astype(float), np.tile(np.arange(5), rows), sample_weight=weights)
    np.testing.assert_allclose(found, oracle.predict_proba(x.astype(float)), atol=2e-4)


def test_larger_than_memory_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that are made each time, without principal axes, end at the same model."""
    x, counts = rated(300, np.random.default_rng(2))
    plain = fit(x, counts, Ratings(penalties=(3.0,)))
    monkeypatch.setattr(scores, "_IN_MEMORY", 0)
    streamed = fit(x, counts, Ratings(penalties=(3.0,)))
    np.testing.assert_allclose(shares(streamed.outputs(x)), shares(plain.outputs(x)), rtol=1e-3)


@pytest.mark.parametrize("levels", [LEVELS, (5.0, 1.0, 2.0, 10.0, 3.0)])
def test_slopes_of_both_losses_are_those_of_autograd(levels: tuple[float, ...]) -> None:
    """Also where levels are neither evenly spaced nor in order."""
    import torch

    rng = np.random.default_rng(3)
    counts, z = rng.integers(0, 9, (30, 5)).astype(float), rng.standard_normal((30, 5))
    true = torch.tensor(np.nan_to_num(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)))
    order = np.argsort(levels)
    steps = torch.tensor(np.diff(np.array(levels)[order]) / np.ptp(levels))
    for loss in (ShareLoss.of(counts), EmdLoss.of(counts, levels)):
        value, slopes, _ = loss(slice(0, 30), z)
        x = torch.tensor(z, requires_grad=True)
        if isinstance(loss, ShareLoss):
            each = -(true * torch.log_softmax(x, dim=1)).sum(dim=1)
        else:
            ahead = torch.cumsum((torch.softmax(x, dim=1) - true)[:, order], dim=1)[:, :-1]
            each = (steps * ahead**2).sum(dim=1)
        total = each.sum()
        total.backward()
        assert value == pytest.approx(total.item(), rel=1e-12)
        np.testing.assert_allclose(slopes, x.grad.numpy(), atol=1e-12)


def test_emd_loss_of_even_levels_is_the_square_of_nima() -> None:
    """With r even steps, r / (r - 1) times the square of Talebi and Milanfar's distance."""
    rng = np.random.default_rng(4)
    counts, z = rng.integers(1, 9, (10, 5)).astype(float), rng.standard_normal((10, 5))
    value = EmdLoss.of(counts, LEVELS)(slice(0, 10), z).value
    distance = nima_emd(shares(z), counts / counts.sum(axis=1, keepdims=True))
    assert value == pytest.approx((distance**2).sum() * 5 / 4)


def test_distances_are_their_definitions() -> None:
    """Earth mover's distance is scipy's Wasserstein distance; from one end to the other it is the whole scale."""
    rng = np.random.default_rng(5)
    p, q = rng.dirichlet(np.ones(4), 20), rng.dirichlet(np.ones(4), 20)
    levels = (3.0, 1.0, 4.5, 10.0)
    expected = [stats.wasserstein_distance(levels, levels, a, b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(emd(p, q, levels), expected)
    ends = np.eye(4)[[0]], np.eye(4)[[3]]
    assert emd(*ends)[0] == 3 and nima_emd(*ends)[0] == pytest.approx(np.sqrt(3 / 4))
    assert not emd(p, p).any() and not nima_emd(p, p).any()
    with pytest.raises(Refused, match="one shape"):
        emd(p, q[:, :3])
    with pytest.raises(Refused, match="one shape"):
        nima_emd(p[0], q[0])


def test_emd_learns_nearer_distributions_than_the_mean_of_all() -> None:
    """The loss that is minimised goes down on rows that were not seen."""
    rng = np.random.default_rng(6)
    x, counts = rated(400, rng)
    new, truth = rated(400, rng)
    found = shares(fit(x, counts, Ratings("emd", penalties=(0.1, 1.0))).outputs(new))
    true = truth / 20
    assert emd(found, true).mean() < 0.6 * emd(np.tile(true.mean(axis=0), (400, 1)), true).mean()


@pytest.mark.parametrize("loss", ["likelihood", "emd"])
def test_rows_that_nobody_rated_have_no_weight(loss: str) -> None:
    """Their features may say anything."""
    x, counts = rated(200, np.random.default_rng(7))
    plain = fit(x, counts, Ratings(loss, penalties=(1.0,)))
    wild, mute = np.concatenate([x, x * -5]), np.concatenate([counts, np.zeros_like(counts)])
    with_mute = fit(wild, mute, Ratings(loss, penalties=(1.0,)))
    np.testing.assert_allclose(shares(with_mute.outputs(x)), shares(plain.outputs(x)), atol=5e-4)


def test_penalty_with_the_least_held_out_loss_is_chosen_with_groups_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise alone chooses a large penalty, a signal a small one; inner folds are asked to keep groups whole."""
    rng = np.random.default_rng(8)
    x, counts = rated(300, rng)
    given = []
    split = folding.split
    monkeypatch.setattr(folding, "split", lambda n, **how: given.append(how["groups"]) or split(n, **how))
    signal = fit(x, counts, Ratings()).settings()
    noise = fit(x, rng.permutation(counts), Ratings()).settings()
    assert signal["penalties"][0] < 100 < noise["penalties"][0]
    assert all((groups == np.arange(300)).all() for groups in given) and len(given) == 2
    tried = {penalty: losses[0] for penalty, losses in signal["held_out"]}
    assert min(tried, key=tried.get) == signal["penalties"][0]


def test_one_group_cannot_choose() -> None:
    """Nothing can be held out of one group; a penalty that is given needs no choice."""
    x, counts = rated(50, np.random.default_rng(9))
    target = Target("ratings", "r", counts, tuple("12345"), LEVELS)
    one, rng = np.zeros(50, np.int64), np.random.default_rng(0)
    with pytest.raises(Refused, match="one group"):
        Ratings().fit(Design.of(x), target, groups=one, rng=rng)
    Ratings(penalties=(1.0,)).fit(Design.of(x), target, groups=one, rng=rng)
    with pytest.raises(Refused, match="positive"):
        Ratings(penalties=(0.0, 1.0)).fit(Design.of(x), target, groups=one, rng=rng)


def test_mean_and_spread_are_those_of_the_ratings() -> None:
    """Mean and standard deviation of the distribution, in rating units."""
    distribution = np.array([[0.5, 0.0, 0.0, 0.0, 0.5], [0.0, 0.0, 1.0, 0.0, 0.0]])
    assert mean(distribution, LEVELS).tolist() == [3.0, 3.0]
    assert spread(distribution, LEVELS).tolist() == [2.0, 0.0]


def test_saved_model_is_the_same() -> None:
    """Tensors and JSON are all of it."""
    x, counts = rated(100, np.random.default_rng(10))
    model = fit(x, counts, Ratings())
    again = RatingsModel.from_saved(dict(model.tensors()), json.loads(json.dumps(model.settings())))
    np.testing.assert_array_equal(again.outputs(x), model.outputs(x))


def test_what_cannot_be_learned_is_refused() -> None:
    """Another kind of target, no ratings at all, or levels without a distance."""
    design, how = Design.of(np.zeros((3, 2), np.float32)), {"groups": np.arange(3), "rng": np.random.default_rng(0)}
    with pytest.raises(Refused, match="takes ratings"):
        Ratings().fit(design, Target("number", "y", np.zeros(3)), **how)
    with pytest.raises(Refused, match="nobody rated"):
        Ratings().fit(design, Target("ratings", "y", np.zeros((3, 2)), ("1", "2"), (1.0, 2.0)), **how)
    with pytest.raises(Refused, match="no distance"):
        Ratings("emd").fit(design, Target("ratings", "y", np.ones((3, 2)), ("1", "2"), (2.0, 2.0)), **how)


def test_human_votes_on_cifar10_are_predicted_better_than_by_their_mean(boda_data: Path) -> None:
    """1,500 real rows of CIFAR-10H from 4 x 4 colours: held-out likelihood beats the shares of all."""
    from PIL import Image
    from pyarrow import parquet

    table = parquet.read_table(boda_data / "cifar10_test" / "test.parquet", columns=["human_counts", "image"])
    rows = table.slice(0, 1500).to_pylist()
    counts = np.array([row["human_counts"] for row in rows], float)
    assert counts.shape == (1500, 10) and counts.sum(axis=1).min() >= 47
    images = [Image.open(io.BytesIO(row["image"])).convert("RGB").resize((4, 4)) for row in rows]
    x = np.stack([np.asarray(image, np.float32).ravel() for image in images])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    levels = tuple(map(float, range(10)))
    model = fit(x[:1000], counts[:1000], Ratings(penalties=(1.0, 10.0, 100.0)), levels)
    true = counts[1000:] / counts[1000:].sum(axis=1, keepdims=True)
    flat = (counts[:1000] / counts[:1000].sum(axis=1, keepdims=True)).mean(axis=0)
    gained = -(true * np.log(shares(model.outputs(x[1000:])))).sum(axis=1).mean()
    assert gained < -(true * np.log(flat)).sum(axis=1).mean() - 0.15
