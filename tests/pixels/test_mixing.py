"""MixUp and CutMix: labels are mixed as the pixels are, counted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from boda.pixels.augment import augmentation_named
from boda.pixels.augmented import mix_batch
from boda.pixels.augmenting.mixing import CutMix, MixUp, paste_box


def plain(count, height, width):
    """Images of one level each: image i is all 10 i."""
    return (
        (10 * torch.arange(count, dtype=torch.uint8))[:, None, None, None].expand(count, height, width, 3).contiguous()
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 20), st.integers(1, 40), st.integers(1, 40), st.integers(0, 10_000), st.floats(0.05, 5))
def test_cutmix_counts_the_pixels_that_were_pasted(count, height, width, batch, alpha):
    """The share of each image's own pixels is exactly its share of the label, also over the border."""
    images = plain(count, height, width)
    mixed = mix_batch(augmentation_named(f"cutmix?alpha={alpha}"), images, seed=4, epoch=1, batch=batch)
    for row, partner in enumerate(mixed.partners):
        own = (mixed.pixels[row] == images[row]).all(-1)
        others = (mixed.pixels[row] == images[partner]).all(-1)
        assert bool((own | others).all())
        if partner != row:
            assert own.sum().item() / (height * width) == pytest.approx(mixed.share, abs=1e-12)
    assert sorted(mixed.partners) == list(range(count))


def test_cutmix_pastes_the_area_it_draws():
    """Within the image the rectangle has the shape of the image and an area of 1 - kept, as in the paper."""
    assert paste_box(100, 200, 0.75, 50, 100) == (25, 50, 75, 150)
    assert paste_box(100, 200, 0.75, 0, 199) == (0, 149, 25, 200)
    assert paste_box(100, 200, 1.0, 30, 30) == (30, 30, 30, 30)
    assert paste_box(100, 200, 0.0, 50, 100) == (0, 0, 100, 200)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000), st.floats(0.05, 5))
def test_mixup_is_the_weighted_mean(count, batch, alpha):
    """Rounded to the nearest level, with the weight of the label."""
    images = torch.from_numpy(np.random.default_rng(count).integers(0, 256, (count, 5, 4, 3), dtype=np.uint8))
    mixed = mix_batch(augmentation_named(f"mixup?alpha={alpha}"), images, seed=4, epoch=1, batch=batch)
    exact = mixed.share * images.double() + (1 - mixed.share) * images[mixed.partners].double()
    assert float((mixed.pixels.double() - exact).abs().max()) <= 0.5 + 1e-4


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_weights_are_beta_distributed(alpha):
    """Beta(alpha, alpha), one for a batch."""
    images = plain(2, 1, 1)
    shares = [
        mix_batch(augmentation_named(f"mixup?alpha={alpha}"), images, seed=0, epoch=0, batch=b).share
        for b in range(2000)
    ]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 1e-4


def test_targets_are_mixed_with_their_own_and_their_partners():
    """One-hot classes stay shares that sum to 1; numbers are mixed alike; tensors and arrays."""
    images = plain(4, 8, 8)
    mixed = mix_batch(augmentation_named("cutmix"), images, seed=0, epoch=3, batch=5)
    assert 0 < mixed.share < 1
    classes = torch.eye(4)
    targets = mixed.targets(classes)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    for row, partner in enumerate(mixed.partners):
        expected = mixed.share * classes[row] + (1 - mixed.share) * classes[partner]
        assert torch.allclose(targets[row], expected)
    numbers = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(
        mixed.targets(numbers), mixed.share * numbers + (1 - mixed.share) * numbers[mixed.partners]
    )


def test_mixing_depends_on_seed_epoch_and_batch():
    """Again the same, elsewhere another; without a step that mixes nothing is mixed."""
    images = plain(8, 6, 6)
    augmentation = augmentation_named("mixup")

    def mixed(seed, epoch, batch):
        return mix_batch(augmentation, images, seed=seed, epoch=epoch, batch=batch)

    assert torch.equal(mixed(1, 2, 3).pixels, mixed(1, 2, 3).pixels)
    assert len({mixed(*which).share for which in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4))}) == 4
    still = mix_batch(augmentation_named("cifar"), images, seed=1, epoch=2, batch=3)
    assert still.pixels is images and still.share == 1 and list(still.partners) == list(range(8))


def test_of_two_ways_to_mix_each_batch_gets_one():
    """Half of the batches are means, half are collages."""
    images = plain(8, 16, 16)
    augmentation = augmentation_named("mixup+cutmix?alpha=1")
    assert [type(step) for step in augmentation.of_batches] == [MixUp, CutMix]
    collages = 0
    for batch in range(200):
        found = mix_batch(augmentation, images, seed=0, epoch=0, batch=batch).pixels.flatten(1)
        collages += bool(torch.isin(found, images[:, 0, 0, 0]).all())
    assert 70 < collages < 130
