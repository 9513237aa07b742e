"""`resnet:NAME`: boda's ResNets as encoders and classifiers, with weights from files."""

import io
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import boda
from boda.encoders.base import Encoder
from boda.encoders.classifier import as_classifier, as_dense
from boda.encoders.precision import cosines
from boda.encoders.registry import describe_encoder, encoder_for
from boda.errors import NotOffline, Refused, UnknownEncoder
from boda.models.architectures import ARCHITECTURES
from boda.pixels.prepare import prepare
from boda.testing import EncoderContract
from boda.testing.encoder_contract import some_pixels

RIGHT = {"resnet20-12fca82f": 9173, "resnet32-d509ac18": 9263, "resnet44-014dd654": 9310, "resnet56-4bfd9763": 9339}
"""Of 10,000, in fp32, give or take 2."""


def save(name: str, place: Path, **options: object) -> Path:
    """Random weights of one of our networks, as safetensors."""
    import torch
    from safetensors.torch import save_file

    from boda.models.resnet import ResNet
    from resnet_checks import shake

    network = ResNet(ARCHITECTURES[name], generator=torch.Generator().manual_seed(0), **options)
    save_file(shake(network).state_dict(), place)
    return place


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights of ResNet-18 with 1,000 classes and of ResNet-20 with 10."""
    folder = tmp_path_factory.mktemp("resnets")
    return {name: save(name, folder / f"{name}.safetensors") for name in ("resnet18", "resnet20")}


class _FromFile(EncoderContract):
    model: ClassVar[str]
    _file: ClassVar[Path]

    @pytest.fixture(autouse=True)
    def _weights(self, files: dict[str, Path]) -> None:
        type(self)._file = files[self.model]

    def make(self) -> Encoder:
        return boda.load_encoder(f"resnet:{self.model}", weights=self._file, **self.options)


class TestResNet18(_FromFile):
    model = "resnet18"
    options: ClassVar = {"pixels": "size=96"}


class TestResNet20(_FromFile):
    model = "resnet20"


class TestLayerOfResNet20(_FromFile):
    model = "resnet20"
    options: ClassVar = {"layer": "layer2.0.conv1", "pooling": "gem"}


class TestLastMapOfResNet20(_FromFile):
    model = "resnet20"
    options: ClassVar = {"pooling": "gem"}


def test_the_recipe_says_what_computes(files: dict[str, Path]):
    """Architecture, arguments and pixels count; the classifier does not; another encoder can be made from it."""
    encoder = boda.load_encoder("resnet:resnet20", weights=files["resnet20"])
    recipe = encoder.recipe
    assert (recipe.architecture, recipe.layer, recipe.pooling) == ("resnet:resnet20", "pooled", "model")
    assert set(recipe.arguments) == {"adapter"}
    assert encoder.width == 64
    assert recipe.pixels == boda.PixelSpec(
        resize=32, crop=(32, 32), filter="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    assert encoder_for(recipe, weights=files["resnet20"]).recipe == recipe
    large = boda.load_encoder("resnet:resnet18", weights=files["resnet18"]).recipe.pixels
    assert (large.resize, large.crop, large.filter) == (256, (224, 224), "bilinear")


def test_features_and_logits_are_the_networks(files: dict[str, Path]):
    """Pooled before the classifier; batch norms folded change nothing; `last`, its mean and the model's own agree."""
    import torch
    from torchvision.transforms.v2 import functional

    from boda.encoders.resnets import load_resnet

    network, _ = load_resnet(ARCHITECTURES["resnet18"], files["resnet18"])
    encoder = boda.load_encoder("resnet:resnet18", weights=files["resnet18"])
    pixels = some_pixels((224, 224))[:3]
    batch = functional.normalize(
        torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255, encoder.recipe.pixels.mean, encoder.recipe.pixels.std
    )
    with torch.inference_mode():
        maps = network.eval().forward_maps(batch)
        np.testing.assert_allclose(encoder(pixels), maps.mean((2, 3)).numpy(), rtol=1e-3, atol=1e-4)
        scores = network(batch).numpy()
    np.testing.assert_allclose(encoder.logits(pixels), scores, atol=1e-4 * np.abs(scores).max())
    assert cosines(encoder.take("last", "mean")(pixels), encoder(pixels)).min() > 1 - 1e-6


