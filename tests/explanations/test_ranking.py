"""Ranking methods: paired with the blob on the same images, corrected, and silent where images are too few."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import permutation_test, t
from torch import nn

from boda.errors import Refused
from boda.explanations.checks.centre import centre_blob, random_maps
from boda.explanations.checks.deletion import curves
from boda.explanations.checks.ranking import luck_of, rank
from boda.explanations.score import Score
from little_networks import open_module

SHAPE, N = (12, 12), 12


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def ranked(scores: dict, centre: np.ndarray, **more):
    """Against chance of 0."""
    none = {name: 0 * own for name, own in scores.items()}
    return rank(scores, centre, none, **{"rng": rng(), "rounds": 1000} | more)


def faithful(mask: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """(n,) of maps, on bright noise, of the score that adds up the pixels of a mask."""
    network = open_module(nn.Flatten(), SHAPE)
    weights = torch.from_numpy(mask).float().expand(3, *SHAPE).flatten()
    score = Score("mask", "mask", "point", lambda rows: rows @ weights)
    batch = torch.rand(N, 3, *SHAPE, generator=torch.Generator().manual_seed(0)) + 1
    maps = np.broadcast_to(maps, (N, *SHAPE))
    return curves(network, score, batch, maps, rng=rng(), steps=8, baseline=torch.zeros_like(batch)).faithfulness


def corner() -> np.ndarray:
    mask = np.zeros(SHAPE)
    mask[:4, :4] = 1
    return mask


def test_a_score_of_the_middle_leaves_no_method_above_the_blob():
    """Its own gradient is the blob; a corner and chance are below."""
    mask = centre_blob(SHAPE)
    chance = faithful(mask, random_maps(N, SHAPE, rng(1), places=(3, 3)))
    scores = {"corner": faithful(mask, corner()), "random": chance[::-1].copy(), "gradient": faithful(mask, mask)}
    found = rank(scores, faithful(mask, mask), dict.fromkeys(scores, chance), rng=rng())
    assert found.beating == () and found.standings[0].method == "gradient"
    assert found.words()[0].startswith("no method is shown to beat a blob in the middle (12 images, 3 methods asked")
    assert "not shown to be better than chance" in found.words()[1] and "corner" in found.words()[1]
    assert "gradient" not in found.words()[1]


def test_a_score_of_a_corner_has_one_method_above_the_blob():
    """The exact map beats it; the blob as a method does not beat itself."""
    mask = corner()
    scores = {"blob": faithful(mask, centre_blob(SHAPE)), "exact": faithful(mask, mask)}
    found = ranked(scores, scores["blob"])
    assert found.beating == ("exact",) and [one.method for one in found.standings] == ["exact", "blob"]
    assert found.words()[0].startswith("better than a blob in the middle: exact (12 images, 2 methods asked, 95% sure")


def test_figures_are_means_of_the_sample_and_of_pairs():
    """By hand; differences at the level that is corrected for the number of methods."""
    scores = {name: rng(seed).standard_normal(30) + 1 for seed, name in enumerate("abcd")}
    centre, chance = rng(8).standard_normal(30), {name: rng(9).standard_normal(30) for name in scores}
    found = rank(scores, centre, chance, rng=rng(), unit="logit")
    assert found.unit == "logit" and found.centre.value == pytest.approx(centre.mean())
    for one in found.standings:
        own = scores[one.method]
        assert one.faithfulness.value == pytest.approx(own.mean()) and one.faithfulness.level == 0.95
        assert one.over_centre.value == pytest.approx((own - centre).mean())
        assert one.over_chance.value == pytest.approx((own - chance[one.method]).mean())
        assert one.over_centre.level == one.over_chance.level == pytest.approx(1 - 0.05 / 4)
    values = [one.faithfulness.value for one in found.standings]
    assert values == sorted(values, reverse=True)


def test_intervals_are_about_students():
    """Of the paired difference of 60 normal rows, at the corrected level: each end within a fifth of its reach."""
    own, centre = rng(1).standard_normal(60) + 0.3, rng(2).standard_normal(60)
    found = ranked({"a": own, "b": own}, centre).standings[0].over_centre
    away = own - centre
    low, high = t.interval(0.975, 59, away.mean(), away.std(ddof=1) / np.sqrt(60))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.2 * (high - low) / 2)


def test_pairs_see_what_means_do_not():
    """A small gain in every image is clear, though images differ far more than methods."""
    hard = 10 * rng(1).standard_normal(20)
    own = hard + 1 + 0.1 * rng(2).standard_normal(20)
    found = rank({"a": own}, hard, {"a": hard}, rng=rng(), rounds=1000)
    assert found.beating == ("a",) and found.standings[0].faithfulness.low < 0


def test_where_the_blob_is_worse_than_chance_it_is_no_bar():
    """A method must beat both."""
    own = rng(1).standard_normal(20)
    assert ranked({"a": own}, own - 1).beating == ()
    assert ranked({"a": own + 3}, own - 1).beating == ("a",)


@pytest.mark.parametrize("n", [2, 6, 11, 40])
def test_luck_is_scipys(n):
    """Of all signs to the bit; of those that are drawn within what draws allow."""
    own = rng(n).standard_normal(n) + 0.3
    exact = permutation_test((own,), np.sum, permutation_type="samples", alternative="greater", n_resamples=2**14)
    assert luck_of(own, rng()) == pytest.approx(exact.pvalue, abs=1e-12 if n < 14 else 0.02)


def test_of_ten_methods_like_the_blob_none_is_said_to_beat_it_but_in_a_twentieth_of_samples():
    """Nine images with normal differences: by the intervals alone it was one of ten samples."""
    lucky = 0
    for seed in range(300):
        own = rng(seed).standard_normal((10, 9))
        lucky += min(luck_of(one, rng()) for one in own) <= 0.05 / 10
    assert lucky <= 0.08 * 300


def test_an_interval_above_the_blob_is_not_enough():
    """Nine small gains and a small loss lie above 0 in every draw or nearly; signs add up to as much too often."""
    own = np.array([0.9, 1.0, 1.1, 1.0, 0.9, 1.1, 1.0, -0.05, 1.0])
    scores = {"a": own} | {str(number): own - 9 for number in range(9)}
    found = ranked(scores, np.zeros(9), rounds=2000)
    best = found.standings[0]
    assert best.method == "a" and best.over_centre.low > 0 and best.luck == 2 / 512
    assert found.beating == ("a",)
    eleven = ranked(scores | {str(number): own - 9 for number in range(9, 14)}, np.zeros(9), rounds=2000)
    assert eleven.standings[0].over_centre.low > 0 and eleven.beating == ()


def test_the_other_checks_stand_beside_each_method():
    """Means of likeness where there is one; the share of what moved by which maps are off."""
    own = np.arange(12.0) + 1
    alike = np.where(np.arange(12) < 6, 0.5, np.nan)
    more = {"likeness": {"a": alike, "b": np.full(12, np.nan)}, "gaps": {"a": (np.full(12, -0.1), np.full(12, 2.0))}}
    first, second = sorted(ranked({"a": own, "b": own}, np.zeros(12), **more).standings, key=lambda one: one.method)
    assert (first.likeness, first.gap) == (0.5, pytest.approx(0.05))
    assert (second.likeness, second.gap) == (None, None)


@pytest.mark.parametrize(("methods", "needed"), [(1, 6), (2, 7), (14, 10)])
def test_too_few_images_say_nothing(methods, needed):
    """All n images above by luck happens in 2 ** -n: below 5 % for all methods and both sides it takes so many."""
    for n, enough in ((needed - 1, False), (needed, True)):
        assert (methods * 2.0 ** (1 - n) <= 0.05) == enough
        found = ranked({str(name): np.linspace(1, 2, n) for name in range(methods)}, np.zeros(n), rounds=200)
        assert found.needed == needed and bool(found.beating) == enough
        few = f"too few images to tell a method from a blob in the middle: {needed} or more"
        assert found.words()[0].startswith("better than" if enough else few)


def test_shares_are_sums_over_sums():
    """The same in every unit, and an image that hardly moves does not rule them."""
    own, centre, span = np.arange(1.0, 13), np.ones(12), np.array([1e-9, *[4.0] * 11])
    found, in_thousandths = (ranked({"a": one * own}, one * centre, span=one * span) for one in (1, 1000))
    assert found.standings[0].faithfulness.value == pytest.approx(78 / 44)
    assert found.standings[0].over_centre.low == pytest.approx(in_thousandths.standings[0].over_centre.low)
    assert found.unit == "share of what hiding everything does"


def test_methods_that_refused_are_listed_with_why():
    """Behind what can be said of the others; and where none made a map."""
    found = ranked({"a": np.arange(12.0)}, np.zeros(12), refused={"cam": "needs global average pooling"})
    assert found.words()[-1] == "cam: needs global average pooling"
    assert ranked({}, np.zeros(12), refused={"cam": "no"}).words() == ["no method made a map", "cam: no"]


def test_the_record_is_plain_json():
    """With who beats the blob, and how many images it takes."""
    record = ranked({"a": np.arange(12.0) + 1}, np.zeros(12), refused={"cam": "no"}).record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["beating"] == ["a"] and record["needed"] == 6 and record["refused"] == {"cam": "no"}
    assert record["standings"][0]["over_centre"]["low"] > 0


@pytest.mark.parametrize(
    ("scores", "centre", "more", "why"),
    [
        ({"a": np.ones(3)}, np.ones(4), {}, "a: .* for 4 images"),
        ({"a": np.array([1, np.nan])}, np.ones(2), {}, "a: .*NaN"),
        ({"a": np.ones(2)}, np.ones(2), {"confidence": 1.0}, "confidence=1.0"),
        ({"a": np.ones(2)}, np.ones(2), {"span": np.zeros(2)}, "moves no score"),
        ({"a": np.ones(0)}, np.ones(0), {}, "at least 1 row"),
    ],
)
def test_what_makes_no_sense_is_refused(scores, centre, more, why):
    """Missing or broken numbers, and no images at all."""
    with pytest.raises(Refused, match=why):
        ranked(scores, centre, **more)
