"""An overlay marks the place in the image, however the camera was held and whatever was cut off."""

import numpy as np
import pytest
from PIL import ExifTags, Image

pytest.importorskip("torch")
import torch

import boda
from boda.encoders.torch_encoder import Network, TorchEncoder
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from seeing_colours import CLASSES, SIDE, Colours, features, logits


@pytest.fixture(scope="module")
def cropping() -> TorchEncoder:
    """Sees colours in the middle of an image."""
    pixels = PixelSpec(resize=SIDE, crop=(SIDE, SIDE), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    recipe = Recipe("test:colours", "0" * 64, "pooled", "model", pixels, name="test:colours")
    return TorchEncoder(Network(Colours(), features, logits, CLASSES), recipe, torch.device("cpu"))


@pytest.mark.parametrize(
    ("orientation", "turns", "method"),
    [(1, 0, "occlusion"), (3, 2, "gradient-times-input"), (6, 1, "grad-cam"), (8, -1, "occlusion")],
)
def test_what_decides_is_marked_where_it_is(cropping, tmp_path, orientation, turns, method):
    """A red patch at the lower left of what is seen of a wide image: to a place of the layer."""
    upright = np.full((60, 120, 3), 128, np.uint8)
    upright[38:53, 38:53] = (250, 10, 10)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(np.ascontiguousarray(np.rot90(upright, turns))).save(tmp_path / "held.png", exif=exif)
    found = boda.explain(
        tmp_path / "held.png", answer="red", encoder=cropping, method=method, check=False, to=tmp_path / "out"
    )
    assert found.written.record["images"][0]["window"] == [30, 0, 90, 60]
    (file,) = (tmp_path / "out" / "overlays").iterdir()
    with Image.open(file) as opened:
        drawn = np.asarray(opened.convert("RGB"), np.float64)
    assert drawn.shape == upright.shape
    hue = np.ptp(drawn[:, 32:88], axis=2)  # grey is what is not heat, and what lies outside
    warm = (drawn[:, 32:88, 0] > drawn[:, 32:88, 2]) & (hue > 0.7 * hue.max())
    rows, columns = np.nonzero(warm)
    assert abs(rows.mean() - 45) < 7.5 and abs(columns.mean() + 32 - 45) < 7.5
