"""The checks beside a map: what is said of maps that are right, blind, random, turned round, or made of edges alone."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.cams import grad_cam
from boda.explanations.checks.against import against
from boda.explanations.checks.centre import centre_blob, random_maps
from boda.explanations.checks.checked import Checks, checked, checked_against
from boda.explanations.checks.deletion import curves
from boda.explanations.checks.regions import at_regions
from boda.explanations.checks.settings import Settings
from boda.explanations.heat import Heat
from boda.explanations.integrated import integrated_gradients
from boda.explanations.score import Score
from boda.explanations.target_layer import target_layer
from little_networks import batch_of, class_score, open_module

SHAPE = (16, 16)
PATCH = np.zeros(SHAPE, np.float32)
PATCH[1:5, 10:14] = 1


def plain() -> OpenNetwork:
    """Features are the pixels themselves."""
    return open_module(nn.Flatten(), SHAPE)


def weighted(weights: np.ndarray) -> Score:
    """The pixels of a mask, added up."""
    spread = torch.from_numpy(weights.astype(np.float32)).expand(3, *SHAPE).flatten()
    return Score("mask", "mask", "point", lambda rows: rows @ spread + 5)


def bright(n: int = 2) -> torch.Tensor:
    """Noise that is brighter than black everywhere."""
    return torch.rand(n, 3, *SHAPE, generator=torch.Generator().manual_seed(0)) + 1


def check(score: Score, maps: np.ndarray, **more) -> Checks:
    """Maps that a method makes whatever the network, against a baseline of 0."""
    batch = bright(len(maps))
    heat = Heat("test", "", maps.astype(np.float32), np.zeros(len(maps)), "point", signed=True)
    baseline = torch.zeros_like(batch)
    rng = np.random.default_rng(more.pop("seed", 0))
    settings = Settings(baseline=baseline, **more)
    return checked(plain(), score, batch, heat, lambda opened: heat, rng=rng, settings=settings)


def twice(one: np.ndarray) -> np.ndarray:
    return np.stack([one, one])


def test_the_patch_that_a_score_reads_beats_chance_and_the_middle():
    """Its map is better than random ones and than the blob, in each image."""
    found = check(weighted(PATCH), twice(PATCH))
    assert [found.verdict(image) for image in (0, 1)] == ["better than chance and than a blob in the middle"] * 2
    assert (found.faithfulness > found.centre_faithfulness).all() and (found.faithfulness > found.reach).all()
    assert found.chance_faithfulness.shape == (2, 4)


def test_of_a_score_of_the_middle_nothing_is_better_than_the_blob():
    """The blob itself is not, and says so."""
    spread = torch.from_numpy(centre_blob(SHAPE)).expand(3, *SHAPE).flatten()
    middle = Score("middle", "middle", "point", lambda rows: rows.clamp(max=1) @ spread)
    found = check(middle, twice(centre_blob(SHAPE)))
    assert found.verdict(0) == found.words(0)[0] == "better than chance, no better than a blob in the middle"


def test_a_map_turned_round_is_worse_than_chance():
    """What it marks speaks against the score, or for nothing."""
    assert check(weighted(PATCH), twice(-PATCH)).verdict(0).startswith("worse than chance")


def test_random_maps_pass_as_often_as_they_may():
    """1 in 2 x (4 + 1) of them lies above four others both ways; of 300, within four standard errors."""
    maps = random_maps(300, (4, 4), np.random.default_rng(1))
    heat = Heat("random", "", maps, np.zeros(300), "", signed=True)
    batch, rng = bright(1).expand(300, -1, -1, -1), np.random.default_rng(2)
    score = weighted(np.random.default_rng(3).standard_normal(SHAPE))
    held = against(plain(), score, batch, [(4, 4)], rng=rng, settings=Settings(steps=4, baseline="black"))
    found = checked_against(plain(), score, batch, heat, lambda opened: heat, held, rng=rng)
    passed = np.mean([found.verdict(image).startswith("better") for image in range(300)])
    assert passed == pytest.approx(0.1, abs=4 * np.sqrt(0.1 * 0.9 / 300))


def test_where_the_score_does_not_move_no_map_is_better_than_chance():
    """Rounding is no reason."""
    still = Score("still", "still", "point", lambda rows: 100 + 1e-4 * torch.sin(1e3 * rows.sum(1)))
    found = check(still, twice(PATCH))
    assert found.verdict(0) == "no better than chance" and found.span.max() < 1


def test_what_integrated_gradients_promise_is_said_as_a_share():
    """Of a linear score the gap is rounding; a gap put there is seen."""
    network, score = plain(), weighted(PATCH)
    batch, rng = bright(), np.random.default_rng(0)
    heat = integrated_gradients(network, score, batch, baseline="mean", steps=2)
    found = checked(network, score, batch, heat, lambda opened: heat, rng=rng, settings=Settings(steps=4))
    moved = score.of(batch.flatten(1)) - score.of(batch.mean(dim=(2, 3), keepdim=True).expand_as(batch).flatten(1))
    np.testing.assert_allclose(found.moved, moved.numpy(), atol=1e-4)
    assert np.abs(found.gap).max() < 1e-4
    line = next(one for one in found.words(0) if "adds up" in one)
    assert f"{abs(float(moved[0])):.3g}" in line and "%" in line


def test_a_method_that_promises_nothing_has_no_gap():
    """And no line about it."""
    found = check(weighted(PATCH), twice(PATCH))
    assert found.gap is None and found.moved is None
    assert not any("adds up" in one for one in found.words(0)) and found.record()["completeness_gap"] is None


def test_a_map_of_edges_is_the_same_with_random_weights():
    """A method that never asks the network is caught; its mirror images are not so alike."""
    found = check(weighted(PATCH), np.abs(np.random.default_rng(0).standard_normal((2, *SHAPE))))
    np.testing.assert_allclose(found.similarity, 1)
    assert (found.mirrored < 0.5).all()
    assert any("much the same" in one for one in found.words(0))


def test_grad_cam_asks_the_network_with_random_weights(open_network):
    """It is given another network, of which it makes another map, at the same layer."""
    network, score = open_network("resnet:resnet20"), class_score()
    target, batch, asked = target_layer(network, score), batch_of(network), []

    def explain(opened: OpenNetwork) -> Heat:
        asked.append(opened)
        return grad_cam(opened, score, batch, layer=target.layer, layout=target.layout)

    heat = explain(network)
    rng, settings = np.random.default_rng(0), Settings(steps=3, draws=1)
    found = checked(network, score, batch, heat, explain, rng=rng, settings=settings)
    assert asked[0] is network and asked[1] is not network and len(asked) == 2
    assert found.curves.deletion.shape == (2, 4) and not (found.similarity > 0.95).any()
    np.testing.assert_allclose(found.curves.deletion[:, 0], heat.scores, rtol=1e-5)


def test_what_a_method_refuses_of_random_weights_is_said():
    """The other checks stand."""

    def refuse(opened: OpenNetwork) -> Heat:
        raise Refused("no map here")

    batch = bright()
    heat = Heat("test", "", twice(PATCH), np.zeros(2), "point", signed=False)
    found = checked(plain(), weighted(PATCH), batch, heat, refuse, rng=np.random.default_rng(0))
    assert np.isnan(found.similarity).all() and "with random weights: no map here" in found.words(1)
    assert found.record()["similarity_to_random_weights"] == [None, None]


def test_the_record_is_plain_json_with_all_areas():
    """Lists of n, of n x draws for chance."""
    found = check(weighted(PATCH), twice(PATCH), steps=4, draws=2)
    plain_record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert plain_record == found.record()
    np.testing.assert_allclose(plain_record["deletion"], found.curves.deletion_auc)
    np.testing.assert_allclose(plain_record["centre_insertion"], found.centre.insertion_auc)
    assert np.shape(plain_record["chance_deletion"]) == (2, 2)
    assert plain_record["verdict"] == [found.verdict(0), found.verdict(1)]


def test_the_same_seed_says_the_same():
    """Random maps, random weights and equal pixels all come from the one rng."""
    first, again, other = (check(weighted(PATCH), twice(PATCH), seed=seed, steps=5).record() for seed in (0, 0, 1))
    assert first == again != other


def test_one_yardstick_serves_methods_of_several_coarsenesses():
    """The blob's curves and chance are made once; places that were not asked for are refused."""
    network, score, batch = plain(), weighted(PATCH), bright()
    rng = np.random.default_rng(0)
    settings = Settings(steps=4, draws=1, regions=None)
    held = against(network, score, batch, [(16, 16), (4, 4), (16, 16)], rng=rng, settings=settings)
    assert set(held.chance) == {(4, 4), (16, 16)}
    heats = {
        side: Heat("test", "", np.zeros((2, side, side), np.float32), np.zeros(2), "", signed=False)
        for side in (4, 16, 8)
    }
    for side in (4, 16):
        found = checked_against(
            network, score, batch, heats[side], lambda opened, side=side: heats[side], held, rng=rng
        )
        assert found.centre is held.centre and found.chance is held.chance[side, side]
        assert np.isnan(found.similarity).all() and "no map to compare with" in " ".join(found.words(0))
    with pytest.raises(Refused, match="no random maps of 8 x 8 places"):
        checked_against(network, score, batch, heats[8], lambda opened: heats[8], held, rng=rng)