def test_it_is_timms_network_of_the_same_weights(files: dict[str, Path]):
    """An independent implementation: timm's ResNet-18 takes the file by name, and gives the same features."""
    pixels = some_pixels((224, 224))[:2]
    settings = "resize=256,crop=224,filter=bilinear,mean=0.485/0.456/0.406,std=0.229/0.224/0.225"
    theirs = boda.load_encoder("timm:resnet18", weights=files["resnet18"], pixels=settings)
    ours = boda.load_encoder("resnet:resnet18", weights=files["resnet18"])
    np.testing.assert_allclose(ours(pixels), theirs(pixels), rtol=1e-3, atol=1e-4)
    assert as_classifier(ours).class_names == as_classifier(theirs).class_names
    assert ours.recipe.weights == theirs.recipe.weights
    assert ours.recipe != theirs.recipe


def test_arguments_ride_on_the_name(tmp_path: Path):
    """Another shortcut and the plain network are other recipes; others are refused with what is known."""
    file = save("resnet20", tmp_path / "b.safetensors", shortcut="B")
    encoder = boda.load_encoder("resnet:resnet20?shortcut=B", weights=file)
    assert encoder.recipe.arguments["shortcut"] == "B"
    with pytest.raises(Refused, match="does not fit"):
        boda.load_encoder("resnet:resnet20", weights=file)
    plain = boda.load_encoder("resnet:resnet20?residual=false", weights=save("resnet20", tmp_path / "a.safetensors"))
    assert plain.recipe.arguments["residual"] is False
    for name, said in (("?depth=3", "no argument depth"), ("?shortcut=true", "write"), ("?shortcut=D", "shortcut 'D'")):
        with pytest.raises(Refused, match=said):
            boda.load_encoder(f"resnet:resnet20{name}", weights=file)


def test_classes_follow_the_weights(tmp_path: Path, files: dict[str, Path]):
    """Ten for CIFAR have CIFAR's names, a thousand ImageNet's, others numbers; without a classifier there are none."""
    names = as_classifier(boda.load_encoder("resnet:resnet20", weights=files["resnet20"])).class_names
    assert (names[0], names[6], len(names)) == ("airplane", "frog", 10)
    names = as_classifier(boda.load_encoder("resnet:resnet18", weights=files["resnet18"])).class_names
    assert (names[1], len(names)) == ("goldfish, Carassius auratus", 1000)
    seven = boda.load_encoder("resnet:resnet20", weights=save("resnet20", tmp_path / "7.safetensors", classes=7))
    assert as_classifier(seven).class_names[6] == "class 6"
    from safetensors.torch import load_file, save_file

    state = {name: tensor for name, tensor in load_file(files["resnet20"]).items() if not name.startswith("fc.")}
    save_file(state, tmp_path / "headless.safetensors")
    headless = boda.load_encoder("resnet:resnet20", weights=tmp_path / "headless.safetensors")
    with pytest.raises(Refused, match="no classifier"):
        as_classifier(headless)
    assert not headless.dense


def test_images_of_any_size_are_classified_at_every_place(files: dict[str, Path]):
    """`classify_dense` of the own size is `classify`; of others probabilities; what is no pixels is refused."""
    encoder = as_dense(as_classifier(boda.load_encoder("resnet:resnet20", weights=files["resnet20"])))
    pixels = some_pixels((32, 32))
    np.testing.assert_allclose(encoder.classify_dense(pixels), encoder.classify(pixels), atol=1e-5)
    wide = encoder.classify_dense(some_pixels((40, 77)))
    assert wide.shape == (6, 10)
    np.testing.assert_allclose(wide.sum(1), 1, atol=1e-5)
    assert encoder.classify_dense(pixels[:0]).shape == (0, 10)
    for wrong in (pixels[0], pixels.astype(np.float32), pixels[..., :1]):
        with pytest.raises(Refused, match="uint8"):
            encoder.classify_dense(wrong)


