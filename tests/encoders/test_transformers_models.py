"""Models of transformers: their own pooled features, their own pixels, nothing random and nobody's code."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.encoders.image_processor import pixel_spec
from boda.errors import MissingExtra, NotOffline, Refused
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.testing import EncoderContract
from boda.testing.encoder_contract import apart, some_pixels
from boda.torchvision_door import open_door
from hub_cache import lay, offline, real_photographs

torch = pytest.importorskip("torch")
open_door()
transformers = pytest.importorskip("transformers")

VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48, "image_size": 32, "patch_size": 8}  # fmt: skip
TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
WORDS = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "c": 3, "at</w>": 4, "cat</w>": 5, "dog</w>": 6, "t</w>": 7, "a": 8, "d": 9, "o": 10, "g</w>": 11, "og</w>": 12}  # fmt: skip
MERGES = "#version: 0.2\na t</w>\nc at</w>\no g</w>\nd og</w>\n"
SQUASHED = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 2}
CROPPED = {
    "image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 40}, "resample": 3,
    "crop_size": {"height": 32, "width": 32}, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}  # fmt: skip
CARD = "---\nlicense: other\nlicense_name: my-licence\n---\n"


def models() -> dict[str, tuple["torch.nn.Module", dict[str, object]]]:
    """One small model a kind with random weights, and its processor."""
    t = transformers
    clip = t.CLIPConfig(
        vision_config={**TOWER, "image_size": 32, "patch_size": 8},
        text_config={**TOWER, "vocab_size": 13, "max_position_embeddings": 12, "bos_token_id": 0, "eos_token_id": 1},
        projection_dim=24,
    )
    convnext = t.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], num_labels=5)
    swin = t.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[1, 2], window_size=4)
    crops = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.875}
    return {
        "vit": (t.ViTModel(t.ViTConfig(**VIT)), SQUASHED),
        "vit-classes": (t.ViTForImageClassification(t.ViTConfig(**VIT)), SQUASHED),
        "dinov2": (t.Dinov2Model(t.Dinov2Config(**VIT)), CROPPED),
        "clip": (t.CLIPModel(clip), {**CROPPED, "image_processor_type": "CLIPImageProcessor"}),
        "convnext": (t.ConvNextForImageClassification(convnext), crops),
        "swin": (t.SwinModel(swin), SQUASHED),
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with one repository a kind."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hub")
    for kind, (model, processor) in models().items():
        put(folder, f"somebody/{kind}", model, processor, tmp_path_factory.mktemp(kind))
    return folder


def put(cache: Path, repository: str, model: "torch.nn.Module", processor: object, place: Path, **more: object) -> None:
    """Lay a model into the cache as its library saves it."""
    from boda.encoders.transformers_models import _silent

    for tensor in model.parameters():
        torch.nn.init.normal_(tensor, std=0.3)
    with _silent():
        model.save_pretrained(place, **more)
    files = {file.name: file for file in place.iterdir()}
    files |= {"preprocessor_config.json": json.dumps(processor), "README.md": CARD}
    if model.config.model_type == "clip":
        files |= {"vocab.json": json.dumps(WORDS), "merges.txt": MERGES, "tokenizer_config.json": '{"tokenizer_class": "CLIPTokenizer"}'}  # fmt: skip
    lay(cache, repository, files)


@pytest.fixture(autouse=True)
def _offline(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch, cache)


class TestVit(EncoderContract):
    name = "transformers:somebody/vit"


class TestDinov2(EncoderContract):
    def make(self):
        return boda.load_encoder("transformers:somebody/dinov2")


class TestClip(EncoderContract):
    def make(self):
        return boda.load_encoder("transformers:somebody/clip")


class TestConvNext(EncoderContract):
    def make(self):
        return boda.load_encoder("transformers:somebody/convnext")


class TestSwin(EncoderContract):
    def make(self):
        return boda.load_encoder("transformers:somebody/swin")


def snapshot(cache: Path, kind: str) -> Path:
    """The folder that transformers would load from."""
    return next((cache / f"models--somebody--{kind}" / "snapshots").iterdir())


def normalised(pixels: np.ndarray, spec: PixelSpec) -> "torch.Tensor":
    """(n, h, w, 3) uint8 to (n, 3, h, w) float32."""
    return torch.tensor(((pixels / 255 - spec.mean) / spec.std).transpose(0, 3, 1, 2), dtype=torch.float32)


@pytest.mark.parametrize(
    ("kind", "layer", "width"),
    [
        ("vit", "pooler_output", 32),
        ("dinov2", "pooler_output", 32),
        ("convnext", "pooler_output", 32),
        ("swin", "pooler_output", 32),
        ("clip", "projection", 24),
        ("vit-classes", "last_hidden_state", 32),
    ],
)
def test_features_are_the_librarys_own(cache, kind, layer, width):
    """What the model gives in the library for the same pixels, and the recipe says which of its outputs that is."""
    encoder = boda.load_encoder(f"transformers:somebody/{kind}")
    pixels = some_pixels((32, 32))
    model = transformers.AutoModel.from_pretrained(snapshot(cache, kind)).eval()
    batch = normalised(pixels, encoder.recipe.pixels)
    with torch.no_grad():
        if layer == "projection":
            wanted = model.get_image_features(pixel_values=batch).pooler_output
        elif layer == "last_hidden_state":
            wanted = model(pixel_values=batch).last_hidden_state[:, 0]
        else:
            wanted = model(pixel_values=batch).pooler_output
    assert apart(encoder(pixels), wanted.numpy()) <= 1e-5
    assert (encoder.width, encoder.recipe.layer) == (width, layer)
    assert encoder.recipe.pooling == ("cls" if layer == "last_hidden_state" else "model")
    assert encoder.recipe.licence == "my-licence"


@pytest.mark.parametrize(("kind", "class_token"), [("vit", True), ("dinov2", True), ("clip", True), ("swin", False)])
def test_the_last_map_can_be_pooled_otherwise(cache, kind, class_token):
    """`--pooling mean` takes the library's last hidden state at the places of the image, without the class token."""
    encoder = boda.load_encoder(f"transformers:somebody/{kind}", pooling="mean")
    pixels = some_pixels((32, 32))
    model = transformers.AutoModel.from_pretrained(snapshot(cache, kind)).eval()
    model = model.vision_model if kind == "clip" else model
    with torch.no_grad():
        hidden = model(pixel_values=normalised(pixels, encoder.recipe.pixels)).last_hidden_state
    assert apart(encoder(pixels), hidden[:, int(class_token) :].mean(dim=1).numpy()) <= 1e-5


