"""Features from rules: what they mean, and that they stay what they are."""

import numpy as np
import pytest
from skimage.feature import hog

import boda

ENCODER = boda.load_encoder("handmade:hog-colour")
SIDE = 128

EXPECTED = [30.01094, 0.057812, 0.1593444, 35046.02]
"""Sum, largest gradient, largest colour and weighted sum of the features of a ramp, as version 1 gave them."""


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def test_gradients_are_scikit_images():
    """The first 1,764 numbers are its HOG of the grey image, at length 1."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    expected = hog(image @ [0.299, 0.587, 0.114], 9, (16, 16), (2, 2), block_norm="L2-Hys", transform_sqrt=True)
    np.testing.assert_allclose(ENCODER(image[None])[0, :1764], expected / np.linalg.norm(expected), atol=1e-6)


def test_colours_are_counted_by_quarter():
    """A plain image has one colour in each quarter: four numbers of 1/2; its gradients are none."""
    row = ENCODER(plain((255, 0, 64))[None])[0]
    colour = (3 * 4 + 0) * 4 + 1
    expected = np.zeros(256)
    expected[[q * 64 + colour for q in range(4)]] = 0.5
    np.testing.assert_array_equal(row[1764:], expected.astype(np.float32))
    assert not row[:1764].any()


def test_quarters_keep_their_places():
    """Red in the top left quarter alone shows in the first 64 colours."""
    image = plain((0, 0, 0))
    image[: SIDE // 2, : SIDE // 2] = 255, 0, 0
    colours = ENCODER(image[None])[0, 1764:].reshape(4, 64)
    assert colours[0, 48] == pytest.approx(0.5)
    assert (colours[1:, 0] == 0.5).all()
    assert not colours[1:, 1:].any()


def test_features_are_what_version_1_gave():
    """Stored features stay comparable: where this fails, VERSION must be raised."""
    ramp = np.add.outer(np.arange(SIDE), 2 * np.arange(SIDE))[..., None] * [1, 3, 5] % 256
    row = ENCODER(ramp.astype(np.uint8)[None])[0].astype(np.float64)
    assert ENCODER.recipe.arguments == {"version": 1}
    np.testing.assert_allclose(
        [row.sum(), row[:1764].max(), row[1764:].max(), (row * np.arange(2020)).sum()],
        EXPECTED,
        rtol=1e-5,
    )
