"""`boda encoders`: what there is, without fetching or loading weights."""

import json

import pytest

from boda.errors import UnknownEncoder
from boda.pipelines.encoders import encoders


def test_the_list_says_width_input_licence_and_whether_it_is_here():
    """Those that need no hub, and how to name others."""
    record = json.loads(json.dumps(encoders().as_json()))
    rows = {row["name"]: row for row in record["encoders"]}
    assert list(rows) == ["auto", "handmade:hog-colour"]
    assert (rows["auto"]["width"], rows["auto"]["input"], rows["auto"]["licence"]) == (1280, [224, 224], "apache-2.0")
    assert rows["auto"]["here"]
    assert rows["handmade:hog-colour"]["here"]
    assert "timm:NAME" in record["more"]


def test_one_encoder_shows_its_layers(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Width and layers are known without its weights, which are not here."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    (one,) = encoders("timm:resnet18").encoders
    assert (one.width, one.input, one.here) == (512, (224, 224), False)
    assert [layer.name for layer in one.layers] == ["act1", "layer1", "layer2", "layer3", "layer4"]
    assert "--weights FILE" in one.missing


@pytest.mark.parametrize("name", ["timm:resnet_18", "timm:resnet18.nope", "resnet18"])
def test_unknown_names_get_near_ones(name: str):
    """The same as where an encoder is loaded."""
    with pytest.raises(UnknownEncoder, match="timm:resnet18"):
        encoders(name)
