"""timm's models as encoders: their own preprocessing, features and classifier, checked against timm itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import boda
from boda.encoders.classifier import as_classifier
from boda.encoders.timm_models import import_timm, pixel_spec
from boda.errors import Refused

timm = import_timm("a test")


def pixels_of(side: int, n: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_features_and_logits_are_timms(name: str, resnet_file: Path, vit_file: Path):
    """Against timm's own preprocessing, forward_head(pre_logits) and forward, to 1e-5 of the norm."""
    file = {"test_resnet": resnet_file, "test_vit": vit_file}[name]
    encoder = as_classifier(boda.load_encoder(f"timm:{name}", weights=file))
    model = timm.create_model(name, checkpoint_path=str(file)).eval()
    data = timm.data.resolve_model_data_config(model)
    side = data["input_size"][1]
    to_tensor = timm.data.create_transform(**{**data, "crop_pct": 1.0})
    pixels = pixels_of(side)
    with torch.no_grad():
        batch = torch.stack([to_tensor(Image.fromarray(one)) for one in pixels])
        features = model.forward_head(model.forward_features(batch), pre_logits=True).numpy()
        logits = model(batch).numpy()
    for ours, theirs in ((encoder(pixels), features), (encoder.logits(pixels), logits)):
        assert ours.shape == theirs.shape
        assert (np.linalg.norm(ours - theirs, axis=1) <= 1e-5 * np.linalg.norm(theirs, axis=1)).all()
    np.testing.assert_allclose(encoder.classify(pixels), torch.from_numpy(logits).softmax(1), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "resize", "crop", "filtered"),
    [
        ("resnet18", 235, 224, "bicubic"),
        ("tf_efficientnet_lite0", 256, 224, "bicubic"),
        ("mobilenetv2_100", 256, 224, "bicubic"),
        ("resnet18.tv_in1k", 256, 224, "bilinear"),
        ("vit_base_patch32_clip_224.openai", 248, 224, "bicubic"),
        ("vit_base_patch16_clip_384.laion2b_ft_in1k", (384, 384), 384, "bicubic"),
    ],
)
def test_preprocessing_is_what_timm_evaluates_with(name: str, resize, crop: int, filtered: str):
    """Resize, crop and filter from timm's configuration; `squash` resizes both sides."""
    config = timm.get_pretrained_cfg(name).to_dict()
    spec = pixel_spec(timm.data.resolve_data_config(pretrained_cfg=config), name)
    assert (spec.resize, spec.crop, spec.filter) == (resize, (crop, crop), filtered)
    assert spec.mean == tuple(config["mean"])
    assert spec.std == tuple(config["std"])


def test_preprocessing_equals_timms_transform_on_a_photograph():
    """The spec means the pixels that timm's own transform makes."""
    from boda.pixels.resize import fit

    ramp = np.add.outer(np.arange(300), np.arange(400))[..., None] * [1, 2, 3] % 256
    picture = Image.fromarray(ramp.astype(np.uint8))
    for name in ("resnet18", "tf_efficientnet_lite0", "vit_base_patch16_clip_384.laion2b_ft_in1k"):
        data = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
        theirs = timm.data.create_transform(**{**data, "mean": (0, 0, 0), "std": (1, 1, 1)})(picture)
        ours = fit(picture, pixel_spec(data, name))
        np.testing.assert_array_equal(ours, (theirs.numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0))


@pytest.mark.parametrize("change", [{"crop_mode": "border"}, {"input_size": (1, 32, 32)}, {"input_size": (3, 32, 64)}])
def test_preprocessing_that_cannot_be_stated_is_refused(change: dict):
    """Padding to a border, grey images, and oblong centre crops: not guessed."""
    data = {"input_size": (3, 32, 32), "crop_mode": "center", "crop_pct": 0.9, "interpolation": "bicubic"}
    with pytest.raises(Refused, match="cannot state"):
        pixel_spec(data | {"mean": (0, 0, 0), "std": (1, 1, 1)} | change, "it")


