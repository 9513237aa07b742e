"""Features of named layers: against timm's and torchvision's own feature extraction, on random weights."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import boda
from boda.encoders.layers import last_map
from boda.encoders.registry import encoder_for, encoders_for
from boda.encoders.taking import each_taken, grouped, in_one_pass
from boda.encoders.timm_models import import_timm
from boda.encoders.torch_encoder import Network, TorchEncoder
from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.testing.encoder_contract import apart

timm = import_timm("a test")
SIDE = 64
FIXED = {"vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "test_vit"}
PIXELS = np.random.default_rng(3).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def load(random_file: Callable[..., Path]):
    """An encoder with random weights for images of 64 x 64, and its file."""

    def load(name: str, **options) -> tuple[TorchEncoder, Path]:
        file = random_file(name, **({"img_size": SIDE} if name in FIXED else {}))
        return boda.load_encoder(f"timm:{name}", weights=file, pixels=f"size={SIDE}", **options), file

    return load


def batch_for(encoder: TorchEncoder, pixels: np.ndarray = PIXELS) -> torch.Tensor:
    """The pixels as the network sees them."""
    spec = encoder.recipe.pixels
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std


def near(ours: np.ndarray, theirs: torch.Tensor, within: float = 1e-5) -> None:
    assert ours.shape == tuple(theirs.shape)
    assert apart(ours, theirs.numpy()) <= within


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "efficientnet_b0", "convnext_atto"])
def test_maps_are_those_of_timms_feature_extraction(name: str, load):
    """Each stage that timm names, averaged over places; several in one pass."""
    encoder, file = load(name)
    theirs = timm.create_model(name, features_only=True)
    known = theirs.state_dict().keys()
    spelt = {name.replace("stages.", "stages_").replace("stem.", "stem_"): t for name, t in load_file(file).items()}
    state = spelt if "stem_0.weight" in known else load_file(file)
    assert theirs.load_state_dict(state, strict=False).missing_keys == []
    with torch.no_grad():
        maps = theirs.eval()(batch_for(encoder))
    layers = theirs.feature_info.module_name()
    assert len(layers) >= 4
    taken = each_taken(encoder, layers, ["mean"])
    for ours, map_ in zip(in_one_pass(taken, PIXELS), maps, strict=True):
        near(ours, map_.mean(dim=(2, 3)))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_tokens_and_channels_last_maps_are_timms_intermediates(name: str, load):
    """A transformer's patches without its class token; Swin's maps with channels last."""
    encoder, file = load(name)
    model = timm.create_model(name, img_size=SIDE)
    model.load_state_dict(load_file(file))
    kind = {"norm": False} if name.startswith("vit") else {}
    with torch.no_grad():
        maps = model.eval().forward_intermediates(batch_for(encoder), intermediates_only=True, **kind)
    layers = [f"blocks.{i}" if name.startswith("vit") else f"layers.{i}" for i in range(len(maps))]
    for ours, map_ in zip(in_one_pass(each_taken(encoder, layers, ["mean"]), PIXELS), maps, strict=True):
        near(ours, map_.mean(dim=(2, 3)))


def test_the_class_token_is_the_first(load):
    """`cls` of a transformer's block, of its last map, and what the model itself gives."""
    encoder, file = load("vit_tiny_patch16_224")
    model = timm.create_model("vit_tiny_patch16_224", img_size=SIDE)
    model.load_state_dict(load_file(file))
    given = {}
    model.blocks[5].register_forward_hook(lambda part, given_, made: given.update(made=made))
    with torch.no_grad():
        last = model.eval().forward_features(batch_for(encoder))
    near(encoder.take("blocks.5", "cls")(PIXELS), given["made"][:, 0])
    near(encoder.take("blocks.5", "mean")(PIXELS), given["made"][:, 1:].mean(1))
    near(encoder.take(pooling="cls")(PIXELS), last[:, 0])
    near(encoder.take(pooling="cls")(PIXELS), torch.from_numpy(encoder(PIXELS)))


def test_layers_are_torchvisions_too(load):
    """The same names and numbers as its feature extraction of ResNet-18, also inside a block."""
    import torchvision

    encoder, file = load("resnet18")
    model = torchvision.models.resnet18()
    model.load_state_dict(load_file(file))
    layers = ["conv1", "maxpool", "layer1.0.conv1", "layer2.1", "layer3.0.downsample.0", "layer4"]
    extract = torchvision.models.feature_extraction.create_feature_extractor(model.eval(), layers)
    with torch.no_grad():
        maps = extract(batch_for(encoder))
    for ours, layer in zip(in_one_pass(each_taken(encoder, layers, ["mean"]), PIXELS), layers, strict=True):
        near(ours, maps[layer].mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "conv1"), ("resnet18", "bn1"), ("resnet18", "layer1.0.bn2"),
        ("mobilenetv2_100", "conv_stem"), ("mobilenetv2_100", "bn1"), ("mobilenetv2_100", "bn1.act"),
        ("mobilenetv2_100", "bn1.drop"), ("mobilenetv2_100", "blocks.1.0.conv_dw"), ("mobilenetv2_100", "blocks.1.0.bn1"),
    ],
)  # fmt: skip
def test_a_layer_that_would_be_folded_gives_what_it_is(name: str, layer: str, load):
    """A convolution without the norm after it; a norm; and what is inside a norm: heard in the bare network."""
    encoder, file = load(name)
    model = timm.create_model(name)
    model.load_state_dict(load_file(file))
    given = {}
    model.get_submodule(layer).register_forward_hook(lambda part, given_, made: given.update(made=made.clone()))
    with torch.no_grad():
        model.eval()(batch_for(encoder))
    near(encoder.take(layer)(PIXELS), given["made"].mean(dim=(2, 3)))