def test_no_pooler_is_ever_random():
    """Weights of a classifier have no pooler; the library fills it at random, anew each time."""
    first, second = (boda.load_encoder("transformers:somebody/vit-classes") for _ in range(2))
    pixels = some_pixels((32, 32))
    assert first.recipe == second.recipe
    assert apart(first(pixels), second(pixels)) <= 1e-6


def test_the_text_side_of_clip_is_the_librarys_own(cache):
    """The same words give the same features as in the library, read with the repository's own tokenizer."""
    texts = ["a cat", "a dog", "cat " * 40]
    model = transformers.CLIPModel.from_pretrained(snapshot(cache, "clip")).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(snapshot(cache, "clip"))
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=12, return_tensors="pt")
    with torch.no_grad():
        wanted = model.get_text_features(**tokens).pooler_output.numpy()
    assert apart(boda.load_encoder("transformers:somebody/clip").encode_text(texts), wanted) <= 1e-5
    assert not hasattr(boda.load_encoder("transformers:somebody/vit"), "encode_text")


PROCESSORS = {
    "ViT stretched": {"size": {"height": 160, "width": 192}, "resample": 2},
    "Bit": {"size": {"shortest_edge": 224}, "crop_size": 160, "resample": 3},
    "CLIP": {},
    "Siglip": {},
    "ConvNext": {"size": {"shortest_edge": 224}},
    "ConvNext large": {"size": {"shortest_edge": 384}},
    "ViT minus one to one": {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]},
    "ViT plain": {"do_normalize": False},
}


