"""Arguments and sizes of timm's models, asked for by name and by --pixels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import boda
from boda.encoders.registry import encoder_for
from boda.encoders.timm_models import import_timm
from boda.errors import Refused
from boda.pixels.spec import PixelSpec
from boda.testing.encoder_contract import apart

timm = import_timm("a test")


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (2, side, side, 3), dtype=np.uint8)


def timms(name: str, file: Path, pixels: np.ndarray, spec: PixelSpec, **arguments) -> np.ndarray:
    """What timm's own model of these arguments gives."""
    model = timm.create_model(name, **arguments)
    model.load_state_dict(load_file(file))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    with torch.no_grad():
        batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
        return model.eval().forward_head(model.forward_features(batch), pre_logits=True).numpy()


@pytest.mark.parametrize("arguments", ["pad_type=same", "act_layer=relu&drop_rate=0.5"])
def test_arguments_reach_timm_and_count(arguments: str, random_file: Callable[..., Path]):
    """The numbers are timm's with the same arguments; the recipe is another, and finds the same encoder again."""
    file = random_file("test_efficientnet")
    name = f"timm:test_efficientnet?{arguments}"
    encoder, plain = (boda.load_encoder(one, weights=file) for one in (name, "timm:test_efficientnet"))
    spec = encoder.recipe.pixels
    pixels = noise(spec.shape[0])
    expected = timms("test_efficientnet", file, pixels, spec, **dict(a.split("=") for a in arguments.split("&")[:1]))
    assert apart(encoder(pixels), expected) <= 1e-5
    assert apart(encoder(pixels), plain(pixels)) > 1e-3
    assert encoder.recipe.architecture == plain.recipe.architecture == "timm:test_efficientnet"
    assert encoder.recipe.name == name
    assert encoder.recipe != plain.recipe
    assert encoder_for(encoder.recipe, weights=file).recipe == encoder.recipe


def test_the_order_of_arguments_does_not_count(random_file: Callable[..., Path]):
    """They are one mapping."""
    file = random_file("test_efficientnet")
    one, other = (
        boda.load_encoder(f"timm:test_efficientnet?{text}", weights=file).recipe
        for text in ("drop_rate=0&pad_type=same", "pad_type=same&drop_rate=0")
    )
    assert one == other
    assert one.arguments == {"drop_rate": 0, "pad_type": "same", "adapter": 1}


@pytest.mark.parametrize(
    "argument",
    ["foo=1", "pretrained=true", "checkpoint_path=x", "num_classes=0", "in_chans=1", "features_only=true", "adapter=2"],
)
def test_unknown_arguments_are_refused_by_name(argument: str, random_file: Callable[..., Path]):
    """With those that are known; also what boda itself decides. Nothing is fetched."""
    name = argument.partition("=")[0]
    with pytest.raises(Refused, match=rf"has no argument {name}; known: .*drop_rate.*pad_type") as refusal:
        boda.load_encoder(f"timm:test_efficientnet?{argument}", weights=random_file("test_efficientnet"))
    assert "\n" not in str(refusal.value)


def test_arguments_that_make_no_model_are_refused(random_file: Callable[..., Path]):
    """What timm answers is told in one line; encoders without arguments say so."""
    with pytest.raises(Refused, match="timm cannot make it so"):
        boda.load_encoder("timm:test_resnet?block=x", weights=random_file("test_resnet"))
    with pytest.raises(Refused, match="takes no arguments; leave out side"):
        boda.load_encoder("handmade:hog-colour?side=64")
    with pytest.raises(Refused, match="takes no arguments; leave out x"):
        boda.load_encoder("some_module:make?x=1")


def test_the_default_encoder_takes_arguments_too():
    """`auto` is a model of timm."""
    recipe = boda.load_encoder("auto?drop_rate=0").recipe
    assert (recipe.name, recipe.arguments) == ("auto?drop_rate=0", {"drop_rate": 0, "adapter": 1})


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_another_size_is_taken_where_the_network_can(name: str, random_file: Callable[..., Path]):
    """A convolutional network as it is; a transformer of one size is made for it, its table of places resampled."""
    file = random_file(name)
    encoder = boda.load_encoder(f"timm:{name}", weights=file, pixels="size=96x128,mean=0.5,std=0.25,filter=bilinear")
    spec = encoder.recipe.pixels
    assert (spec.shape, spec.mean, spec.std, spec.filter) == ((96, 128), (0.5,) * 3, (0.25,) * 3, "bilinear")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    again = encoder_for(encoder.recipe, weights=file)
    np.testing.assert_array_equal(again(pixels), encoder(pixels))
    assert encoder.take(pooling="gem").width == encoder.width


def test_a_transformer_of_another_size_is_timms(random_file: Callable[..., Path], tmp_path: Path):
    """The same numbers as timm's own resampling of the table of places."""
    file = random_file("test_vit")
    encoder = boda.load_encoder("timm:test_vit", weights=file, pixels="size=96")
    state = timms_translation(load_file(file), timm.create_model("test_vit", img_size=96))
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "resampled.safetensors")
    expected = timms("test_vit", tmp_path / "resampled.safetensors", noise(96), encoder.recipe.pixels, img_size=96)
    assert apart(encoder(noise(96)), expected) <= 1e-5
    named = boda.load_encoder("timm:test_vit?img_size=96", weights=file)
    assert named.recipe.pixels == encoder.recipe.pixels
    np.testing.assert_array_equal(named(noise(96)), encoder(noise(96)))


def timms_translation(state: dict, model: torch.nn.Module) -> dict:
    """Timm's own translation of weights for a model."""
    from timm.models.vision_transformer import checkpoint_filter_fn

    return checkpoint_filter_fn(state, model)


def test_sizes_that_a_network_cannot_take_are_refused(random_file: Callable[..., Path]):
    """With the reason: weights bound to a size, a size without room, or an argument that says otherwise."""
    with pytest.raises(Refused, match=r"made for 224 x 224, and its weights do not fit another size"):
        boda.load_encoder("timm:resmlp_12_224", weights=random_file("resmlp_12_224"), pixels="size=160")
    with pytest.raises(Refused, match=r"cannot take images of 96 x 96 pixels: .*96.*64"):
        boda.load_encoder(
            "timm:vit_tiny_patch16_224?img_size=64",
            weights=random_file("vit_tiny_patch16_224", img_size=64),
            pixels="size=96",
        )
    vit = random_file("test_vit")
    with pytest.raises(Refused, match="no pixel setting"):
        boda.load_encoder("timm:test_vit", weights=vit, pixels="side=96")
    flexible = boda.load_encoder("timm:test_vit?dynamic_img_size=true", weights=vit, pixels="size=96")
    assert flexible(noise(96)).shape == (2, flexible.width)


def test_rules_look_at_pixels_of_one_size_as_they_are():
    """`handmade` takes another way of shrinking, but no other size and no normalising."""
    encoder = boda.load_encoder("handmade:hog-colour", pixels="resize=160,filter=bilinear")
    assert (encoder.recipe.pixels.resize, encoder.recipe.pixels.filter) == (160, "bilinear")
    assert encoder_for(encoder.recipe).recipe == encoder.recipe
    for settings in ("size=64", "crop=64", "mean=0.5", "std=0.5"):
        with pytest.raises(Refused, match="leave out --pixels"):
            boda.load_encoder("handmade:hog-colour", pixels=settings)