class Wrapped(torch.nn.Module):
    """A convolution in wrappers that hand its output on, then its norm."""

    pixels = PixelSpec(resize=8, crop=(8, 8))

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.outer = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), torch.nn.Identity())
        self.norm = torch.nn.BatchNorm2d(4)
        self.norm.running_mean.uniform_(-1, 1)
        self.act = torch.nn.ReLU(inplace=True)
        self.twice = torch.nn.Identity()
        self.never = torch.nn.Identity()
        self.pair = Pair()
        self.late = Counting()

    def forward(self, batch):
        made = self.act(self.norm(self.outer(batch)))
        made = self.twice(self.twice(made))
        return self.late(last_map(self.pair(made)[0])).mean(dim=(2, 3))


class Pair(torch.nn.Module):
    def forward(self, made):
        return made, made


class Counting(torch.nn.Module):
    calls = 0

    def forward(self, made):
        self.calls += 1
        return made


def wrapped() -> TorchEncoder:
    recipe = Recipe("test:wrapped", "", "output", "none", Wrapped.pixels, name="wrapped")
    return TorchEncoder(Network(Wrapped(), lambda module, batch: module(batch)), recipe, torch.device("cpu"))


SMALL = np.random.default_rng(1).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("layer", ["outer", "outer.0", "outer.0.0", "outer.1", "norm"])
def test_what_hands_a_convolutions_output_on_is_not_folded_away(layer: str):
    """Wrappers and identities around it give the bare convolution; and what ReLU then does in place is not seen."""
    encoder, model = wrapped(), Wrapped().eval()
    with torch.no_grad():
        made = model.outer(torch.from_numpy(SMALL).permute(0, 3, 1, 2) / 255)
        expected = model.norm(made) if layer == "norm" else made
    near(encoder.take(layer)(SMALL), expected.mean(dim=(2, 3)))


def test_the_pass_ends_with_the_last_layer_that_is_wanted():
    """What comes after it is not computed, alone and together; with the model's own features all is."""
    encoder = wrapped()
    early = each_taken(encoder, ["outer", "act"], ["mean", "gem"])
    in_one_pass(early, SMALL)  # makes the module that is counted below
    modules = {id(module): module.late for module in encoder._running._modules.values()}
    before = {key: late.calls for key, late in modules.items()}
    in_one_pass(early, SMALL)
    early[0](SMALL)
    assert {key: late.calls for key, late in modules.items()} == before
    in_one_pass([*early, encoder], SMALL)
    assert sum(late.calls for late in modules.values()) == sum(before.values()) + 1


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("test_resnet", ["layer1", "layer3"]),
        ("test_efficientnet", ["bn1", "blocks.1"]),
        ("test_vit", ["blocks.1", "blocks.3"]),
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_together_is_to_the_bit_what_each_gives_alone(name: str, layers: list[str], precision: str, load):
    """Several layers and poolings and the model's own features are one group, and one pass."""
    encoder, _ = load(name, precision=precision)
    taken = [*each_taken(encoder, [*layers, "last"], ["mean", "gem"]), encoder]
    assert grouped(taken) == [tuple(range(7))]
    for one, together in zip(taken, in_one_pass(taken, PIXELS), strict=True):
        np.testing.assert_array_equal(together, one(PIXELS))


def test_layers_that_are_folded_away_take_a_pass_of_their_own(load):
    """All of them one, through the network as it was; the others keep their bits."""
    encoder, _ = load("test_resnet")
    taken = each_taken(encoder, ["layer1.0.conv1", "layer2", "conv1.0", "pooled"], [])
    assert grouped(taken) == [(0, 2), (1, 3)]
    for group in grouped(taken):
        members = [taken[place] for place in group]
        for one, together in zip(members, in_one_pass(members, PIXELS), strict=True):
            np.testing.assert_array_equal(together, one(PIXELS))


def test_several_threads_hear_their_own_layers(load):
    """Each thread gets what it asked for, while others ask for other layers of the same network."""
    encoder, _ = load("test_resnet")
    taken = each_taken(encoder, ["layer1", "layer2", "layer4"], ["mean"])
    expected = [one(PIXELS) for one in taken]
    found: dict[int, list[np.ndarray]] = {}

    def work(place: int) -> None:
        found[place] = [taken[place](PIXELS) for _ in range(4)]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, answers in found.items():
        for answer in answers:
            assert apart(answer, expected[place]) <= 1e-6


