"""Search by words: where an encoder puts texts among its images, and nowhere else."""

import json
from collections import OrderedDict

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import boda
from boda.encoders.text import TorchTextEncoder
from boda.encoders.torch_encoder import Network
from boda.errors import Refused
from boda.recipe import Recipe

torch = pytest.importorskip("torch")

COLOURS = {"red": 0, "green": 1, "blue": 2}
PIXELS = boda.PixelSpec(resize=(8, 8), crop=(8, 8))


def colours() -> TorchTextEncoder:
    """Images are their mean colour, and words the colour that they name: a text side whose answers one can foresee."""

    def side(texts):
        return torch.tensor([[float(name in text) * 5 for name in COLOURS] for text in texts])

    recipe = Recipe("colours", "", "projection", "model", PIXELS, name="test_search_text:colours")
    module = torch.nn.Sequential(OrderedDict(inside=torch.nn.Identity()))
    network = Network(module, lambda module, batch: module(batch).mean(dim=(2, 3)))
    return TorchTextEncoder(network, recipe, torch.device("cpu"), side)


@pytest.fixture
def coloured(tmp_path, photos):
    """The photographs' workspace with features of the colours."""
    return boda.embed(photos, encoders=colours(), to=tmp_path / "colours.boda", executor="in-process", workers=1)


def test_words_find_what_they_name(coloured):
    """The nearest by angle, as NumPy finds them; text and features need not be normalised."""
    for colour in COLOURS:
        found = boda.search(coloured, text=f"a {colour} thing", encoder=colours(), k=4)
        assert all(colour in key or (colour == "red" and "copy" in key) for key in found.hits.keys)
        assert found.query == f"a {colour} thing"
    features = coloured.features()
    array = features.array.astype(np.float64)
    word = colours().encode_text(["red and green"])[0]
    cosines = array @ word / np.linalg.norm(array, axis=1) / np.linalg.norm(word)
    found = boda.search(coloured, text="red and green", encoder=colours(), k=99)
    np.testing.assert_allclose(found.hits.likeness, np.sort(cosines)[::-1], atol=1e-6)
    assert [cosines[row] for row in found.hits.rows] == pytest.approx(sorted(cosines, reverse=True), abs=1e-6)


def test_the_sheet_begins_with_the_words(coloured):
    """A tile with the text stands where the query's picture stands otherwise."""
    found = boda.search(coloured, text="blue", encoder=colours(), k=3)
    assert found.sheet.name == "blue.png"
    with Image.open(found.sheet) as sheet:
        assert sheet.format == "PNG"
    assert json.loads(json.dumps(found.as_json()))["query"] == "blue"


def test_encoders_that_know_images_only_refuse(workspace):
    """The recipe of the workspace decides, and the error names an encoder that can."""
    with pytest.raises(Refused, match=r"'handmade:hog-colour' are of images only.*open_clip:ViT-B-32"):
        boda.search(workspace, text="a red thing")


def test_other_layers_of_the_same_encoder_refuse(tmp_path, photos):
    """Words lie among the features that the model itself puts them among, and among no others."""
    taken = colours().take("inside", "mean")
    there = boda.embed(photos, encoders=taken, to=tmp_path / "w.boda", executor="in-process", workers=1)
    with pytest.raises(Refused, match=r"'inside' of encoder .* are of images only"):
        boda.search(there, text="red", encoder=colours())


def test_bad_questions_are_refused(coloured, tmp_path):
    """An empty text, another encoder, features that nobody can make."""
    with pytest.raises(Refused, match="says something"):
        boda.search(coloured, text=" ", encoder=colours())
    with pytest.raises(Refused, match=r"handmade"):
        boda.search(coloured, text="red", encoder="handmade:hog-colour")
    with pytest.raises(Refused, match="if you trust it"):
        boda.search(coloured, text="red")
    keys = np.array(list(coloured.features().keys))
    np.savez(tmp_path / "clip.npz", keys=keys, features=np.eye(len(keys), dtype="f4"))
    recipe = boda.import_features(coloured, tmp_path / "clip.npz").recipe
    with pytest.raises(Refused, match="nobody knows how to make them"):
        boda.search(coloured, text="red", recipe=recipe)


def test_the_command_takes_words(coloured, monkeypatch):
    """`boda search W --text WORDS`, and at least one query."""
    from boda.cli.main import cli
    from boda.cli.show import Show
    from boda.encoders import registry

    monkeypatch.setattr(registry, "encoder_for", lambda *_, **__: colours())
    runner = CliRunner()
    result = runner.invoke(cli, ["search", str(coloured.path), "--text", "green", "-k", "2", "--json"], obj=Show())
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["query"] == "green"
    assert all(hit["key"].startswith("green") for hit in record["hits"])
    assert runner.invoke(cli, ["search", str(coloured.path)], obj=Show()).exit_code == 2


def test_words_and_images_are_combined(coloured, photos):
    """A text and a row, less another image: the direction is Rocchio's of their unit features, and rows are no hits."""
    asked = {"text": "red", "row": "green 0.png", "less_image": photos / "blue 0.png"}
    found = boda.search(coloured, **asked, encoder=colours(), k=99)
    array = coloured.features().array.astype(np.float64)
    unit = array / np.linalg.norm(array, axis=1, keepdims=True)
    row = {key: place for place, key in enumerate(coloured.features().keys)}
    wanted = (np.array([1.0, 0, 0]) + unit[row["green 0.png"]]) / 2 - 0.5 * unit[row["blue 0.png"]]
    expected = unit @ wanted / np.linalg.norm(wanted)
    np.testing.assert_allclose(found.hits.likeness, expected[list(found.hits.rows)], atol=1e-6)
    assert "green 0.png" not in found.hits.keys and "blue 0.png" in found.hits.keys
    assert [one["less"] for one in found.as_json()["given"]] == [False, False, True]
