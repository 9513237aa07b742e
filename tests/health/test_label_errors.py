"""Confident learning: planted label errors are found, and what is found is what cleanlab finds."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.errors import Refused
from boda.health.label_errors import class_thresholds, confident_joint, label_errors, margins, self_confidence


def drawn(n: int, k: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with a share of wrong ones, probabilities that know the true ones a little, and which are wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(k, size=n)
    wrong = rng.random(n) < noise
    labels = np.where(wrong, (true + rng.integers(1, k, size=n)) % k, true)
    scores = rng.normal(size=(n, k)) + 3 * np.eye(k)[true]
    powers = np.exp(scores)
    return labels, powers / powers.sum(axis=1, keepdims=True), wrong


def test_planted_errors_come_first():
    """Of 1,000 labels 5 % are wrong: of the first 50 nine in ten are, of a random order one in twenty."""
    labels, probabilities, wrong = drawn(1000, 5, 0.05, 0)
    found = label_errors(labels, probabilities)
    assert wrong[found.rows[: wrong.sum()]].mean() > 0.8
    assert (found.suggested[found.rows] != labels[found.rows]).all()
    assert (np.diff(found.margin[found.rows]) >= 0).all()


@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([0.0, 0.05, 0.3]))
@settings(max_examples=25, deadline=None)
def test_it_finds_what_cleanlab_finds(seed, k, noise):
    """The joint counts, but for how halves are rounded; the doubted rows, but for as many; thresholds and scores."""
    cleanlab = pytest.importorskip("cleanlab", reason="cleanlab is not installed")
    from cleanlab import count, filter, rank

    assert cleanlab
    labels, probabilities, _ = drawn(300, k, noise, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joint = count.compute_confident_joint(labels, probabilities, calibrate=True)
        wrong = filter.find_label_issues(labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    found = label_errors(labels, probabilities)
    assert np.abs(found.joint - joint).max() <= 1
    assert (found.wrong != wrong).sum() <= np.abs(found.joint - joint).sum()
    np.testing.assert_allclose(found.thresholds, count.get_confident_thresholds(labels, probabilities), atol=1e-9)
    quality = rank.get_label_quality_scores(labels, probabilities, method="normalized_margin")
    np.testing.assert_allclose((found.margin + 1) / 2, quality, atol=1e-12)


def test_the_joint_of_the_paper_by_hand():
    """Four rows: one of class 0 is above the threshold of class 1, where class 1 usually has 0.7."""
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.2, 0.8]])
    np.testing.assert_allclose(class_thresholds(labels, probabilities), [0.55, 0.7])
    np.testing.assert_array_equal(confident_joint(labels, probabilities), [[1, 1], [0, 2]])
    found = label_errors(labels, probabilities)
    assert found.rows.tolist() == [1]
    np.testing.assert_allclose(self_confidence(labels, probabilities), [0.9, 0.2, 0.6, 0.8])
    np.testing.assert_allclose(margins(labels, probabilities), [0.8, -0.6, 0.2, 0.6])


def test_nothing_is_doubted_where_labels_are_the_likeliest():
    """Also where no row is sure of anything, and where a class has one row or none."""
    labels = np.array([0, 1, 1, 2])
    assert not label_errors(labels, np.eye(4)[labels]).wrong.any()
    assert not label_errors(labels, np.full((4, 4), 0.25)).wrong.any()
    assert np.isnan(label_errors(labels, np.eye(4)[labels]).thresholds[3])
    assert len(label_errors(np.zeros(0, np.int64), np.zeros((0, 2))).rows) == 0


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 1], [[0.5, 0.5]], "do not fit"),
        ([0], [[1.0]], "at least two classes"),
        ([2], [[0.5, 0.5]], "not among the 2 classes"),
        ([0], [[np.nan, 0.5]], "NaN"),
    ],
)
def test_what_makes_no_sense_is_refused(labels, probabilities, words):
    """Shapes, one class, a label beyond, what is no probability."""
    with pytest.raises(Refused, match=words):
        label_errors(np.array(labels), np.array(probabilities))