def test_a_layer_is_a_recipe_of_its_own_and_is_found_again(load):
    """Layer and pooling count; the recipe alone restores pixels, layer, pooling and arguments, bit for bit."""
    base, file = load("test_resnet")
    taken = each_taken(base, ["layer1", "layer1.0.conv1", "last"], ["mean", "gem"])
    assert len({one.recipe.id for one in [*taken, base]}) == 7
    for one in taken:
        again = encoder_for(Recipe.from_json(one.recipe.as_json()), weights=file)
        assert again.recipe == one.recipe
        np.testing.assert_array_equal(again(PIXELS), one(PIXELS))
    recipes = [one.recipe for one in [*taken, base, base.at("bf16")]]
    together = encoders_for(recipes, weights=file)
    assert [one.recipe for one in together] == recipes
    assert grouped(together) == [(0, 1, 4, 5, 6), (2, 3), (7,)]
    assert encoder_for(taken[0].recipe, base).recipe == taken[0].recipe


def test_words_for_the_models_own_features(load):
    """Nothing asked, `model`, and its own layer's name are the encoder itself; so is the way back from a layer."""
    encoder, _ = load("test_resnet")
    assert encoder.take() is encoder.take("pooled") is encoder.take("pooled", "model") is encoder
    assert encoder.take("layer2", "gem").take(pooling="model") is encoder
    assert encoder.take(pooling="mean").recipe.layer == "last"
    assert encoder.take("layer2").recipe.pooling == "mean"
    near(encoder.take(pooling="mean")(PIXELS), torch.from_numpy(encoder(PIXELS)))


def test_vectors_are_taken_as_they_are():
    """A layer that gives one vector an image needs no pooling, and takes none."""
    name = "test:flat"
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 5))
    recipe = Recipe(name, "", "output", "none", PixelSpec(resize=8, crop=(8, 8)), name=name)
    encoder = TorchEncoder(Network(net, lambda module, batch: module(batch)), recipe, torch.device("cpu"))
    taken = encoder.take("1")
    assert (taken.recipe.pooling, taken.width) == ("none", 72)
    assert taken(SMALL).shape == (4, 72)
    with pytest.raises(Refused, match="one vector an image already"):
        encoder.take("1", "mean")


class Cube(torch.nn.Module):
    """A map as wide as it is deep, channels first or last."""

    def __init__(self, *, last: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.last, self.map = torch.nn.Conv2d(3, 8, 1), last, torch.nn.Identity()

    def forward(self, batch):
        made = self.conv(batch)
        return self.map(made.permute(0, 2, 3, 1) if self.last else made).mean(dim=(2, 3))


@pytest.mark.parametrize("last", [False, True])
def test_maps_as_wide_as_they_are_deep_are_measured_again(last: bool):
    """8 x 8 x 8 could be read in two ways; at twice the size it cannot."""
    recipe = Recipe("test:cube", "", "output", "none", Wrapped.pixels, name="cube")
    net = Cube(last=last)
    encoder = TorchEncoder(Network(net, lambda module, batch: module(batch)), recipe, torch.device("cpu"))
    with torch.no_grad():
        expected = net.conv(torch.from_numpy(SMALL).permute(0, 3, 1, 2) / 255).mean(dim=(2, 3))
    near(encoder.take("map")(SMALL), expected)


@pytest.mark.parametrize(
    ("layer", "pooling", "message"),
    [
        ("outer.2", None, r"no layer 'outer.2'. Near: outer.1.*boda encoders wrapped --layers"),
        ("twice", None, "called 2 times"),
        ("never", None, "called 0 times"),
        ("pair", None, "no tensor with one row an image"),
        ("outer", "cls", "no class token"),
        ("outer", "none", "features at many places"),
        ("outer", "model", "not what the model pools"),
        ("outer", "max", "no pooling 'max'"),
        ("output", "mean", "leave out --layer"),
    ],
)
def test_layers_that_cannot_be_features_are_refused(layer: str, pooling: str | None, message: str):
    """In one line that says why and what to do."""
    with pytest.raises(Refused, match=message) as refusal:
        wrapped().take(layer, pooling)
    assert "\n" not in str(refusal.value)


def test_encoders_without_layers_say_so():
    """Rules have no layers; what they give already goes by any name for it."""
    encoder = boda.load_encoder("handmade:hog-colour", layer="pooled", pooling="model")
    assert encoder.recipe.id == "d1ed655c75db02a9"
    with pytest.raises(Refused, match="no layers that can be named"):
        boda.load_encoder("handmade:hog-colour", layer="layer3")


def test_what_the_default_encoders_recipes_are_has_not_changed():
    """Features that people have stay good."""
    assert boda.load_encoder("auto").recipe.id == "c47c479a998216a3"
