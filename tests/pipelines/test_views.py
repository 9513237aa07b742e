"""Predictions of several looks: ten crops, and several scales."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import Refused
from boda.models.architectures import ARCHITECTURES
from boda.pipelines.views import LONGEST
from boda.unreadable import Code


class Reddest:
    """A classifier without torch: how red, green and blue an image is."""

    device, width = "cpu", 3
    class_names = ("red", "green", "blue")
    recipe = boda.Recipe("mine:reddest", "", "pooled", "none", boda.PixelSpec(resize=20, crop=(16, 16)), name="reddest")

    def __call__(self, pixels):
        return pixels.mean((1, 2), dtype=np.float32)

    logits = __call__

    def classify(self, pixels):
        return self(pixels) / self(pixels).sum(1, keepdims=True)

    def at(self, precision):
        return self


class Squashes(Reddest):
    recipe = boda.Recipe(
        "mine:squashes", "", "pooled", "none", boda.PixelSpec(resize=(16, 16), crop=None), name="squashes"
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Red, its right quarter blue; half as high as wide."""
    image = Image.new("RGB", (80, 40), (200, 0, 0))
    image.paste((0, 0, 200), (60, 0, 80, 40))
    image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of ResNet-20."""
    import torch
    from safetensors.torch import save_file

    from boda.models.resnet import ResNet
    from resnet_checks import shake

    network = shake(ResNet(ARCHITECTURES["resnet20"], generator=torch.Generator().manual_seed(0)))
    place = tmp_path_factory.mktemp("weights") / "resnet20.safetensors"
    save_file(network.state_dict(), place)
    return place


def shares(image: Path, **options: object) -> dict[str, float]:
    """Per cent by class."""
    (one,) = boda.predict(image, topk=10, **options).predictions
    return {ranked.name: ranked.percent for ranked in one.topk}


def test_ten_crops_are_averaged(photo: Path):
    """By torchvision's own transforms: resize, ten crops, the mean of what is said of each."""
    from boda.torchvision_door import open_door

    open_door()
    from torchvision.transforms import InterpolationMode, functional

    with Image.open(photo) as image:
        resized = functional.resize(image, 20, InterpolationMode.BICUBIC)
    crops = np.stack([np.asarray(crop) for crop in functional.ten_crop(resized, 16)])
    expected = Reddest().classify(crops).mean(0)
    said = shares(photo, encoder=Reddest(), crops=10)
    assert [said[name] for name in Reddest.class_names] == pytest.approx(100 * expected, abs=1e-3)
    assert said != shares(photo, encoder=Reddest())


def test_scales_are_averaged_over_the_whole_image(photo: Path, weights: Path):
    """By hand: resize the short side, normalise, apply the network densely, softmax, mean."""
    import torch
    from torchvision.transforms import InterpolationMode, functional

    from boda.encoders.resnets import load_resnet

    network, _ = load_resnet(ARCHITECTURES["resnet20"], weights)
    expected = []
    for scale in (24, 32, 48):
        with Image.open(photo) as image:
            resized = functional.resize(image, scale, InterpolationMode.BILINEAR)
        batch = functional.normalize(functional.to_tensor(resized), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))[None]
        assert batch.shape[2:] == (scale, 2 * scale)
        with torch.inference_mode():
            expected.append(network.eval().forward_dense(batch).softmax(1)[0].numpy())
    said = shares(photo, encoder="resnet:resnet20", weights=weights, scales=(24, 32, 48))
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert [said[name] for name in names] == pytest.approx(100 * np.mean(expected, axis=0), abs=1e-2)


def test_a_very_long_image_is_seen_in_its_middle(tmp_path: Path, weights: Path):
    """More than `LONGEST` times longer than wide: what lies beyond has no say."""
    noise = np.random.default_rng(0).integers(0, 256, (32, 32 * LONGEST, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "middle.png")
    Image.fromarray(np.pad(noise, ((0, 0), (300, 300), (0, 0)))).save(tmp_path / "long.png")
    options = {"encoder": "resnet:resnet20", "weights": weights, "scales": [32]}
    assert shares(tmp_path / "long.png", **options) == pytest.approx(shares(tmp_path / "middle.png", **options))


def test_bad_images_have_their_reason(photo: Path):
    """Beside good ones, with ten crops too; also one that only fails when it is seen whole."""
    (photo.parent / "bad.jpg").write_text("no image")
    Image.new("RGB", (60_000, 1)).resize((60_000, 1)).save(photo.parent / "long.png")
    spec = boda.PixelSpec(resize=256, crop=(224, 224))
    large = Reddest()
    large.recipe = boda.Recipe("mine:large", "", "pooled", "none", spec, name="large")
    rows = {Path(one.key).name: one for one in boda.predict(photo.parent, encoder=large, crops=10).predictions}
    assert rows["bad.jpg"].unreadable.code is Code.NOT_AN_IMAGE
    assert rows["long.png"].unreadable.code is Code.TOO_MANY_PIXELS
    assert len(rows["photo.png"].topk) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoder": Reddest(), "crops": 5}, "must be 1"),
        ({"encoder": Reddest(), "crops": 10, "scales": (20,)}, "choose one"),
        ({"encoder": Reddest(), "scales": (20, 30)}, "one size only"),
        ({"encoder": Reddest(), "scales": ()}, "no scales"),
        ({"encoder": Squashes(), "crops": 10}, "no ten crops|there are no"),
        ({"head": "mine", "crops": 10}, "for a classifier"),
        ({"head": "mine", "scales": (32,)}, "for a classifier"),
    ],
)
def test_looks_that_cannot_be_had_are_refused(photo: Path, options: dict[str, object], said: str):
    """One line each, before anything is decoded."""
    with pytest.raises(Refused, match=said) as refusal:
        boda.predict(photo, **options)
    assert "\n" not in str(refusal.value)