def test_encoders_of_one_size_do_not_look_at_others():
    """`auto` is asked for its own pixels only."""
    auto = as_classifier(boda.load_encoder("auto"))
    with pytest.raises(Refused, match="one size only"):
        as_dense(auto)
    with pytest.raises(Refused, match="one size only"):
        auto.classify_dense(some_pixels((64, 64)))


def test_unknown_names_get_near_ones():
    """Ours, by their names."""
    for name, near in (
        ("resnet:resnet19", "resnet:resnet18"),
        ("resnet:vgg", "resnet:resnet50"),
        ("resnet20", "resnet:resnet20"),
    ):
        with pytest.raises(UnknownEncoder, match=near):
            boda.load_encoder(name)


def test_weights_that_are_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Path]):
    """For CIFAR one line says what to give; torchvision's come from torch's cache, else the line names file and folder."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("boda.encoders.hub.reach", lambda url: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(Refused, match=r"give --weights FILE, such as resnet20-.*th of") as refusal:
        boda.load_encoder("resnet:resnet20")
    assert "\n" not in str(refusal.value)
    with pytest.raises(NotOffline) as error:
        boda.load_encoder("resnet:resnet18")
    text = str(error.value)
    assert "\n" not in text
    for part in ("resnet18-f37072fd.pth", str(tmp_path / "checkpoints"), "--weights FILE"):
        assert part in text
    assert describe_encoder("resnet:resnet18").missing
    import torch
    from safetensors.torch import load_file

    (tmp_path / "checkpoints").mkdir()
    torch.save(load_file(files["resnet18"]), tmp_path / "checkpoints" / "resnet18-f37072fd.pth")
    assert describe_encoder("resnet:resnet18").missing == ""
    cached = boda.load_encoder("resnet:resnet18")
    assert cached.recipe == boda.load_encoder("resnet:resnet18", weights=files["resnet18"]).recipe
    assert cached.recipe.licence == "bsd-3-clause"


@cache
def cifar(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The 10,000 test images as the encoder's own pixels, and their classes."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "test.parquet", columns=["image", "label"])
    spec = describe_encoder("resnet:resnet20").pixels
    pixels = np.stack([prepare(one, spec)[0] for one in table["image"].to_pylist()])
    return pixels, table["label"].to_numpy()


@pytest.mark.slow
def test_original_pixels_stay_as_they_are(boda_data: Path):
    """32 x 32 are neither resized nor cropped."""
    import pyarrow.parquet as pq
    from PIL import Image

    pixels, _ = cifar(boda_data / "cifar10_test")
    rows = pq.read_table(boda_data / "cifar10_test" / "test.parquet", columns=["image"])["image"].to_pylist()
    for row in range(0, 10_000, 500):
        with Image.open(io.BytesIO(rows[row])) as image:
            np.testing.assert_array_equal(pixels[row], np.asarray(image.convert("RGB")))


@pytest.mark.slow
@pytest.mark.parametrize("file", RIGHT)
def test_published_weights_for_cifar_are_as_good_as_they_are(boda_data: Path, file: str):
    """On all 10,000 test images as many are right as were measured with the published code, give or take 2."""
    encoder = boda.load_encoder(f"resnet:{file.partition('-')[0]}", weights=boda_data / "weights" / f"{file}.th")
    assert encoder.notes == ()
    pixels, labels = cifar(boda_data / "cifar10_test")
    classifier = as_classifier(encoder)
    said = np.concatenate([classifier.logits(pixels[start : start + 100]).argmax(1) for start in range(0, 10_000, 100)])
    assert len(labels) == 10_000
    assert int((said == labels).sum()) == pytest.approx(RIGHT[file], abs=2)
