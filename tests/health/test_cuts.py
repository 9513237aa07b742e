"""A cut picture is found inside the whole, another one is not."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from boda.health.cuts import SAME, SIDE, correlations, is_cut_out


def grey(image: Image.Image) -> np.ndarray:
    small = image.convert("L")
    small.thumbnail((SIDE, SIDE))
    return np.asarray(small)


@pytest.fixture(scope="module")
def pictures(boda_data):
    """Six photographs."""
    with tarfile.open(boda_data / "imagenet_photos" / "images.tar") as archive:
        members = [one for one in archive if one.isfile()][:60:10]
        return [Image.open(io.BytesIO(archive.extractfile(one).read())).convert("RGB") for one in members]


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_what_was_cut_out_is_found(pictures, share):
    """Four fifths or half of each side, from a corner, compressed; whichever of the two is asked first."""
    for image in pictures:
        into = io.BytesIO()
        image.crop((0, 0, round(image.width * share), round(image.height * share))).save(into, "JPEG", quality=50)
        part, whole = grey(Image.open(into)), grey(image)
        assert is_cut_out(part, whole)
        assert is_cut_out(whole, part)


def test_other_pictures_are_not_found_in_each_other(pictures):
    """Of six photographs no two."""
    greys = [grey(one) for one in pictures]
    assert max(max(correlations(a, b)) for place, a in enumerate(greys) for b in greys[:place]) < SAME - 0.05


def test_what_has_no_detail_is_found_nowhere():
    """A flat picture, and one too small to be told from any other."""
    flat = np.full((48, 64), 90, np.uint8)
    noise = np.random.default_rng(0).integers(255, size=(48, 64)).astype(np.uint8)
    assert list(correlations(flat, flat)) == []
    assert list(correlations(noise[:5, :5], noise[:5, :5])) == []
    assert next(correlations(noise, noise)) > 0.999
