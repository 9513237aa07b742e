"""open_clip's models: both towers, its own preprocessing, and the activation that the weights were trained with."""

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.encoders.text import as_text_encoder
from boda.errors import MissingExtra, NotOffline, Refused, UnknownEncoder
from boda.pixels.prepare import prepare
from boda.testing import EncoderContract
from boda.testing.encoder_contract import apart, some_pixels
from boda.torchvision_door import open_door
from hub_cache import lay, offline, real_photographs

torch = pytest.importorskip("torch")
open_door()
open_clip = pytest.importorskip("open_clip")

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
REPOSITORY = "somebody/tiny-clip"
TAG = {
    "hf_hub": f"{REPOSITORY}/",
    "mean": (0.4, 0.5, 0.6),
    "std": (0.2, 0.3, 0.4),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with random weights of the tiny model."""
    from safetensors.torch import save

    torch.manual_seed(0)
    state = open_clip.CLIP(**TINY).state_dict()
    folder = tmp_path_factory.mktemp("hub")
    card = "---\nlicense: mit # of the weights\ntags:\n- clip\n---\n# Tiny\n"
    lay(folder, REPOSITORY, {"open_clip_model.safetensors": save(state), "README.md": card})
    return folder


@pytest.fixture(autouse=True)
def tiny(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model is one of open_clip's, with one tag, and its weights are in the cache."""
    from open_clip import factory, pretrained

    offline(monkeypatch, cache)
    quick = {**TINY, "quick_gelu": True}
    known = {**factory._MODEL_CONFIGS, "tiny": TINY, "tiny-quickgelu": quick, "squashed": TINY}
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", known)
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", {"made": TAG, "padded": {**TAG, "resize_mode": "longest"}})
    monkeypatch.setitem(pretrained._PRETRAINED, "squashed", {"made": {**TAG, "resize_mode": "squash"}})


class TestTiny(EncoderContract):
    def make(self):
        return boda.load_encoder("open_clip:tiny/made")


def theirs(state_of: Path) -> "torch.nn.Module":
    """The model as open_clip itself loads it."""
    model = open_clip.CLIP(**TINY)
    open_clip.load_checkpoint(model, str(state_of))
    return model.eval()


def weights_in(cache: Path) -> Path:
    """The file in the snapshot."""
    return next(cache.rglob("open_clip_model.safetensors"))


def test_features_are_open_clips_own_and_not_normalised(cache):
    """Both towers give what open_clip gives for the same pixels and words, to 1e-5 of their length."""
    encoder = boda.load_encoder("open_clip:tiny/made")
    pixels = some_pixels((32, 32))
    model = theirs(weights_in(cache))
    batch = (torch.tensor(pixels).permute(0, 3, 1, 2) / 255 - torch.tensor(TAG["mean"])[:, None, None]) / torch.tensor(
        TAG["std"]
    )[:, None, None]
    texts = ["a photo of a cat", "two dogs", "사진"]
    with torch.no_grad():
        images = model.encode_image(batch).numpy()
        words = model.encode_text(open_clip.SimpleTokenizer(context_length=16)(texts)).numpy()
    assert apart(encoder(pixels), images) <= 1e-5
    assert apart(encoder.encode_text(texts), words) <= 1e-5
    assert encoder.width == 24
    assert not np.allclose(np.linalg.norm(images, axis=1), 1)
    assert encoder.recipe.layer == "projection"
    assert encoder.recipe.arguments["normalised"] is False
    assert encoder.recipe.licence == "mit"


@pytest.mark.parametrize("name", ["tiny/made", "squashed/made"])
def test_the_pixels_are_open_clips_own(boda_data, name):
    """Real photographs come out of the recipe's pixels as out of open_clip's transform, byte for byte."""
    from open_clip.pretrained import _PRETRAINED
    from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

    encoder = boda.load_encoder(f"open_clip:{name}", decode="exact")
    architecture = name.partition("/")[0]
    plan = merge_preprocess_dict(PreprocessCfg(size=32), _PRETRAINED[architecture]["made"])
    transform = image_transform_v2(PreprocessCfg(**plan), is_train=False)
    for content in real_photographs(boda_data, 6):
        with Image.open(io.BytesIO(content)) as image:
            wanted = transform(image).numpy()
        pixels, _ = prepare(content, encoder.recipe.pixels)
        ours = (pixels / 255 - TAG["mean"]) / TAG["std"]
        np.testing.assert_allclose(ours.transpose(2, 0, 1), wanted, atol=1e-5)


def test_text_is_checked(cache):
    """A single string, an empty text and no text at all are told apart."""
    encoder = boda.load_encoder("open_clip:tiny/made")
    assert encoder.encode_text([]).shape == (0, 24)
    for wrong in ("a cat", [""], [3]):
        with pytest.raises(Refused, match="list of them"):
            encoder.encode_text(wrong)
    assert encoder.encode_text(["word " * 400]).shape == (1, 24)


def test_text_is_the_same_whatever_the_images_compute_in():
    """The text side stays at fp32 beside bf16 images."""
    encoder = boda.load_encoder("open_clip:tiny/made")
    np.testing.assert_array_equal(encoder.at("bf16").encode_text(["a cat"]), encoder.encode_text(["a cat"]))


def test_encoders_without_a_text_side_refuse():
    """One line names one that has it."""
    with pytest.raises(Refused, match=r"'handmade:hog-colour' are of images only.*open_clip:"):
        as_text_encoder(boda.load_encoder("handmade:hog-colour"))


@pytest.mark.parametrize(
    ("asked", "right"),
    [
        ("ViT-B-32/openai", "open_clip:ViT-B-32-quickgelu/openai"),
        ("ViT-L-14/openai", "open_clip:ViT-L-14-quickgelu/openai"),
        ("RN50/openai", "open_clip:RN50-quickgelu/openai"),
        ("ViT-B-32/laion400m_e32", "open_clip:ViT-B-32-quickgelu/laion400m_e32"),
        ("ViT-B-32-quickgelu/laion2b_s34b_b79k", "open_clip:ViT-B-32/laion2b_s34b_b79k"),
        ("ViT-L-14-quickgelu/datacomp_xl_s13b_b90k", "open_clip:ViT-L-14/datacomp_xl_s13b_b90k"),
    ],
)
def test_the_wrong_activation_is_refused_with_the_right_name(asked, right):
    """Weights trained with QuickGELU load into a network with GELU and give worse features in silence: not here."""
    with pytest.raises(Refused, match="trained with") as refusal:
        boda.load_encoder(f"open_clip:{asked}")
    assert str(refusal.value).endswith(f"write {right}")
    with pytest.raises(NotOffline):
        boda.load_encoder(right)


def test_a_weights_file_does_not_hide_the_wrong_activation(cache, tmp_path):
    """A tag beside a file still says how the file was trained; OpenAI's own files say it themselves."""
    from safetensors.torch import load_file, save_file

    file = weights_in(cache)
    with pytest.raises(Refused, match="open_clip:ViT-B-32-quickgelu/openai"):
        boda.load_encoder("open_clip:ViT-B-32/openai", weights=file)
    marked = load_file(file) | {"input_resolution": torch.tensor(32)}
    save_file(marked, tmp_path / "openai.safetensors")
    with pytest.raises(Refused, match="OpenAI's weights, which need QuickGELU"):
        boda.load_encoder("open_clip:tiny", weights=tmp_path / "openai.safetensors")
    quick = boda.load_encoder("open_clip:tiny-quickgelu", weights=tmp_path / "openai.safetensors")
    plain = boda.load_encoder("open_clip:tiny", weights=file)
    assert plain.recipe.weights == quick.recipe.weights
    assert plain.recipe != quick.recipe
    assert apart(quick(some_pixels((32, 32))), plain(some_pixels((32, 32)))) > 1e-4


def test_the_recipe_counts_the_image_side_only(cache, tmp_path):
    """Another text tower beside the same image tower gives the same features, so the same recipe."""
    from safetensors.torch import load_file, save_file

    state = load_file(weights_in(cache))
    save_file(state | {"ln_final.bias": state["ln_final.bias"] + 1}, tmp_path / "other.safetensors")
    other = boda.load_encoder("open_clip:tiny/made", weights=tmp_path / "other.safetensors")
    assert other.recipe == boda.load_encoder("open_clip:tiny/made").recipe
    assert other.recipe.licence == ""


def test_names_that_are_not_open_clips_get_near_ones():
    """A misspelt architecture, a misspelt tag, and no tag at all."""
    with pytest.raises(UnknownEncoder, match="ViT-B-32"):
        boda.load_encoder("open_clip:ViTB32/openai")
    with pytest.raises(UnknownEncoder, match="open_clip:tiny/made"):
        boda.load_encoder("open_clip:tiny/mad")
    with pytest.raises(Refused, match=r"open_clip:tiny/TAG \(made, padded\)"):
        boda.load_encoder("open_clip:tiny")


def test_padding_and_foreign_text_towers_are_refused(cache):
    """What a PixelSpec cannot state, and towers of other libraries."""
    with pytest.raises(Refused, match="resize mode 'longest'"):
        boda.load_encoder("open_clip:tiny/padded")
    with pytest.raises(Refused, match="another library"):
        boda.load_encoder("open_clip:roberta-ViT-B-32", weights=weights_in(cache))


def test_not_here_names_file_and_folder(cache):
    """The first file that would do, the cache, and what works now."""
    with pytest.raises(NotOffline) as error:
        boda.load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k")
    text = str(error.value)
    for part in ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K/open_clip_model.safetensors", str(cache), "--weights FILE"):
        assert part in text
    assert "\n" not in text


def test_without_open_clip_the_extra_is_named(monkeypatch):
    """One line says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "open_clip", None)
    with pytest.raises(MissingExtra, match=r"boda\[open_clip\]"):
        boda.load_encoder("open_clip:tiny/made")


def test_loading_leaves_logging_alone():
    """open_clip's own factory would add a handler to the root logger, and warn about random weights."""
    handlers = list(logging.getLogger().handlers)
    boda.load_encoder("open_clip:tiny/made")
    assert logging.getLogger().handlers == handlers


def test_it_is_described_without_its_weights(monkeypatch):
    """Width, input and licence, and whether its weights are here."""
    from open_clip.pretrained import _PRETRAINED

    (here,) = boda.list_encoders("open_clip:tiny/made").encoders
    assert (here.width, here.input, here.licence, here.here) == (24, (32, 32), "mit", True)
    monkeypatch.setitem(_PRETRAINED, "squashed", {"away": {**TAG, "hf_hub": "somebody/else/"}})
    (away,) = boda.list_encoders("open_clip:squashed/away").encoders
    assert (away.width, away.here) == (24, False)
    assert "--weights FILE" in away.missing


@pytest.mark.parametrize(("trunk", "pool", "tokens"), [("vit_tiny_patch16_224", "token", 1), ("test_resnet", "avg", 0)])
def test_a_trunk_of_timm_tells_its_tokens(trunk, pool, tokens):
    """Random weights: a class token is taken as one, and has no part in the mean over places; a map has none."""
    from open_clip.timm_model import TimmModel

    from boda.encoders.open_clip_models import _network
    from boda.encoders.torch_encoder import TorchEncoder
    from boda.recipe import Recipe

    torch.manual_seed(0)
    side = 224 if tokens else 96
    network = _network(TimmModel(trunk, 24, side, pool=pool).eval())
    assert (network.prefix_tokens, network.class_token) == (tokens, tokens > 0)
    pixels = boda.PixelSpec(resize=(side, side), crop=(side, side))
    recipe = Recipe("open_clip:made", "", "projection", "model", pixels, name="open_clip:made")
    encoder = TorchEncoder(network, recipe, torch.device("cpu"))
    images = some_pixels((side, side))[:2]
    assert encoder(images).shape == (2, 24)
    if not tokens:
        return
    batch = torch.tensor(images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        last = network.module.trunk.forward_features(batch).numpy()
    assert last.shape[1] == 1 + 14 * 14
    assert apart(encoder.take("trunk.norm", "mean")(images), last[:, 1:].mean(axis=1)) <= 1e-5
    assert apart(encoder.take("trunk.norm", "cls")(images), last[:, 0]) <= 1e-5
