"""A cut picture is found inside the whole, also mirrored; another one is not."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage.feature import match_template

from boda.health import cuts
from boda.health.cuts import ENOUGH, SAME, SIDE, best_correlation, correlations


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
@pytest.mark.parametrize("mirrored", [False, True])
def test_what_was_cut_out_is_found(pictures, share, mirrored):
    """Four fifths or half of each side, from a corner, compressed, maybe mirrored; whichever of the two comes first."""
    for image in pictures:
        into = io.BytesIO()
        part = image.crop((0, 0, round(image.width * share), round(image.height * share)))
        (ImageOps.mirror(part) if mirrored else part).save(into, "JPEG", quality=50)
        small, whole = grey(Image.open(into)), grey(image)
        assert best_correlation(small, whole) >= SAME
        assert best_correlation(whole, small) == pytest.approx(best_correlation(small, whole))


def test_other_pictures_are_not_found_in_each_other(pictures):
    """Of six photographs no two."""
    greys = [grey(one) for one in pictures]
    assert max(best_correlation(a, b) for place, a in enumerate(greys) for b in greys[:place]) < SAME - 0.05


def test_smaller_sizes_are_left_out_only_where_they_add_nothing(pictures, monkeypatch):
    """A compressed picture correlates whole on whole: the fast way and the plain way differ by less than 0.01."""
    for image in pictures:
        into = io.BytesIO()
        image.save(into, "JPEG", quality=40)
        one, two = grey(image), grey(Image.open(into))
        fast = best_correlation(one, two)
        with monkeypatch.context() as patch:
            patch.setattr(cuts, "ENOUGH", 2.0)
            assert ENOUGH <= fast <= best_correlation(one, two) <= fast + 0.01


def test_correlations_are_those_of_scikit_image(monkeypatch):
    """At every place the normalised cross-correlation, of a part as large as it is; the best of them is told."""
    monkeypatch.setattr(cuts, "_SOFT", 0.0)
    rng = np.random.default_rng(0)
    whole, part = (rng.integers(256, size=shape).astype(np.uint8) for shape in ((48, 64), (20, 31)))
    expected = match_template(whole.astype(np.float64), part.astype(np.float64)).max()
    assert correlations(part, whole)[0] == pytest.approx(expected, abs=1e-5)
    assert correlations(whole[7:30, 11:50], whole)[0] == pytest.approx(1, abs=1e-5)


def test_what_has_no_detail_is_found_nowhere():
    """A flat picture, one in a flat part of another, and one too small to be told from any other."""
    flat = np.full((48, 64), 90, np.uint8)
    noise = np.random.default_rng(0).integers(255, size=(48, 64)).astype(np.uint8)
    assert np.isnan(best_correlation(flat, flat))
    assert np.isnan(best_correlation(flat, noise))
    assert np.isnan(best_correlation(noise[:5], noise[:5]))
    assert correlations(noise[:5, :5], noise[:5, :5]) == []
    assert best_correlation(noise, noise) > 0.999
    assert best_correlation(noise, noise[:, ::-1]) > 0.999
