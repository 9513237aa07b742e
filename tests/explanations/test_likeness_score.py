"""The score of a likeness is what search ranks by, for images and for texts."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

import boda
from boda.encoders.network import Network
from boda.encoders.text import TorchTextEncoder, as_text_encoder
from boda.errors import Refused
from boda.explanations.deeplift import deep_lift
from boda.explanations.likeness_score import likeness_score, text_score, unit_rows
from boda.recipe import Recipe
from boda.retrieval.feedback import direction
from boda.retrieval.search import similar
from synthetic import synthetic_workspace

WORDS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """40 rows of 6 features in a workspace, one of them zeros, others of very different length."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(40, 6)) * 10.0 ** rng.integers(-3, 4, (40, 1))).astype(np.float32)
    rows[11] = 0
    place = tmp_path_factory.mktemp("likeness") / "w.boda"
    return synthetic_workspace(place, {"f": rows}, {"row": range(40)}).features()


def of_all(score, features) -> np.ndarray:
    return score.of(torch.from_numpy(np.array(features.array))).numpy()


def test_likeness_is_what_search_ranks_by(features):
    """Of every row but the query, to 1e-11; a row of zeros is like nothing, and likeness 0."""
    hits = similar(features, features.array[3], 40, exclude=3)
    said = of_all(likeness_score(features.array[3], features.keys[3]), features)
    np.testing.assert_allclose(said[list(hits.rows)], hits.likeness, atol=1e-11)
    assert said[11] == 0 and said[3] == pytest.approx(1, abs=1e-12)


def test_several_examples_are_one_direction(features):
    """What a search for some rows and against another ranks by is a score too."""
    wanted = direction(features.array[[1, 2]], features.array[[5]])
    hits = similar(features, wanted, 40)
    said = of_all(likeness_score(wanted, "two less one"), features)
    np.testing.assert_allclose(said[list(hits.rows)], hits.likeness, atol=1e-11)


def test_half_precision_is_read_exactly():
    """Features of bf16 are stored as float16: their cosine is that of the stored numbers."""
    rng = np.random.default_rng(1)
    one, rows = rng.normal(size=6).astype(np.float16), rng.normal(size=(5, 6)).astype(np.float32)
    wide = one.astype(np.float64)
    expected = rows @ wide / np.linalg.norm(wide) / np.linalg.norm(rows.astype(np.float64), axis=1)
    np.testing.assert_allclose(likeness_score(one, "k").of(torch.from_numpy(rows)).numpy(), expected, atol=1e-12)


def test_its_gradient_is_the_closed_form():
    """(v - cos u) / |x|, u and v being both at length 1: nothing along x, whose length does not matter."""
    rng = np.random.default_rng(2)
    other, x = rng.normal(size=5), torch.from_numpy(rng.normal(size=(3, 5))).requires_grad_()
    (slopes,) = torch.autograd.grad(likeness_score(other, "k").of(x).sum(), x)
    rows = x.detach().numpy()
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit, toward = rows / lengths, other / np.linalg.norm(other)
    np.testing.assert_allclose(slopes.numpy(), (toward - (unit @ toward)[:, None] * unit) / lengths, atol=1e-12)


def test_features_of_zeros_have_a_finite_gradient():
    """An image that excites nothing gives no NaN."""
    x = torch.zeros(1, 4, requires_grad=True)
    (slopes,) = torch.autograd.grad(likeness_score(np.ones(4), "k").of(x).sum(), x)
    assert torch.isfinite(slopes).all() and not unit_rows(x).any()


def test_a_text_is_compared_as_search_compares_it(features):
    """The vector is the encoder's own; encoders without words are refused with what to use instead."""

    def side(texts):
        return torch.tensor([[float(word in text) * 5 for word in WORDS] for text in texts])

    module = torch.nn.Sequential(OrderedDict(inside=torch.nn.Identity()))
    network = Network(module, lambda module, batch: module(batch).mean(dim=(2, 3)))
    recipe = Recipe("words", "", "projection", "model", boda.PixelSpec(resize=(8, 8), crop=(8, 8)))
    encoder = TorchTextEncoder(network, recipe, torch.device("cpu"), side)
    vector = as_text_encoder(encoder).encode_text(["a red and blue house"])[0]
    rows = np.abs(features.array[:, :3])
    said = text_score(vector, "a red and blue house").of(torch.from_numpy(rows)).numpy()
    lengths = np.maximum(np.linalg.norm(rows.astype(np.float64), axis=1), 1e-300)
    np.testing.assert_allclose(said, (rows[:, 0] + rows[:, 2]) / np.sqrt(2) / lengths, atol=1e-6)
    with pytest.raises(Refused, match="images only, so no text"):
        as_text_encoder(boda.load_encoder("handmade:hog-colour"))


def test_names_say_what_it_is():
    """As it is asked for, and for people."""
    score = likeness_score(np.ones(3), "cat.jpg")
    assert (score.name, score.title, score.unit) == ("like:cat.jpg", "likeness to cat.jpg", "cosine")
    score = text_score(np.ones(3), "a cat")
    assert (score.name, score.title, score.unit) == ("text:a cat", 'likeness to "a cat"', "cosine")


@pytest.mark.parametrize("vector", [np.zeros(3), np.array([1.0, np.nan, 0]), np.ones((1, 3)), np.float64(1)])
def test_what_is_no_direction_is_refused(vector):
    """Zeros, NaN, a matrix, a number."""
    with pytest.raises(Refused, match="the features of 'k' are no direction"):
        likeness_score(vector, "k")


def test_features_of_another_width_are_refused():
    """Two encoders were mixed."""
    with pytest.raises(Refused, match="the text 'cat' are 3 wide, and features 4"):
        text_score(np.ones(3), "cat").of(torch.ones(2, 4))


def test_deeplift_adds_up(open_network):
    """Every operation on the way has a rule."""
    opened = open_network("resnet:resnet20")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    batch = opened.door(pixels)
    with torch.no_grad():
        other = opened.features(batch[1:])[0].numpy()
    heat = deep_lift(opened, likeness_score(other, "k"), batch)
    np.testing.assert_allclose(heat.gaps["completeness"], 0, atol=1e-5)
    assert heat.scores[1] == pytest.approx(1, abs=1e-6) and np.abs(heat.maps[0]).max() > 0
