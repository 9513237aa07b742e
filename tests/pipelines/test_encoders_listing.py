"""`boda encoders`: what there is, without fetching or loading weights."""

import json

import pytest

from boda.encoders.known import KNOWN, Known
from boda.encoders.registry import describe_encoder
from boda.errors import Refused, UnknownEncoder
from boda.pipelines.encoders import encoders


def test_the_list_says_width_input_licence_and_whether_it_is_here():
    """Those that need no hub, some that are known, and how to name others."""
    record = json.loads(json.dumps(encoders().as_json()))
    rows = {row["name"]: row for row in record["encoders"]}
    assert list(rows) == ["auto", "handmade:hog-colour", *(one.name for one in KNOWN)]
    assert (rows["auto"]["width"], rows["auto"]["input"], rows["auto"]["licence"]) == (1280, [224, 224], "apache-2.0")
    assert rows["auto"]["here"]
    assert rows["handmade:hog-colour"]["here"]
    assert "timm:NAME" in record["more"]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_known_encoders_are_what_the_list_says(known: Known):
    """Width and input as the network itself has them, made without numbers; somebody says whose it is, or asks for a file."""
    import torch

    description = describe_encoder(known.name)
    assert description is not None
    assert description.pixels.shape == (known.side, known.side)
    assert description.licence or description.missing.startswith("give --weights FILE")
    with torch.device("meta"):
        network = description.build()
        features = network.features(network.module, torch.zeros(1, 3, known.side, known.side))
    assert features.shape == (1, known.width)


def test_one_encoder_shows_its_layers(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Width, and layers with types, shapes and parameters, are known without its weights, which are not here."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    (one,) = encoders("timm:resnet18", layers=True).encoders
    assert (one.width, one.input, one.here) == (512, (224, 224), False)
    assert "--weights FILE" in one.missing
    layers = {layer["name"]: layer for layer in json.loads(json.dumps(one.as_json()))["layers"]}
    assert layers["layer3"] == {
        "name": "layer3", "kind": "Sequential", "parameters": 2_099_712, "calls": 1, "shape": [256, 14, 14],
    }  # fmt: skip
    assert (layers["layer1.0.conv1"]["kind"], layers["layer1.0.conv1"]["parameters"]) == ("Conv2d", 64 * 64 * 9)
    assert layers["last"]["shape"] == [512, 7, 7]
    assert encoders("timm:resnet18").encoders[0].layers == ()


def test_layers_are_those_of_the_model_that_was_asked_for():
    """Arguments on the name count: another stride, other maps."""
    (one,) = encoders("timm:test_resnet?output_stride=8", layers=True).encoders
    assert next(layer.shape for layer in one.layers if layer.name == "layer4")[1:] == (20, 20)
    with pytest.raises(Refused, match="has no argument foo"):
        encoders("timm:test_resnet?foo=1")


def test_encoders_without_layers_have_none():
    """Rules have no modules."""
    assert encoders("handmade:hog-colour", layers=True).encoders[0].layers == ()


@pytest.mark.parametrize("name", ["timm:resnet_18", "timm:resnet18.nope", "resnet18"])
def test_unknown_names_get_near_ones(name: str):
    """The same as where an encoder is loaded."""
    with pytest.raises(UnknownEncoder, match="timm:resnet18"):
        encoders(name)
