"""Scores of words and of votes, on pictures whose left half is one colour and whose right half is another."""

from collections import OrderedDict

import numpy as np
import pytest
from PIL import Image

import boda
from boda.encoders.text import TorchTextEncoder
from boda.encoders.torch_encoder import Network
from boda.recipe import Recipe

torch = pytest.importorskip("torch")

COLOURS = {"red": 0, "green": 1, "blue": 2}
PIXELS = boda.PixelSpec(resize=(16, 16), crop=(16, 16))
ASKED = 40
"""People who said of each picture whether it is red."""


def colours() -> TorchTextEncoder:
    """Images are their mean colour, and words the colours that they name."""

    def side(texts):
        return torch.tensor([[float(name in text) for name in COLOURS] for text in texts])

    recipe = Recipe("halves", "", "projection", "model", PIXELS, name="test_explain_words_and_votes:colours")
    network = Network(
        torch.nn.Sequential(OrderedDict(inside=torch.nn.Identity())),
        lambda module, batch: module(batch).mean(dim=(2, 3)),
    )
    return TorchTextEncoder(network, recipe, torch.device("cpu"), side)


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """60 pictures, left more or less red and right blue; people vote the redder ones red."""
    folder = tmp_path_factory.mktemp("halves")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    said = ["key,shade_red,shade_other"]
    for number in range(60):
        pixels, red = np.zeros((16, 16, 3), np.uint8), int(rng.integers(40, 256))
        pixels[:, :8, 0], pixels[:, 8:, 2] = red, 128
        Image.fromarray(pixels).save(folder / "images" / f"{number:02d}.png")
        votes = int(rng.binomial(ASKED, red / 256))
        said.append(f"{number:02d}.png,{votes},{ASKED - votes}")
    (folder / "votes.csv").write_text("\n".join(said))
    (folder / "one.toml").write_text('name = "one"\n\n[[question]]\nname = "shade"\nanswers = ["red", "other"]\n')
    there = boda.embed(
        folder / "images", encoders=[colours()], to=folder / "halves.boda", executor="in-process", workers=1
    )
    boda.label(there, folder / "votes.csv")
    return there


def sides(found) -> tuple[float, float]:
    """What the map of the one image adds up to, left and right."""
    (one,) = found.explained
    half = one.maps.shape[1] // 2
    return float(one.maps[:, :half].sum()), float(one.maps[:, half:].sum())


@pytest.mark.parametrize("method", ["gradient-times-input", "integrated-gradients", "occlusion"])
def test_words_are_marked_where_they_are(halves, tmp_path, method):
    """Red on the left, blue on the right; the score is the likeness that search ranks by."""
    asked = {"encoder": colours(), "row": "07.png", "method": method, "baseline": None, "check": False}
    if method != "gradient-times-input":
        asked["baseline"] = "black"
    red, blue = (boda.explain(halves, score=f"text:a {name} thing", to=tmp_path / name, **asked)
                 for name in ("red", "blue"))  # fmt: skip
    assert sides(red)[0] > sides(red)[1]
    assert sides(blue)[1] > sides(blue)[0]
    hits = boda.search(halves, text="a red thing", encoder=colours(), k=60, to=tmp_path / "hits.png").hits
    assert red.explained[0].value == pytest.approx(hits.likeness[hits.keys.index("07.png")], abs=1e-5)
    assert red.explained[0].difference < 1e-4


def test_an_answer_of_votes_is_marked_where_it_is(halves, tmp_path):
    """Red is voted for what is on the left; the score is the share that the head predicts."""
    boda.train(halves, "*", tree=str(halves.path.parent / "one.toml"), name="shades", page=False)
    asked = {"encoder": colours(), "row": "07.png", "method": "occlusion", "baseline": "black", "check": False}
    red, other = (boda.explain(halves, score=f"vote:shades:shade_{name}", to=tmp_path / name, **asked)
                  for name in ("red", "other"))  # fmt: skip
    assert sides(red)[0] > abs(sides(red)[1])
    assert sides(other)[0] == pytest.approx(-sides(red)[0], rel=1e-3)
    (said,) = (row for row in boda.predict(halves.path, head="shades").table().to_pylist() if row["key"] == "07.png")
    assert red.explained[0].value + other.explained[0].value == pytest.approx(1, abs=1e-5)
    assert red.explained[0].value == pytest.approx(said["fraction_shade_red"], abs=1e-4)
