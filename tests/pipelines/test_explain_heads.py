"""Attention head by head: each head's map is checked, by itself, as every other map is."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import boda
from attending import SHAPE, batch_for, logit, open_attending, open_timm, timm
from boda.encoders.network import Network
from boda.encoders.opened import OpenNetwork
from boda.explanations.attention import attentions, head_maps
from boda.explanations.checks.checked import BEST, Checks
from boda.explanations.checks.deletion import STEPS, curves
from boda.explanations.checks.randomised import similarity
from boda.explanations.checks.settings import DRAWS
from boda.explanations.methods import HEADS
from boda.explanations.score import Score
from boda.pipelines.explain import Explanations
from boda.pipelines.explaining.making import How, checks_of, held_against, maps_by
from boda.pipelines.explaining.scoring import Group

HOW = How(layer=None, baseline=None, check=True, seed=0, at_once=16)
SIDE = 16
"""Of a patch."""


class LooksTwice(torch.nn.Module):
    """A head that looks at what is red or green, of which the answer is made, and one at what is blue, of which not."""

    def __init__(self) -> None:
        super().__init__()
        self.keen = torch.nn.Parameter(torch.tensor(12.0))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) to (n, 2): how red, how green."""
        red, green, blue = torch.nn.functional.avg_pool2d(batch, SIDE).flatten(2).unbind(1)
        keys = torch.stack([(red - green).abs(), blue], dim=1) * self.keen
        keys = torch.nn.functional.pad(keys, (1, 0))[:, :, None].expand(-1, -1, keys.shape[2] + 1, -1)
        values = torch.nn.functional.pad(torch.stack([red - green, blue], dim=1), (1, 0))
        redness = (keys.softmax(-1) @ values[..., None])[:, 0, 0, 0]
        return torch.stack([redness, -redness], dim=1)


def looking() -> OpenNetwork:
    """Of three rows of five patches."""
    network = Network(LooksTwice(), lambda module, batch: module(batch), prefix_tokens=1, class_token=True)
    return open_attending(network)


