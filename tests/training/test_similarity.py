"""Structural similarity agrees with scikit-image's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from boda.training.similarity import dissimilarity


def images(seed: int, channels: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two that look somewhat alike, (2, c, h, w), 0 to 1."""
    rng = np.random.default_rng(seed)
    one = rng.random((2, channels, height, width))
    other = np.clip(one + rng.normal(scale=0.3, size=one.shape), 0, 1)
    return torch.from_numpy(one), torch.from_numpy(other)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 99), channels=st.sampled_from([1, 3]), height=st.integers(11, 40), width=st.integers(11, 40))
def test_it_is_that_of_scikit_image(seed, channels, height, width):
    """Its Gaussian window of 11 pixels, on the windows that lie inside."""
    one, other = images(seed, channels, height, width)
    expected = [
        1
        - structural_similarity(
            first, second, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=0
        )
        for first, second in zip(one.numpy(), other.numpy(), strict=True)
    ]
    np.testing.assert_allclose(dissimilarity(one, other).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("side", [1, 3, 8, 10])
def test_small_images_have_small_windows(side):
    """The window is as large as fits, so images smaller than it can be compared too."""
    one, other = images(0, 1, side, side)
    found = dissimilarity(one, other)
    assert found.shape == (2,)
    assert (found > 0).all()
    torch.testing.assert_close(dissimilarity(one, one), torch.zeros(2, dtype=torch.float64))


def test_it_is_symmetric_and_each_image_counts_for_itself():
    """Swapping both changes nothing, and neither does what else is in the batch."""
    one, other = images(1, 3, 16, 20)
    together = dissimilarity(one, other)
    torch.testing.assert_close(dissimilarity(other, one), together)
    torch.testing.assert_close(torch.cat([dissimilarity(one[k : k + 1], other[k : k + 1]) for k in (0, 1)]), together)


def test_flat_images_in_single_precision_are_fine():
    """Variances of equal pixels may round below zero; nothing becomes infinite."""
    flat = torch.full((1, 1, 28, 28), 0.7)
    assert dissimilarity(flat, flat).abs().max() < 1e-4
    assert torch.isfinite(dissimilarity(flat, torch.zeros_like(flat))).all()


def test_its_gradients_are_those_of_finite_differences():
    """By `gradcheck`, with respect to both images."""
    one, other = (part[:, :, :12, :13].contiguous().requires_grad_() for part in images(2, 2, 12, 13))
    assert torch.autograd.gradcheck(
        dissimilarity, (one[:1].detach().requires_grad_(), other[:1].detach().requires_grad_())
    )