@pytest.mark.parametrize("kind", PROCESSORS)
@pytest.mark.parametrize(("ending", "most"), [("ImageProcessorPil", 0.01), ("ImageProcessor", 2.01)])
def test_pixels_are_the_processors_own(boda_data, kind, ending, most):
    """Real photographs: byte for byte what the Pillow processor makes, and what torchvision's makes within 2 of 255."""
    processor = getattr(transformers, f"{kind.partition(' ')[0]}{ending}")(**PROCESSORS[kind])
    spec = replace(pixel_spec(processor, "it"), decoder="exact")
    for content in real_photographs(boda_data, 6):
        pixels, _ = prepare(content, spec)
        apart_by = np.abs(_levels(processor, content, spec) - pixels)
        assert apart_by.max() <= most
        assert apart_by.mean() < 0.2


def _levels(processor: object, content: bytes, spec: PixelSpec) -> np.ndarray:
    """What a processor makes of an image, back on the scale of 0 to 255."""
    with Image.open(io.BytesIO(content)) as image:
        made = processor(image.convert("RGB"), return_tensors="np")["pixel_values"][0]
    return (made.transpose(1, 2, 0) * spec.std + spec.mean) * 255


def test_halves_are_rounded_otherwise_in_a_quarter_of_shapes():
    """Where 3, 7, 11, ... columns fall to the crop, the library leaves one more out at the end; nothing else differs."""
    processor = transformers.CLIPImageProcessorPil(do_resize=False, crop_size=16)
    for excess in range(12):
        image = np.random.default_rng(excess).integers(0, 256, (16, 16 + excess, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(image).save(content, "PNG")
        spec = pixel_spec(processor, "it")
        pixels, _ = prepare(content.getvalue(), spec)
        theirs = np.rint(_levels(processor, content.getvalue(), spec)).astype(np.uint8)
        later = int(excess % 4 == 3)
        np.testing.assert_array_equal(pixels[:, : 16 - later], theirs[:, later:])


@pytest.mark.parametrize(
    ("processor", "why"),
    [
        (transformers.BeitImageProcessor(do_pad=True), "own _preprocess|pads"),
        (transformers.ViTImageProcessor(size={"shortest_edge": 224}), "does not fix the size"),
        (transformers.ViTImageProcessor(size={"shortest_edge": 224, "longest_edge": 300}), "resizes to"),
        (transformers.EfficientNetImageProcessor(), "has its own"),
    ],
)
def test_pixels_that_cannot_be_said_are_refused(processor, why):
    """One line says what it was."""
    with pytest.raises(Refused, match=f"cannot state yet .*({why})"):
        pixel_spec(processor, "it")


def test_a_settings_change_is_another_recipe(cache, tmp_path):
    """The same tensors with another activation are other features: the recipe counts the configuration."""
    folder = snapshot(cache, "vit")
    files = {file.name: file for file in folder.iterdir()}
    config = json.loads((folder / "config.json").read_text())
    named = json.dumps(config | {"id2label": {"0": "cat"}, "transformers_version": "9"})
    lay(cache, "somebody/vit-named", files | {"config.json": named})
    lay(cache, "somebody/vit-relu", files | {"config.json": json.dumps(config | {"hidden_act": "relu"})})
    first = boda.load_encoder("transformers:somebody/vit")
    assert boda.load_encoder("transformers:somebody/vit-named").recipe == first.recipe
    other = boda.load_encoder("transformers:somebody/vit-relu")
    assert other.recipe.weights == first.recipe.weights
    assert other.recipe != first.recipe


def test_weights_in_several_files_and_from_a_file(cache, tmp_path):
    """An index and its shards give what one file gives; so does that file given by hand."""
    folder = snapshot(cache, "vit")
    model = transformers.ViTModel.from_pretrained(folder)
    from boda.encoders.transformers_models import _silent

    with _silent():
        model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    lay(cache, "somebody/vit-sharded", {f.name: f for f in tmp_path.iterdir()} | {"preprocessor_config.json": json.dumps(SQUASHED)})  # fmt: skip
    first = boda.load_encoder("transformers:somebody/vit").recipe
    assert boda.load_encoder("transformers:somebody/vit-sharded").recipe == first
    by_hand = boda.load_encoder("transformers:somebody/vit", weights=(folder / "model.safetensors").resolve().rename(tmp_path / "mine.safetensors"))  # fmt: skip
    (folder / "model.safetensors").resolve().write_bytes((tmp_path / "mine.safetensors").read_bytes())
    assert by_hand.recipe == first


def test_weights_that_do_not_fill_the_model_are_refused(cache, tmp_path):
    """Nothing but a pooler may be missing, and no shape may differ."""
    from safetensors.torch import load_file, save_file

    state = load_file(snapshot(cache, "vit") / "model.safetensors")
    gone = next(name for name in state if name.endswith("layernorm_before.bias"))
    save_file({n: t for n, t in state.items() if n != gone}, tmp_path / "less.safetensors")
    save_file(state | {gone: torch.zeros(7)}, tmp_path / "other.safetensors")
    for name in ("less", "other"):
        with pytest.raises(Refused, match=r"missing or of another shape|do not fit"):
            boda.load_encoder("transformers:somebody/vit", weights=tmp_path / f"{name}.safetensors")


def test_nobodys_code_runs_and_nothing_is_unpickled(cache):
    """A model that needs the repository's own code, or has pickled weights only, is refused."""
    folder = snapshot(cache, "vit")
    config = {"model_type": "mine", "auto_map": {"AutoModel": "modeling.Mine", "AutoConfig": "modeling.Config"}}
    files = {file.name: file for file in folder.iterdir()}
    code = "import pathlib; pathlib.Path('ran').touch(); raise SystemExit('ran')"
    lay(cache, "somebody/code", files | {"config.json": json.dumps(config), "modeling.py": code})
    with pytest.raises(Refused, match="without its own code"):
        boda.load_encoder("transformers:somebody/code")
    del files["model.safetensors"]
    lay(cache, "somebody/pickled", files | {"pytorch_model.bin": b"cos\nsystem\n"})
    with pytest.raises(NotOffline, match=r"somebody/pickled/model\.safetensors"):
        boda.load_encoder("transformers:somebody/pickled")


def test_models_without_pooled_features_are_refused(cache, tmp_path):
    """A masked autoencoder hides patches at random: it gives no features that mean anything twice."""
    config = transformers.ViTMAEConfig(**VIT, decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=16)  # fmt: skip
    put(cache, "somebody/mae", transformers.ViTMAEModel(config), SQUASHED, tmp_path)
    with pytest.raises(Refused, match="gives no features"):
        boda.load_encoder("transformers:somebody/mae")


def test_missing_files_and_names_are_told(cache):
    """The file that is missing, by its whole name; what is no name of a repository; what is not installed."""
    with pytest.raises(NotOffline, match=r"nobody/nothing/config\.json"):
        boda.load_encoder("transformers:nobody/nothing")
    with pytest.raises(NotOffline, match="at v2"):
        boda.load_encoder("transformers:somebody/vit@v2")
    for wrong in ("vit", "a/b/c", "../b", "a/b@"):
        with pytest.raises(Refused, match="write OWNER/NAME"):
            boda.load_encoder(f"transformers:{wrong}")
    with pytest.raises(Refused, match="takes no arguments"):
        boda.load_encoder("transformers:somebody/vit?hidden_act=relu")


def test_a_revision_is_another_snapshot(cache):
    """`@revision` names a branch, tag or commit."""
    folder = snapshot(cache, "vit")
    by_commit = boda.load_encoder(f"transformers:somebody/vit@{folder.name}")
    assert by_commit.recipe == boda.load_encoder("transformers:somebody/vit").recipe


def test_without_transformers_the_extra_is_named(monkeypatch):
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"boda\[transformers\]"):
        boda.load_encoder("transformers:somebody/vit")