def planted(count: int) -> tuple[torch.Tensor, np.ndarray]:
    """Dim noise with a red patch and a blue one elsewhere, neither in the middle; and where, (n, 2) among 15."""
    rng = np.random.default_rng(0)
    images = 0.1 * rng.standard_normal((count, 3, *SHAPE))
    places = np.stack([rng.permutation(np.delete(np.arange(15), 7))[:2] for _ in range(count)])
    for image, (red, blue) in zip(images, places, strict=True):
        for place, colour in ((red, (1, -1, 0)), (blue, (0, 0, 1))):
            y, x = SIDE * (place // 5), SIDE * (place % 5)
            image[:, y : y + SIDE, x : x + SIDE] += np.reshape(colour, (3, 1, 1))
    return torch.from_numpy(images.astype(np.float32)), places


def checks_by_head(network: OpenNetwork, score: Score, batch: torch.Tensor) -> tuple[Checks, ...]:
    """As `boda explain` makes them."""
    group = Group(score, tuple(range(len(batch))))
    heats = maps_by(HEADS, network, group, batch, HOW)
    held = held_against(network, group, batch, [heats], HOW)
    return checks_of(network, group, batch, HEADS, heats, held, HOW)


def test_the_head_that_an_answer_is_made_of_is_told_from_the_other():
    """Both look at a patch of one colour; hiding only one of the two patches moves the score."""
    network, (batch, places) = looking(), planted(8)
    red = Score("red", "how red", "point", lambda rows: rows[:, 0])
    heads = head_maps(attentions(network, red, batch)[-1])
    hottest = np.stack([one.maps.reshape(8, 15).argmax(1) for one in heads], axis=1)
    np.testing.assert_array_equal(hottest, places)
    of_red, of_blue = checks_by_head(network, red, batch)
    assert (of_red.faithfulness > of_red.reach).all() and (of_red.faithfulness > of_red.centre_faithfulness).all()
    assert [of_red.verdict(image) for image in range(8)] == [BEST] * 8
    assert (of_red.faithfulness > of_blue.faithfulness).all()
    assert of_red.faithfulness.mean() > 3 * abs(of_blue.faithfulness.mean())
    assert sum(of_blue.beats_centre(image) for image in range(8)) <= 2


def test_each_head_is_checked_by_its_own_map_and_its_own_twin():
    """Against curves of that head alone, and the same head of the network with random weights."""
    network = open_timm()
    batch, score = batch_for(network), logit()
    group = Group(score, (0, 1, 2))
    heats = maps_by(HEADS, network, group, batch, HOW)
    held = held_against(network, group, batch, [heats], HOW)
    found = checks_of(network, group, batch, HEADS, heats, held, HOW)
    own, twins = (attentions(one, score, batch)[-1].maps for one in (network, held.untaught))
    assert len(found) == own.shape[1] == 2
    for head, checks in enumerate(found):
        by_hand = curves(network, score, batch, heats[head].at(SHAPE), rng=np.random.default_rng(5))
        # Pixels at the edges of an enlarged map are equal, and each draw puts them in an order of its own.
        np.testing.assert_allclose(checks.faithfulness, by_hand.faithfulness, atol=3e-3)
        np.testing.assert_allclose(checks.similarity, similarity(own[:, head], twins[:, head]), atol=1e-6)
        assert checks.method == f"attention, head {head}"
    assert (np.abs(found[0].faithfulness - found[1].faithfulness) > 0.01).all()
    assert (np.abs(found[0].similarity - found[1].similarity) > 0.01).all()


def test_a_head_more_costs_twenty_passes_an_image():
    """Two curves of ten steps; what all heads are held against is made once, and so is the network of random weights."""
    network = open_timm()
    batch, seen = batch_for(network), []
    group = Group(logit(), (0, 1, 2))
    heats = maps_by(HEADS, network, group, batch, HOW)
    network.module.register_forward_pre_hook(lambda module, given: seen.append((module, len(given[0]))))
    held = held_against(network, group, batch, [heats], HOW)
    curve = 2 * (STEPS - 1) + 2
    assert sum(n for _, n in seen) == 3 * curve * (1 + DRAWS) == 3 * 100
    seen.clear()
    checks_of(network, group, batch, HEADS, heats, held, HOW)
    assert sum(n for module, n in seen if module is network.module) == 3 * len(heats) * curve == 3 * 2 * 20
    assert sum(n for module, n in seen if module is not network.module) <= 3 * 2


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Four, of noise."""
    folder = tmp_path_factory.mktemp("heads") / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcd":
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def attending(tmp_path_factory) -> boda.Encoder:
    """Little, of random weights."""
    file = tmp_path_factory.mktemp("weights") / "test_vit.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = timm.create_model("test_vit").state_dict()
    save_file({key: one.contiguous() for key, one in weights.items()}, file)
    return boda.load_encoder("timm:test_vit", weights=file)


def heads_of(found: Explanations) -> int:
    """From the arrays."""
    (maps,) = {one.maps.shape[0] for one in found.explained if one.method == HEADS}
    return int(maps)


def test_the_checks_of_each_head_are_on_the_page_and_in_the_record(pictures, attending, tmp_path):
    """And a note says how many of so many heads would look good by luck."""
    asked = {"answer": "3", "encoder": attending, "method": ["attention", HEADS], "limit": 2}
    found = boda.explain(pictures, **asked, to=tmp_path / "out")
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    heads = heads_of(found)
    for image in record["images"]:
        mean, *each = image["maps"]
        assert mean["method"] == "attention" and "head" not in mean
        assert [(one["method"], one["head"]) for one in each] == [(HEADS, head) for head in range(heads)]
        areas = [one["checks"]["insertion"] - one["checks"]["deletion"] for one in each]
        assert len(set(areas)) == heads and all(one["checks"]["verdict"] for one in each)
    said = [one.said for one in found.explained if one.method == HEADS]
    assert len(said) == 2 and all(one.startswith(f"{heads} maps: ") for one in said)
    page = found.page.read_text()
    assert "were not checked" not in page
    assert all(f"Attention, head {head}: better than a blob in the middle" in page for head in range(heads))
    (luck,) = [note for note in found.notes if note.startswith(HEADS)]
    assert f"{heads} maps of each image, each checked by itself" in luck and f"about {heads / 10:.2g} would" in luck


def test_without_checks_nothing_is_said_of_heads(pictures, attending, tmp_path):
    """Neither a verdict nor luck, and the page says that nothing was checked."""
    asked = {"answer": "3", "encoder": attending, "method": HEADS, "limit": 1, "check": False}
    found = boda.explain(pictures, **asked, to=tmp_path / "out")
    assert [one.said for one in found.explained] == [""]
    assert not [note for note in found.notes if note.startswith(HEADS)]
    assert "were not checked" in found.page.read_text()


def test_heads_are_ranked_where_they_are_asked_for(pictures, attending, tmp_path):
    """Each under its own name, beside other methods; without being asked for they are not among all."""
    asked = {"answer": "3", "encoder": attending, "limit": 3}
    found = boda.compare_explanations(pictures, methods=["attention", HEADS], **asked, to=tmp_path / "some")
    names = {one.method for one in found.compared.ranking.standings}
    heads = len(names) - 1
    assert heads > 1 and names == {"attention", *(f"attention, head {head}" for head in range(heads))}
    assert any(note.startswith("attention alone is not a class explanation") for note in found.record["notes"])
    assert all(-1 <= one.likeness <= 1 and one.gap is None for one in found.compared.ranking.standings)
    own = boda.explain(pictures, method=HEADS, **asked, to=tmp_path / "own")
    record = json.loads((tmp_path / "own" / "record.json").read_text())
    assert [one.key for one in own.explained] == list(found.keys)
    for head in range(heads):
        checks = [image["maps"][head]["checks"] for image in record["images"]]
        areas = [one["insertion"] - one["deletion"] for one in checks]
        np.testing.assert_allclose(found.compared.faithfulness[f"attention, head {head}"], areas, rtol=1e-4, atol=1e-7)
    every = boda.compare_explanations(pictures, **asked, to=tmp_path / "every")
    assert not [name for name in every.compared.faithfulness if "head" in name]