def test_fine_maps_are_put_in_order_by_regions():
    """Beside random maps as coarse; pixel by pixel where asked for."""
    powder = PATCH * (np.indices(SHAPE).sum(axis=0) % 2)
    by_regions, by_pixels = (check(weighted(PATCH), twice(powder), regions=one) for one in (4, None))
    assert by_regions.grain == (4, 4) and by_pixels.grain == SHAPE and by_regions.record()["grain"] == [4, 4]
    assert (by_regions.faithfulness > by_pixels.faithfulness).all()


def test_no_random_maps_and_no_regions_are_refused():
    """Nobody would know what chance does, or where."""
    with pytest.raises(Refused, match="draws=0"):
        check(weighted(PATCH), twice(PATCH), draws=0)
    with pytest.raises(Refused, match="regions=0"):
        check(weighted(PATCH), twice(PATCH), regions=0)


@pytest.mark.parametrize("settings", [Settings(steps=5, draws=2, regions=None, baseline="black", at_once=3), None])
def test_the_settings_are_those_of_a_map_and_of_what_it_is_held_against(settings):
    """One by one or among several methods: the curves are those of `curves`, where no pixels are equal."""
    network, score, batch = plain(), weighted(PATCH), bright()
    maps = np.random.default_rng(1).permutation(2 * 256).reshape(2, *SHAPE).astype(np.float32)
    heat = Heat("test", "", maps, np.zeros(2), "point", signed=True)
    alone = checked(network, score, batch, heat, lambda opened: heat, rng=np.random.default_rng(0), settings=settings)
    rng = np.random.default_rng(0)
    held = against(network, score, batch, [SHAPE], rng=rng, settings=settings)
    among = checked_against(network, score, batch, heat, lambda opened: heat, held, rng=rng)
    assert alone.record() == among.record()
    known = settings or Settings()
    assert len(alone.chance) == known.draws and alone.grain == (SHAPE if settings else (14, 14))
    assert {len(one.shares) for one in (alone.curves, alone.centre, *alone.chance)} == {known.steps + 1}
    own = at_regions(heat, known.regions).at(SHAPE)
    expected = curves(network, score, batch, own, rng=rng, steps=known.steps, baseline=known.baseline)
    np.testing.assert_allclose(alone.curves.deletion, expected.deletion, rtol=1e-5)
    np.testing.assert_allclose(alone.curves.insertion, expected.insertion, rtol=1e-5)
    for one in (alone.centre, *alone.chance):
        np.testing.assert_allclose(one.deletion[:, [0, -1]], expected.deletion[:, [0, -1]], rtol=1e-5)
