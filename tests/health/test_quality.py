"""Quality: blurs that were made are seen, limits are stated, and what is common in a collection is no fault."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image, ImageFilter

from boda.health.blur import blur_effect
from boda.health.quality import BLURRED, faults

GOOD = {"blur": 0.4, "low": 20.0, "high": 230.0, "width": 640.0, "height": 480.0}


def look(n: int = 20, **others: dict[int, float]):
    """n good pictures, some of them with other values."""
    values = {name: np.full(n, value) for name, value in GOOD.items()}
    for name, at in others.items():
        for row, value in at.items():
            values[name][row] = value
    return {one.fault: one for one in faults(values)}


@pytest.fixture(scope="module")
def greys(boda_data):
    """Forty photographs in grey."""
    with tarfile.open(boda_data / "imagenet_photos" / "images.tar") as archive:
        members = [one for one in archive if one.isfile()][:200:5]
        return [Image.open(io.BytesIO(archive.extractfile(one).read())).convert("L") for one in members]


def test_photographs_that_were_blurred_are_and_others_are_not(greys):
    """A Gaussian of two pixels: all; a box of seven along one axis, as motion makes it: nine in ten; as they are: 5 %."""
    plain = [blur_effect(np.asarray(one)) for one in greys]
    soft = [blur_effect(np.asarray(one.filter(ImageFilter.GaussianBlur(2)))) for one in greys]
    kernel = np.ones(7) / 7
    moved = [
        blur_effect(np.apply_along_axis(np.convolve, 1, np.asarray(one, float), kernel, "same").astype(np.uint8))
        for one in greys
    ]
    assert np.mean(np.array(plain) > BLURRED) <= 0.05
    assert np.mean(np.array(soft) > BLURRED) == 1
    assert np.mean(np.array(moved) > BLURRED) >= 0.85


def test_the_measure_ranks_as_that_of_scikit_image(greys):
    """Their version takes Sobel's differences, ours those of the paper."""
    from scipy.stats import spearmanr
    from skimage.measure import blur_effect as oracle

    ours = [blur_effect(np.asarray(one)) for one in greys]
    theirs = [oracle(np.asarray(one), h_size=5) for one in greys]
    assert spearmanr(ours, theirs).statistic > 0.9


def test_contrast_changes_nothing(greys):
    """Half the contrast: the same blur, but for rounding."""
    for one in greys[:5]:
        full = np.asarray(one)
        assert blur_effect((full // 2 + 60).astype(np.uint8)) == pytest.approx(blur_effect(full), abs=0.05)


def test_nothing_is_said_of_tiny_and_empty_pictures():
    """Of 16 pixels, and of one tone."""
    assert np.isnan(blur_effect(np.random.default_rng(0).integers(255, size=(16, 40)).astype(np.uint8)))
    assert np.isnan(blur_effect(np.full((64, 64), 9, np.uint8)))


def test_each_fault_is_found_with_its_reason():
    """One picture with each, and only that."""
    found = look(
        blur={0: 0.8},
        high={1: 30, 3: 50},
        low={2: 230, 1: 5, 3: 40},
        width={4: 40, 5: 2000, 6: 100},
        height={4: 48, 6: 70},
    )
    assert {name: one.rows.tolist() for name, one in found.items()} == {
        "blurred": [0],
        "dark": [1, 3],
        "bright": [2],
        "low contrast": [],
        "tiny": [4, 6],
        "odd shape": [5],
    }
    assert found["blurred"].reason(0) == "blur effect 0.80, limit 0.60"
    assert found["dark"].reason(1) == "95 % of its pixels are darker than 30 of 255, limit 60"
    assert found["odd shape"].reason(5) == "4.2 times as long as wide, limit 3.0"
    assert look(low={0: 100}, high={0: 130})["low contrast"].rows.tolist() == [0]


def test_what_is_common_is_no_fault():
    """Half of the pictures are dark: only those that are unusually dark among them are listed, and it is said."""
    rng = np.random.default_rng(0)
    dark = {row: float(value) for row, value in enumerate(rng.normal(45, 3, 100))}
    found = look(100, high=dark | {7: 2.0})["dark"]
    assert found.rows.tolist() == [7]
    assert "99 % of the images are beyond that" in found.note or "100 % of the images" in found.note


def test_a_wide_picture_among_wide_ones_is_none():
    """All are panoramas: none is odd; nor is a portrait among landscapes."""
    assert not len(look(10, width=dict.fromkeys(range(10), 2400.0))["odd shape"].rows)
    assert not len(look(10, width={0: 480.0}, height={0: 640.0})["odd shape"].rows)


def test_what_is_not_known_is_not_judged():
    """NaN everywhere, or no picture at all."""
    assert not any(
        len(one.rows) for one in look(3, **{name: dict.fromkeys(range(3), np.nan) for name in GOOD}).values()
    )
    assert not any(len(one.rows) for one in look(0).values())


def test_a_limit_that_moves_stays_a_possible_value():
    """Of pictures of one grey each, from black to dark, none is darker than black."""
    found = look(20, high={row: 3.0 * row for row in range(20)})["dark"]
    assert (found.limit, len(found.rows)) == (0, 0)
    assert "listed are those beyond 0" in found.note
