"""Models of timm on the hub: what the repository says of them is what they become."""

import json
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.encoders.timm_models import import_timm
from boda.errors import NotOffline, Refused, UnknownEncoder
from boda.pixels.spec import PixelSpec
from boda.testing import EncoderContract
from boda.testing.encoder_contract import apart, some_pixels
from hub_cache import lay, offline

torch = pytest.importorskip("torch")
timm = import_timm("a test")

ZOOBOT = "mwalmsley/zoobot-encoder-convnext_nano"
PREPARED = {"input_size": [3, 64, 64], "crop_pct": 1.0, "interpolation": "bilinear", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}  # fmt: skip
CARD = "---\nlicense: gpl-3.0\n---\n# Galaxies\n"


def config(architecture: str, classes: int = 0, **more: object) -> str:
    """config.json as timm's own `push_to_hf_hub` writes it, and as Zoobot's repositories have it."""
    told = {"architecture": architecture, "num_classes": classes, "pretrained_cfg": {**PREPARED, "custom_load": False}}
    return json.dumps(told | more)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache: an encoder without classes, a classifier with names, pickled weights, models made otherwise."""
    from safetensors.torch import save

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hub")
    nano = timm.create_model("convnext_nano", num_classes=0)
    files = {"config.json": config("convnext_nano", num_features=640), "model.safetensors": save(nano.state_dict())}
    lay(folder, ZOOBOT, files | {"README.md": CARD})
    small = timm.create_model("test_resnet", num_classes=3)
    weights = {"model.safetensors": save(small.state_dict())}
    names = {"label_names": ["a", "b", "c"], "label_descriptions": {"a": "smooth", "b": "features", "c": "star"}}
    lay(folder, "somebody/classes", {"config.json": config("test_resnet", 3, **names)} | weights)
    torch.save(small.state_dict(), tmp_path_factory.mktemp("file") / "it.bin")
    pickled = next(tmp_path_factory.getbasetemp().rglob("it.bin")).read_bytes()
    lay(folder, "somebody/pickled", {"config.json": config("test_resnet", 3), "pytorch_model.bin": pickled})
    other = timm.create_model("test_resnet", num_classes=0, stem_type="deep", stem_width=8)
    made = {"model_args": {"stem_type": "deep", "stem_width": 8}}
    lay(folder, "somebody/made", {"config.json": config("test_resnet", **made), "model.safetensors": save(other.state_dict())})  # fmt: skip
    grey = {**PREPARED, "input_size": [1, 64, 64]}
    lay(folder, "somebody/grey", {"config.json": config("test_resnet", pretrained_cfg=grey)} | weights)
    greedy = config("test_resnet", model_args={"checkpoint_path": "/etc/passwd"})
    lay(folder, "somebody/greedy", {"config.json": greedy} | weights)
    outside = config("test_resnet", pretrained_cfg={"hf_hub_filename": "../../../weights.safetensors"})
    lay(folder, "somebody/outside", {"config.json": outside} | weights)
    lay(folder, "somebody/unknown", {"config.json": config("resnet_of_mine")} | weights)
    lay(folder, "somebody/vit", {"config.json": json.dumps({"model_type": "vit"})} | weights)
    lay(folder, "somebody/weightless", {"config.json": config("test_resnet", 3)})
    old = {"architecture": "test_resnet", "num_classes": 3, "num_features": 96, **PREPARED}
    lay(folder, "somebody/old", {"config.json": json.dumps(old)} | weights)
    return folder


@pytest.fixture(autouse=True)
def _offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch, cache)


class TestClasses(EncoderContract):
    name = "hf-hub:somebody/classes"


def test_zoobots_encoder_loads_as_timm_loads_it():
    """640 features for ConvNeXt-Nano, without a classifier in the weights, with the preprocessing that it names."""
    encoder = boda.load_encoder(f"hf-hub:{ZOOBOT}")
    assert encoder.width == 640
    assert encoder.class_names == ()
    assert encoder.recipe.licence == "gpl-3.0"
    assert encoder.recipe.pixels == PixelSpec(
        resize=64, crop=(64, 64), filter="bilinear", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    model = timm.create_model(f"hf-hub:{ZOOBOT}", pretrained=True).eval()
    pixels = some_pixels((64, 64))
    batch = ((pixels / 255 - PREPARED["mean"]) / PREPARED["std"]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        wanted = model(torch.tensor(batch, dtype=torch.float32)).numpy()
    assert wanted.shape == (6, 640)
    assert apart(encoder(pixels), wanted) <= 1e-5


def test_what_is_here_needs_no_network(monkeypatch):
    """Nobody knocks at the hub, in offline mode or not, even where a repository has no card."""
    from huggingface_hub import constants

    def never() -> None:
        raise AssertionError("knocked")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("boda.encoders.hub.knock", never)
    for name in (ZOOBOT, "somebody/classes", "somebody/pickled"):
        assert boda.load_encoder(f"hf-hub:{name}").width


def test_the_other_spelling_is_the_same_encoder():
    """`hf_hub:` is what timm wrote before."""
    assert boda.load_encoder("hf_hub:somebody/classes").recipe == boda.load_encoder("hf-hub:somebody/classes").recipe


def test_the_head_is_removed_and_names_the_classes():
    """Features are those of the plain encoder; classes have the names of the repository."""
    encoder = boda.load_encoder("hf-hub:somebody/classes")
    assert encoder.width == 96
    assert encoder.class_names == ("smooth", "features", "star")
    assert encoder.classify(some_pixels((64, 64))).shape == (6, 3)
    np.testing.assert_allclose(encoder.classify(some_pixels((64, 64))).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["pickled", "old"])
def test_other_ways_of_putting_it_there(name):
    """Weights as a torch file, and the older single-level config: the same encoder."""
    first, other = boda.load_encoder("hf-hub:somebody/classes"), boda.load_encoder(f"hf-hub:somebody/{name}")
    assert other.recipe == first.recipe


def test_arguments_that_came_with_the_weights_make_the_model():
    """`model_args` are used and are part of the recipe."""
    encoder = boda.load_encoder("hf-hub:somebody/made")
    assert encoder.recipe.arguments["stem_type"] == "deep"
    assert encoder.width == 96


def test_features_compare_with_the_same_model_of_timm(cache):
    """The same architecture, weights and pixels are the same recipe, wherever the weights came from."""
    file = next((cache / "models--somebody--classes").rglob("model.safetensors"))
    here = boda.load_encoder("hf-hub:somebody/classes")
    there = boda.load_encoder("timm:test_resnet", weights=file, pixels=here.recipe.pixels)
    assert there.recipe == here.recipe


def test_a_revision_is_another_snapshot(cache):
    """A branch and a commit may be named; files of one commit are used together."""
    from safetensors.torch import save

    for ref in ("main", "v2"):
        model = timm.create_model("test_resnet", num_classes=3)
        files = {"config.json": config("test_resnet", 3), "model.safetensors": save(model.state_dict())}
        commit = lay(cache, "somebody/revised", files, ref=ref)
    main, second = (boda.load_encoder(f"hf-hub:somebody/revised{at}") for at in ("", "@v2"))
    assert second.recipe != main.recipe
    assert boda.load_encoder(f"hf-hub:somebody/revised@{commit}").recipe == second.recipe


@pytest.mark.parametrize(
    ("name", "error", "why"),
    [
        ("somebody/grey", Refused, "1 channels"),
        ("somebody/greedy", Refused, "checkpoint_path, which makes no model but loads one"),
        ("somebody/outside", Refused, "which is no file of its repository"),
        ("somebody/unknown", UnknownEncoder, "hf-hub:somebody/unknown"),
        ("somebody/vit", Refused, "transformers:somebody/vit"),
        ("resnet18", Refused, "write OWNER/NAME"),
        ("somebody/weightless", NotOffline, r"somebody/weightless/model\.safetensors at .*--weights FILE"),
        ("somebody/nothing", NotOffline, r"somebody/nothing/config\.json, which is not in"),
        ("somebody/classes@v9", NotOffline, "config.json at v9"),
    ],
)
def test_what_cannot_be_loaded_says_why(name, error, why, cache):
    """One line: what is wrong, or which file is missing and where it was looked for."""
    with pytest.raises(error, match=why) as refusal:
        boda.load_encoder(f"hf-hub:{name}")
    assert "\n" not in str(refusal.value)
    if error is NotOffline:
        assert str(cache) in str(refusal.value)


def test_a_file_of_weights_takes_the_place_of_the_repositorys(cache):
    """The configuration still comes from the repository."""
    file = next((cache / "models--somebody--classes").rglob("model.safetensors"))
    encoder = boda.load_encoder("hf-hub:somebody/weightless", weights=file)
    assert encoder.recipe == boda.load_encoder("hf-hub:somebody/classes").recipe


def test_it_is_described_without_its_weights():
    """Width, input and licence, and whether its weights are here."""
    (zoobot,) = boda.list_encoders(f"hf-hub:{ZOOBOT}").encoders
    assert (zoobot.width, zoobot.input, zoobot.licence, zoobot.here) == (640, (64, 64), "gpl-3.0", True)
    (weightless,) = boda.list_encoders("hf-hub:somebody/weightless").encoders
    assert (weightless.width, weightless.here) == (96, False)
