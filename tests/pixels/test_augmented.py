"""What an image becomes depends on seed, epoch and row alone; the fast path equals the plain one."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.errors import Refused
from boda.pixels.augment import PRESETS, augmentation_named
from boda.pixels.augmented import augment_batch, augment_images, mix_batch

ALL = tuple(PRESETS)
RNG = np.random.default_rng(8)
BATCH = torch.from_numpy(RNG.integers(0, 256, (6, 20, 24, 3), dtype=np.uint8))


def of_size(name):
    """A preset that makes small images."""
    return augmentation_named(name).sized((16, 16))


@pytest.mark.parametrize("name", ALL)
def test_a_batch_is_what_its_images_are_alone(name):
    """Bit for bit, whichever others are in it."""
    augmentation, rows = of_size(name), [5, 0, 3, 2**32 - 1, 9, 1]
    together = augment_batch(augmentation, BATCH, seed=3, epoch=4, rows=rows)
    one_by_one = augment_images(augmentation, list(BATCH), seed=3, epoch=4, rows=rows)
    assert torch.equal(together.pixels, one_by_one.pixels)
    assert together.pixels.is_contiguous()
    for place, row in enumerate(rows):
        alone = augment_images(augmentation, [BATCH[place].numpy()], seed=3, epoch=4, rows=[row])
        assert torch.equal(alone.pixels[0], together.pixels[place])
        assert alone.flipped[0] == together.flipped[place] and alone.upended[0] == together.upended[place]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["cifar", "cifar?fill=reflect", "cifar?padding=0", "flip", "cifar?padding=7&fill=9/8/7&p=1"]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 5),
    st.sampled_from([1, 3]),
    st.integers(0, 2**64 - 1),
)
def test_the_batch_path_of_small_images_equals_the_plain_one(name, height, width, count, channels, seed):
    """For any size, also of one pixel and of no image, of one channel or three."""
    if channels == 1:
        name = name.replace("9/8/7", "9")
    images = torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    )
    before = images.clone()
    augmentation = augmentation_named(name)
    together = augment_batch(augmentation, images, seed=seed, epoch=0, rows=np.arange(count))
    assert together.pixels.shape == images.shape
    if count:
        plain = augment_images(augmentation, list(images), seed=seed, epoch=0, rows=np.arange(count))
        assert torch.equal(together.pixels, plain.pixels)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", ALL)
def test_global_randomness_is_neither_used_nor_changed(name):
    """That of torch, NumPy and Python stays as it was, and changes nothing."""
    augmentation, found = of_size(name), []
    for start in (0, 1):
        torch.manual_seed(start)
        np.random.seed(start)  # noqa: NPY002
        random.seed(start)
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
        seen = augment_batch(augmentation, BATCH, seed=1, epoch=2, rows=range(6))
        found.append(mix_batch(augmentation, seen.pixels, seed=1, epoch=2, batch=0).pixels)
        assert torch.equal(torch.get_rng_state(), states[0])
        np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
        assert random.getstate() == states[2]
    assert torch.equal(*found)


class _Rows(torch.utils.data.Dataset):
    """Row to its augmented image."""

    def __len__(self):
        return len(BATCH)

    def __getitem__(self, row):
        return augment_images(of_size("notebook+erasing"), [BATCH[row]], seed=1, epoch=2, rows=[row]).pixels[0]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_number_of_workers_changes_nothing(workers):
    """Processes or threads, one or two."""
    expected = torch.stack([_Rows()[row] for row in range(len(BATCH))])
    loader = torch.utils.data.DataLoader(_Rows(), batch_size=2, num_workers=workers, multiprocessing_context="fork")
    assert torch.equal(torch.cat(list(loader)), expected)
    with ThreadPoolExecutor(workers) as pool:
        assert torch.equal(torch.stack(list(pool.map(_Rows().__getitem__, range(len(BATCH))))), expected)


def test_epochs_rows_and_seeds_differ():
    """The same image becomes another in each."""
    augmentation, image = augmentation_named("cifar"), BATCH[0]

    def seen(seed, epoch, row):
        return augment_images(augmentation, [image], seed=seed, epoch=epoch, rows=[row]).pixels

    first = [seen(0, 0, 0), *(seen(0, epoch, 0) for epoch in (1, 2, 3)), *(seen(0, 0, row) for row in (1, 2, 3))]
    assert sum(torch.equal(one, first[0]) for one in first[1:]) <= 1
    assert sum(torch.equal(seen(seed, 0, 0), first[0]) for seed in range(1, 9)) <= 1


def test_flips_are_told():
    """For each image whether it is mirrored, left to right and upside down; two flips are none."""
    seen = augment_batch(augmentation_named("flip?p=0.5"), BATCH, seed=2, epoch=0, rows=range(6))
    assert 0 < seen.flipped.sum() < 6 and not seen.upended.any()
    for image, before, flipped in zip(seen.pixels, BATCH, seen.flipped, strict=True):
        assert torch.equal(image, before.flip(1) if flipped else before)
    twice = augment_batch(augmentation_named("flip+flip?p=1"), BATCH, seed=2, epoch=0, rows=range(6))
    assert torch.equal(twice.pixels, BATCH) and not twice.flipped.any()
    both = augment_batch(augmentation_named("galaxies?degrees=0&p=1"), BATCH, seed=2, epoch=0, rows=range(6))
    assert both.flipped.all() and both.upended.all()
    assert torch.equal(both.pixels, BATCH.flip(1, 2))


def test_images_of_several_sizes_become_one_size_or_are_refused():
    """A crop makes them equal; without one the error says which sizes there are and what to add."""
    images = [BATCH[0], BATCH[1, :12], BATCH[2, :, :13]]
    seen = augment_images(of_size("notebook"), images, seed=0, epoch=0, rows=[0, 1, 2])
    assert seen.pixels.shape == (3, 16, 16, 3)
    with pytest.raises(Refused, match=r"20x24 and of .* pixels in one batch: add a step"):
        augment_images(augmentation_named("cifar"), images[:2], seed=0, epoch=0, rows=[0, 1])
    assert augment_images(augmentation_named("cifar"), [], seed=0, epoch=0, rows=[]).pixels.shape[0] == 0


def test_read_only_arrays_can_be_augmented():
    """A memory map is copied, not written to, and nothing warns."""
    image = BATCH[0].numpy().copy()
    image.flags.writeable = False
    augment_images(augmentation_named("cifar"), [image], seed=0, epoch=0, rows=[0])


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 8, 8, 3), torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(8, 8, 3, dtype=torch.uint8)],
    ids=["floats", "channels first", "one image"],
)
def test_what_is_no_batch_of_pixels_is_refused(images):
    """With its shape and type."""
    with pytest.raises(Refused, match=r"uint8 of shape \(n, h, w, 3\), and these are"):
        augment_batch(augmentation_named("cifar"), images, seed=0, epoch=0, rows=range(len(images)))


def test_rows_are_one_an_image():
    """Too few, too many and none are refused."""
    for rows in ([0], range(7), 3):
        with pytest.raises(Refused, match="each image has one row"):
            augment_batch(augmentation_named("cifar"), BATCH, seed=0, epoch=0, rows=rows)


def test_only_training_images_can_be_augmented():
    """What prepares pixels, embeds, predicts and keeps features has no place for an augmentation."""
    import inspect
    from dataclasses import fields

    import boda
    from boda.pixels.prepare import prepare, prepare_each

    for function in (prepare, prepare_each, boda.embed, boda.predict, boda.evaluate, boda.search, boda.load_encoder):
        assert not [name for name in inspect.signature(function).parameters if "augment" in name]
    assert not [
        field.name for kind in (boda.PixelSpec, boda.Recipe) for field in fields(kind) if "augment" in field.name
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", ["cifar", "cifar?fill=reflect", "cifar+cutmix"])
def test_a_gpu_pads_crops_flips_and_pastes_as_a_processor_does(name):
    """Bit for bit, and the images stay where they are."""
    augmentation = augmentation_named(name)
    here = augment_batch(augmentation, BATCH, seed=3, epoch=4, rows=range(6))
    there = augment_batch(augmentation, BATCH.cuda(), seed=3, epoch=4, rows=range(6))
    assert there.pixels.is_cuda
    assert torch.equal(there.pixels.cpu(), here.pixels)
    mixed = [mix_batch(augmentation, seen.pixels, seed=3, epoch=4, batch=1) for seen in (here, there)]
    assert torch.equal(mixed[0].pixels, mixed[1].pixels.cpu())