def test_the_recipe_says_what_computed():
    """Architecture, layer, pooling, pixels; auto is the timm model it is, by another name."""
    recipe = boda.load_encoder("auto").recipe
    assert (recipe.architecture, recipe.layer, recipe.pooling) == ("timm:tf_efficientnet_lite0", "pooled", "model")
    assert (recipe.precision, recipe.name, recipe.licence) == ("fp32", "auto", "apache-2.0")
    assert (recipe.pixels.resize, recipe.pixels.crop, recipe.pixels.mean) == (256, (224, 224), (0.5, 0.5, 0.5))


def test_the_classifier_is_not_part_of_the_features(tmp_path: Path, resnet_file: Path):
    """Another classifier, or none, gives the same recipe; another backbone does not."""
    state = load_file(resnet_file)
    base = boda.load_encoder("timm:test_resnet", weights=resnet_file)
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    save_file(headless, tmp_path / "headless.safetensors")
    save_file(state | {"fc.bias": state["fc.bias"] + 1}, tmp_path / "head.safetensors")
    save_file(state | {"layer1.0.conv1.weight": state["layer1.0.conv1.weight"] + 1e-3}, tmp_path / "other.safetensors")
    without, head, other = (
        boda.load_encoder("timm:test_resnet", weights=tmp_path / f"{name}.safetensors")
        for name in ("headless", "head", "other")
    )
    assert without.recipe == head.recipe == base.recipe != other.recipe
    with pytest.raises(Refused, match="no classifier"):
        as_classifier(without)
    with pytest.raises(Refused, match="no classifier"):
        without.classify(pixels_of(160))


def test_weights_trained_for_other_classes_bring_their_number(tmp_path: Path, resnet_file: Path):
    """A file fine-tuned for 7 classes has 7, without invented names; 1,000 are ImageNet's, named by timm."""
    torch.manual_seed(0)
    tuned = timm.create_model("test_resnet", num_classes=7)
    save_file(tuned.state_dict(), tmp_path / "seven.safetensors")
    seven = as_classifier(boda.load_encoder("timm:test_resnet", weights=tmp_path / "seven.safetensors"))
    assert seven.class_names == tuple(f"class {i}" for i in range(7))
    assert seven.classify(pixels_of(160)).shape == (3, 7)
    names = as_classifier(boda.load_encoder("timm:test_resnet", weights=resnet_file)).class_names
    assert len(names) == 1000
    assert names[0] == "tench, Tinca tinca"
    assert names[999].startswith("toilet tissue")


def test_weights_of_another_model_are_refused(resnet_file: Path):
    """With what is missing and what is unexpected."""
    with pytest.raises(Refused, match=r"missing: .*; \d+ unexpected: "):
        boda.load_encoder("timm:test_vit", weights=resnet_file)


def test_foreign_names_go_through_timms_own_translation(tmp_path: Path, vit_file: Path):
    """Checkpoints in the names of another library are loaded where timm knows how: here a resampled position table."""
    state = load_file(vit_file)
    state["pos_embed"] = torch.zeros(1, 65, state["pos_embed"].shape[2])
    save_file(state, tmp_path / "small.safetensors")
    encoder = boda.load_encoder("timm:test_vit", weights=tmp_path / "small.safetensors")
    assert encoder(pixels_of(160)).shape == (3, encoder.width)


def test_numbers_are_the_same_at_bf16_alone_and_in_a_batch(resnet_file: Path):
    """To 2e-2 of the norm, as stated; and bf16 is near fp32."""
    encoder = boda.load_encoder("timm:test_resnet", weights=resnet_file).at("bf16")
    pixels = pixels_of(160, 4)
    together, alone = encoder(pixels), np.concatenate([encoder(one[None]) for one in pixels])
    exact = encoder.at("fp32")(pixels)
    assert (np.linalg.norm(together - alone, axis=1) <= 2e-2 * np.linalg.norm(exact, axis=1)).all()
    assert (np.linalg.norm(together - exact, axis=1) <= 5e-2 * np.linalg.norm(exact, axis=1)).all()


def test_each_precision_is_made_once(resnet_file: Path):
    """Going there and back gives the same objects: weights are held once a precision."""
    encoder = boda.load_encoder("timm:test_resnet", weights=resnet_file)
    half = encoder.at("bf16")
    assert encoder.at("bf16") is half
    assert half.at("bf16") is half
    assert half.at("fp32") is encoder
