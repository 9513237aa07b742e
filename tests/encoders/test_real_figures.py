"""Real networks on 400 real photographs, one of each of 400 ImageNet classes: exact counts, so that a change shows.

Top-1 and top-5 with `--decode exact`: EfficientNet-Lite0 345 and 388, MobileNetV2 331 and 380. All three files give
the same with scaled decoding, as no photograph here is large enough to be scaled.
"""

import csv
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.encoders.classifier import as_classifier
from boda.encoders.precision import cosines
from boda.pixels.prepare import prepare

pytestmark = pytest.mark.slow
GIVE_OR_TAKE = 2


@cache
def photographs(folder: Path) -> tuple[list[bytes], np.ndarray]:
    """The files' bytes, and the index of each one's class."""
    with (folder / "labels.csv").open(newline="") as table:
        index = {row["file"]: int(row["index"]) for row in csv.DictReader(table)}
    with tarfile.open(folder / "images.tar") as archive:
        data = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    return list(data.values()), np.array([index[name] for name in data])


def counts(encoder, folder: Path) -> tuple[int, int]:
    """How many of the 400 are right at first guess, and among five."""
    data, labels = photographs(folder)
    classifier = as_classifier(encoder)
    ranked = []
    for start in range(0, len(data), 40):
        pixels = np.stack([prepare(one, encoder.recipe.pixels)[0] for one in data[start : start + 40]])
        ranked.append(np.argsort(-classifier.classify(pixels), axis=1)[:, :5])
    right = np.concatenate(ranked) == labels[:, None]
    assert len(right) == 400
    return int(right[:, 0].sum()), int(right.any(axis=1).sum())


@pytest.mark.parametrize(
    ("name", "file", "top1", "top5"),
    [
        ("auto", None, 345, 388),
        ("timm:tf_efficientnet_lite0", "tf_efficientnet_lite0.rangilyu_in1k.fp16.safetensors", 345, 388),
        ("timm:mobilenetv2_100", "mobilenet_v2-b0353104.pth", 331, 380),
    ],
)
def test_pretrained_classifiers_are_as_good_as_they_are(
    boda_data: Path, name: str, file: str | None, top1: int, top5: int
):
    """The published weights, the same in half precision, and torchvision's file taken in order."""
    weights = boda_data / "weights" / file if file else None
    encoder = boda.load_encoder(name, weights=weights, decode="exact")
    found = counts(encoder, boda_data / "imagenet_photos")
    assert found[0] == pytest.approx(top1, abs=GIVE_OR_TAKE)
    assert found[1] == pytest.approx(top5, abs=GIVE_OR_TAKE)


def test_torchvisions_file_is_torchvisions_network(boda_data: Path):
    """Taken in order into timm's model, it gives the logits that torchvision's own model gives; and it is told."""
    import torch

    file = boda_data / "weights" / "mobilenet_v2-b0353104.pth"
    encoder = boda.load_encoder("timm:mobilenetv2_100", weights=file, decode="exact")
    assert "in order" in encoder.notes[0]
    import torchvision

    model = torchvision.models.mobilenet_v2()
    model.load_state_dict(torch.load(file, weights_only=True))
    data, _ = photographs(boda_data / "imagenet_photos")
    pixels = np.stack([prepare(one, encoder.recipe.pixels)[0] for one in data[:8]])
    mean, std = (np.array(v, np.float32) for v in (encoder.recipe.pixels.mean, encoder.recipe.pixels.std))
    batch = torch.from_numpy(((pixels / np.float32(255) - mean) / std).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        expected = model.eval()(batch).numpy()
    np.testing.assert_allclose(encoder.logits(pixels), expected, atol=1e-4 * np.abs(expected).max())


def test_halved_weights_give_nearly_the_same_features(boda_data: Path):
    """The float16 file is the package's network, rounded: another recipe, and a cosine above 0.9999."""
    file = boda_data / "weights" / "tf_efficientnet_lite0.rangilyu_in1k.fp16.safetensors"
    full, half = boda.load_encoder("auto"), boda.load_encoder("timm:tf_efficientnet_lite0", weights=file)
    data, _ = photographs(boda_data / "imagenet_photos")
    pixels = np.stack([prepare(one, full.recipe.pixels)[0] for one in data[:16]])
    assert full.recipe.architecture == half.recipe.architecture
    assert full.recipe.weights != half.recipe.weights
    assert cosines(full(pixels), half(pixels)).min() > 0.9999


def test_photographs_alone_and_in_a_batch(boda_data: Path):
    """On real images and real weights too, to 1e-5 of the norm."""
    encoder = boda.load_encoder("auto")
    data, _ = photographs(boda_data / "imagenet_photos")
    pixels = np.stack([prepare(one, encoder.recipe.pixels)[0] for one in data[:16]])
    together, alone = encoder(pixels), np.concatenate([encoder(one[None]) for one in pixels])
    assert (np.linalg.norm(together - alone, axis=1) <= 1e-5 * np.linalg.norm(together, axis=1)).all()


def test_other_networks_files_are_refused(boda_data: Path):
    """CIFAR ResNets and linear heads are real weights of something else."""
    for file in ("resnet20-12fca82f.th", "sa_0_4_vit_b_32_linear.pth"):
        with pytest.raises(boda.BodaError, match="does not fit the model"):
            boda.load_encoder("timm:resnet18", weights=boda_data / "weights" / file)
