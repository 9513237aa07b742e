"""Random folds that flatter a score are found out, and others are not accused."""

import json

import numpy as np
import pytest

from boda.evaluation.disagreement import compare_folds
from boda.evaluation.metrics import metrics_of, statistics


def told(metric, truth, random, grouped, groups, rng):
    one, two = (statistics("number", truth, said)[metric] for said in (random, grouped))
    return compare_folds(metrics_of("number")[metric], one, two, groups, name="theme", rng=rng, rounds=300)


@pytest.mark.parametrize("metric", ["spearman", "r2", "mae"])
def test_a_model_that_knows_the_groups_is_found_out(metric, rng):
    """Random folds let it repeat what it saw of the group: the gap is above 0 whichever way is better."""
    groups = np.repeat(np.arange(60), 5)
    truth = rng.normal(size=60)[groups] + 0.5 * rng.normal(size=300)
    random = rng.normal(scale=0.3, size=300) + truth
    grouped = rng.normal(size=300) + 0.5 * truth
    found = told(metric, truth, random, grouped, groups, rng)
    assert found.flattered and found.gap.low > 0
    assert "new theme" in found.sentence and f"{found.grouped.value:.3g}" in found.sentence
    assert found.random.low < found.random.value < found.random.high
    json.dumps(found.as_json(), allow_nan=False)


def test_folds_that_agree_are_not_accused(rng):
    """Two predictions as good as each other differ by nothing clear."""
    truth = rng.normal(size=300)
    found = told(
        "spearman", truth, truth + rng.normal(size=300), truth + rng.normal(size=300), np.arange(300) // 3, rng
    )
    assert not found.flattered and "do not clearly flatter" in found.sentence


def test_scores_that_are_not_defined_are_not_compared(rng):
    """A constant target has no correlation to compare."""
    found = told("pearson", np.ones(30), rng.normal(size=30), rng.normal(size=30), np.arange(30), rng)
    assert not found.flattered and "not defined" in found.sentence
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["random"]["value"] is None
