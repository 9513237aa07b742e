"""Votes: the Dirichlet-multinomial loss against its definition, and intervals that cover what they say."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from boda.errors import Refused
from boda.heads.design import Design
from boda.heads.dirichlet import AnswerCounts, fraction_intervals, likelihood, negative_log_likelihood
from boda.heads.scores import Near
from boda.heads.target import Target
from boda.heads.trees import counts_from_fractions, load_tree
from boda.heads.vote_quality import confident_accuracy, fraction_errors
from boda.heads.vote_tree import Question, VoteTree
from boda.heads.votes import (
    QuestionLoss,
    Votes,
    VotesModel,
    credible_intervals,
    fractions,
    interval_coverage,
    leaf_shares,
    predictive_intervals,
)

TREE = VoteTree("t", (Question("shape", ("smooth", "disk", "star")), Question("bar", ("yes", "no"), ("shape_disk",))))


def test_loss_is_the_distribution_of_scipy() -> None:
    """Minus log likelihood of one question, row by row."""
    rng = np.random.default_rng(0)
    concentrations = rng.gamma(1, 5, (50, 4)) + 1e-3
    counts = rng.integers(0, 20, (50, 4))
    expected = [-stats.dirichlet_multinomial.logpmf(x, a, x.sum()) for x, a in zip(counts, concentrations, strict=True)]
    np.testing.assert_allclose(negative_log_likelihood(counts.astype(float), concentrations), expected, rtol=1e-9)


def test_slope_of_every_score_is_that_of_autograd() -> None:
    """Through the link, and the sum over questions, against torch."""
    import torch

    rng = np.random.default_rng(1)
    counts, scores = rng.integers(0, 9, (30, 5)).astype(float), rng.standard_normal((30, 7))
    near = [_question(counts, scores, number) for number in (0, 1)]
    loss, slopes = sum(one.value for one in near), np.concatenate([one.slopes for one in near], axis=1)
    z, x = torch.tensor(scores, requires_grad=True), torch.tensor(counts)
    total = torch.zeros((), dtype=torch.float64)
    for answers, part in ((slice(0, 3), slice(0, 4)), (slice(3, 5), slice(4, 7))):
        height = np.log(0.1) + np.log(1e4) * torch.sigmoid(z[:, part][:, -1:])
        a = torch.exp(height) * torch.softmax(z[:, part][:, :-1], dim=1)
        n = x[:, answers].sum(dim=1)
        each = torch.lgamma(a.sum(1) + n) - torch.lgamma(a.sum(1))
        each = each - (torch.lgamma(a + x[:, answers]) - torch.lgamma(a)).sum(1)
        total = total + each.sum()
    total.backward()
    assert loss == pytest.approx(total.item(), rel=1e-10)
    np.testing.assert_allclose(slopes, z.grad.numpy(), atol=1e-10)


def test_questions_that_nobody_was_asked_cost_exactly_nothing() -> None:
    """Zero votes: zero loss and zero slope, not nearly zero; the other question is as if alone."""
    rng = np.random.default_rng(2)
    counts = np.array([[3.0, 4.0, 0.0, 0.0, 0.0], [0.0] * 5])
    scores = rng.standard_normal((2, 7)) * 10
    shape, bar = (_question(counts, scores, number) for number in (0, 1))
    assert bar.value == 0 and shape.value > 0
    assert not bar.slopes.any() and not shape.slopes[1].any() and shape.slopes[0].any()
    each, slope, *_ = likelihood(np.zeros((1, 3)), np.array([[0.3, 70.0, 1e-9]]))
    assert each[0] == 0 and (slope == 0).all() and negative_log_likelihood(np.zeros((1, 3)), np.ones((1, 3)))[0] == 0


def test_unasked_rows_change_no_model() -> None:
    """A model learned with rows of which nothing was asked is the model without them."""
    x, counts, _ = _generated(400, np.random.default_rng(3))
    mute = np.concatenate([counts, np.zeros_like(counts)])
    plain = _fit(x, counts, Votes(penalties=(1.0,)))
    longer = _fit(np.concatenate([x, x[::-1]]), mute, Votes(penalties=(1.0,)))
    np.testing.assert_allclose(longer.outputs(x), plain.outputs(x), rtol=2e-2)
    np.testing.assert_allclose(fractions(TREE, longer.outputs(x)), fractions(TREE, plain.outputs(x)), atol=2e-3)


def test_a_question_without_any_votes_stays_finite() -> None:
    """A campaign may not have asked everything yet."""
    x, counts, _ = _generated(100, np.random.default_rng(4))
    counts[:, 3:] = 0
    outputs = _fit(x, counts, Votes(penalties=(1.0, 10.0))).outputs(x * 1e6)
    assert np.isfinite(outputs).all() and (outputs > 0).all()


def test_intervals_are_those_of_scipy() -> None:
    """Beta for the fraction of all people, beta-binomial for the number among those who are asked."""
    rng = np.random.default_rng(5)
    a = rng.gamma(1, 5, (20, 3)) + 1e-2
    low, high = fraction_intervals(a, 0.9)
    rest = a.sum(axis=1, keepdims=True) - a
    np.testing.assert_allclose(low, stats.beta.ppf(0.05, a, rest), atol=1e-9)
    np.testing.assert_allclose(high, stats.beta.ppf(0.95, a, rest), atol=1e-9)
    people = rng.integers(1, 45, 20).astype(float)
    counts = AnswerCounts.of(a[:, 0], rest[:, 0], people)
    for share in (0.05, 0.5, 0.95):
        np.testing.assert_array_equal(counts.quantile(share), stats.betabinom.ppf(share, people, a[:, 0], rest[:, 0]))
    x = np.floor(people / 3)
    np.testing.assert_allclose(counts.below(x)[1], stats.betabinom.cdf(x, people, a[:, 0], rest[:, 0]), atol=1e-9)
    np.testing.assert_allclose(counts.below(x)[0], stats.betabinom.cdf(x - 1, people, a[:, 0], rest[:, 0]), atol=1e-9)


def test_90_percent_intervals_cover_88_to_92_percent_of_generated_counts() -> None:
    """New counts and new fractions of the model that was learned from, for every answer.

    Counts by the randomised transform, which takes their being whole numbers out; the plain intervals, whose ends are
    counts themselves, hold at least so much.
    """
    rng = np.random.default_rng(6)
    x, counts, _ = _generated(6000, rng)
    model = _fit(x, counts, Votes(penalties=(0.1, 1.0, 10.0)))
    x, counts, true = _generated(12000, rng)
    outputs = model.outputs(x)
    covered = interval_coverage(TREE, outputs, counts, rng, level=0.9)
    assert ((covered > 0.88) & (covered < 0.92)).all(), covered
    low, high = credible_intervals(TREE, outputs, level=0.9)
    inside = ((low <= true) & (true <= high)).mean(axis=0)
    assert ((inside > 0.88) & (inside < 0.92)).all(), inside
    asked = np.stack([counts[:, part].sum(axis=1) for part in TREE.slices], axis=1)
    low, high = predictive_intervals(TREE, outputs, asked, level=0.9)
    people = np.repeat(asked, [3, 2], axis=1)
    observed = counts[people.min(axis=1) > 0] / people[people.min(axis=1) > 0]
    low, high = low[people.min(axis=1) > 0], high[people.min(axis=1) > 0]
    assert ((low <= observed + 1e-9) & (observed <= high + 1e-9)).mean(axis=0).min() > 0.89


def test_intervals_of_the_wrong_model_do_not_cover() -> None:
    """Coverage can fail: concentrations that are ten times too sure hold far less than they say."""
    rng = np.random.default_rng(7)
    true = rng.gamma(1, 3, (4000, 5)) + 0.5
    counts = _counts(true, rng)
    assert np.nanmax(abs(interval_coverage(TREE, true, counts, rng) - 0.9)) < 0.03
    assert np.nanmax(interval_coverage(TREE, true * 10, counts, rng)) < 0.85


def test_nobody_asked_has_no_interval() -> None:
    """Where nobody is asked there is nothing to observe."""
    low, high = predictive_intervals(TREE, np.full((1, 5), 2.0), np.array([[30.0, 0.0]]))
    assert np.isfinite(low[0, :3]).all() and np.isnan(low[0, 3:]).all() and np.isnan(high[0, 3:]).all()
    nobody = interval_coverage(TREE, np.full((1, 5), 2.0), np.zeros((1, 5)), np.random.default_rng(0))
    assert np.isnan(nobody).all()


def test_learned_concentrations_are_those_that_made_the_votes() -> None:
    """Fractions and totals come back from enough generated votes."""
    rng = np.random.default_rng(8)
    x, counts, _ = _generated(6000, rng)
    outputs = _fit(x, counts, Votes(penalties=(1.0,))).outputs(x)
    true = _concentrations(x)
    assert abs(fractions(TREE, outputs) - fractions(TREE, true)).mean() < 0.015
    totals, known = outputs[:, :3].sum(axis=1), true[:, :3].sum(axis=1)
    assert np.median(abs(np.log(totals / known))) < 0.15


def test_leaf_shares_are_products_of_fractions() -> None:
    """A bar is seen by the share of people who see a disk, times the share of these who see a bar."""
    asked, given = leaf_shares(TREE, np.array([[0.5, 0.4, 0.1, 0.25, 0.75]]))
    np.testing.assert_allclose(asked, [[1.0, 0.4]])
    np.testing.assert_allclose(given, [[0.5, 0.4, 0.1, 0.1, 0.3]])


def test_errors_count_by_votes_and_confident_rows_by_agreement() -> None:
    """Two rows worked by hand; a row that nobody was asked of counts for nothing."""
    counts = np.array([[9.0, 1.0, 0.0, 1.0, 0.0], [15.0, 15.0, 0.0, 0.0, 0.0], [0.0] * 5])
    predicted = np.array([[0.5, 0.3, 0.2, 0.5, 0.5], [0.5, 0.5, 0.0, 0.1, 0.9], [1.0, 0.0, 0.0, 0.5, 0.5]])
    shape, bar = fraction_errors(TREE, counts, predicted)
    assert (shape.rows, shape.votes, bar.rows) == (2, 40.0, 1)
    assert shape.error == pytest.approx((10 * (0.4 + 0.2 + 0.2) / 3 + 0) / 40)
    shape_right, bar_right = confident_accuracy(TREE, counts, predicted)
    assert (shape_right.accuracy, shape_right.rows, shape_right.share) == (1.0, 1, 0.5)
    assert np.isnan(bar_right.accuracy) and bar_right.rows == 0 and bar_right.as_json()["accuracy"] is None
    with pytest.raises(Refused, match="do not fit"):
        fraction_errors(TREE, counts, predicted[:, :3])


def test_saved_model_is_the_same() -> None:
    """Tensors and JSON are all of it."""
    x, counts, _ = _generated(200, np.random.default_rng(9))
    model = _fit(x, counts, Votes(penalties=(1.0, 100.0)))
    again = VotesModel.from_saved(dict(model.tensors()), json.loads(json.dumps(model.settings())))
    np.testing.assert_array_equal(again.outputs(x), model.outputs(x))
    assert len(model.settings()["penalties"]) == 2


def test_other_targets_are_refused() -> None:
    """Votes need a tree."""
    target = Target("number", "y", np.zeros(3))
    with pytest.raises(Refused, match="takes votes"):
        Votes().fit(Design.of(np.zeros((3, 2), np.float32)), target, groups=np.arange(3), rng=np.random.default_rng(0))


def test_galaxy_zoo_2_votes_are_learned_whole(boda_data: Path) -> None:
    """The 37 answers of 400 real galaxies: what the colours of the middle say is better than the fractions of all."""
    import csv
    import io
    import tarfile

    from PIL import Image

    with (boda_data / "galaxies_gz2" / "catalog.csv").open() as file:
        rows = list(csv.DictReader(file))[::2]
    with tarfile.open(boda_data / "galaxies_gz2" / "images.tar") as tar:
        images = [Image.open(io.BytesIO(tar.extractfile(row["file"]).read())).convert("RGB") for row in rows]
    x = np.stack([np.asarray(one.resize((7, 7), box=(56, 56, 168, 168)), np.float32).ravel() for one in images])
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    tree = load_tree("gz2")
    read = np.array([[float(row[f"{name}_weighted_fraction"]) for name in tree.columns] for row in rows])
    counts = counts_from_fractions(tree, read, np.array([float(row["total_classifications"]) for row in rows]))
    rng = np.random.default_rng(10)
    held = rng.permutation(len(x)) < 130
    target = Target("votes", "gz2", counts, tree.columns, tree=tree)
    seen = np.flatnonzero(~held)
    design = Design.of(x[seen])
    model = Votes(penalties=(1e3, 1e4, 1e5)).fit(design, target.take(seen), groups=seen.astype(np.int64), rng=rng)
    flat = Votes(penalties=(1e12,)).fit(design, target.take(seen), groups=seen.astype(np.int64), rng=rng)
    errors, plain = (
        fraction_errors(tree, counts[held], fractions(tree, one.outputs(x[held])))[0].error for one in (model, flat)
    )
    assert errors < 0.97 * plain
    covered = interval_coverage(tree, model.outputs(x[held]), counts[held], rng)
    assert np.median(covered) == pytest.approx(0.9, abs=0.05)


def _concentrations(x: np.ndarray) -> np.ndarray:
    """Known ones, within the bounds of the link."""
    drawn = np.random.default_rng(99)
    shape, bar = drawn.standard_normal((x.shape[1], 3)) * 0.5, drawn.standard_normal((x.shape[1], 2)) * 0.5
    tilt = drawn.standard_normal(x.shape[1]) * 0.1
    parts = []
    for weights, base in ((shape, 2.5), (bar, 1.5)):
        scores = np.exp(x.astype(np.float64) @ weights)
        parts.append(np.exp(base + x.astype(np.float64) @ tilt)[:, None] * scores / scores.sum(axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


def _counts(concentrations: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """40 people sent down the tree."""
    return _drawn(concentrations, rng)[0]


def _drawn(concentrations: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    draws = [rng.standard_gamma(concentrations[:, part]) for part in TREE.slices]
    true = np.concatenate([one / one.sum(axis=1, keepdims=True) for one in draws], axis=1)
    shape = rng.multinomial(40, true[:, :3])
    return np.concatenate([shape, rng.multinomial(shape[:, 1], true[:, 3:])], axis=1).astype(float), true


def _generated(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = rng.standard_normal((n, 4)).astype(np.float32)
    counts, true = _drawn(_concentrations(x), rng)
    return x, counts, true


def _fit(x: np.ndarray, counts: np.ndarray, learner: Votes) -> VotesModel:
    target = Target("votes", "t", counts, TREE.columns, tree=TREE)
    return learner.fit(Design.of(x), target, groups=np.arange(len(x)), rng=np.random.default_rng(0))


def _question(counts: np.ndarray, scores: np.ndarray, number: int) -> Near:
    part, place = TREE.slices[number], slice(0, 4) if number == 0 else slice(4, 7)
    return QuestionLoss.of(counts[:, part])(slice(0, len(counts)), scores[:, place])
