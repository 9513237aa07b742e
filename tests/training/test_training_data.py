"""Batches: training rows augmented with targets that follow, all other rows as they are."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from boda.pixels.augment import augmentation_named
from boda.pixels.augmented import augment_batch, mix_batch
from boda.pixels.augmenting.labels import label_swaps
from boda.training.data import HeldRows, TrainingRows, ahead, as_floats
from boda.training.images import FromFiles, InMemory, centre

N, SIDE = 24, 10
NAMES = tuple(f"{row}.png" for row in range(N))
PIXELS = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), np.uint8)
SIDES = ("left", "right")


def in_memory() -> InMemory:
    return InMemory(torch.from_numpy(PIXELS.copy()), NAMES)


def from_files(pool: ThreadPoolExecutor) -> FromFiles:
    return FromFiles(lambda row: PIXELS[row], NAMES, pool)


@pytest.fixture(params=["memory", "files"])
def images(request):
    """The same images, at hand or read anew."""
    with ThreadPoolExecutor(2) as pool:
        yield in_memory() if request.param == "memory" else from_files(pool)


def training(images, augmentation: str, *, targets=None, classes: int = 0, names=(), rows=None, **more) -> TrainingRows:
    rows = np.arange(N) if rows is None else rows
    steps = augmentation_named(augmentation).sized((SIDE, SIDE))
    targets = torch.arange(N) % 2 if targets is None else targets
    swaps = label_swaps(steps, names=names)
    return TrainingRows(images, targets, rows, (SIDE, SIDE), 3, steps, swaps, 5, classes, **more)


def pixels_of(images: torch.Tensor) -> np.ndarray:
    """(b, h, w, 3) uint8 again."""
    return (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def test_batches_are_the_images_with_their_targets_and_names(images):
    """Without augmentation each row is what it was, wherever it lies in the order."""
    rows = np.arange(3, 20)
    found = list(training(images, "none", targets=torch.arange(17) * 10, rows=rows).batches(5, 0))
    assert [(one.epoch, one.number, len(one.rows)) for one in found] == [(0, 0, 5), (0, 1, 5), (0, 2, 5), (0, 3, 2)]
    for batch in found:
        np.testing.assert_array_equal(pixels_of(batch.images), PIXELS[batch.rows])
        assert batch.targets.tolist() == [(row - 3) * 10 for row in batch.rows]
        assert list(batch.names) == [NAMES[row] for row in batch.rows]
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert sorted(np.concatenate([one.rows for one in found])) == list(rows)


@pytest.mark.parametrize("augmentation", ["cifar", "cifar+mixup", "flip+cutmix"])
def test_an_epoch_goes_on_after_a_batch_to_the_bit(images, augmentation):
    """The same images and targets as if it had not been stopped; the next epoch has others."""
    rows = training(images, augmentation, classes=2)
    whole, rest, other = list(rows.batches(7, 2)), list(rows.batches(7, 2, after=2)), next(rows.batches(7, 3))
    for one, again in zip(whole[2:], rest, strict=True):
        assert torch.equal(one.images, again.images)
        assert torch.equal(one.targets, again.targets)
        np.testing.assert_array_equal(one.rows, again.rows)
    assert not torch.equal(whole[0].images, other.images)


def test_files_and_memory_give_the_same_bits():
    """Image by image or the batch at once."""
    with ThreadPoolExecutor(2) as pool:
        for one, other in zip(
            training(in_memory(), "cifar", classes=2).batches(8, 1),
            training(from_files(pool), "cifar", classes=2).batches(8, 1),
            strict=True,
        ):
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.targets, other.targets)


@pytest.mark.parametrize("augmentation", ["mixup", "cutmix"])
def test_targets_are_mixed_as_images_are(augmentation):
    """Shares of classes that add up to 1: of MixUp the weight of the image, of CutMix its area."""
    rows = training(in_memory(), augmentation, targets=torch.arange(N) % 3, classes=3)
    for batch in rows.batches(12, 0):
        assert batch.targets.shape == (12, 3)
        torch.testing.assert_close(batch.targets.sum(dim=1), torch.ones(12))
        plain = torch.from_numpy(PIXELS[batch.rows])
        mixed = mix_batch(rows.augmentation, plain, seed=5, epoch=0, batch=batch.number)
        hard = torch.nn.functional.one_hot(torch.from_numpy(batch.rows % 3), 3).float()
        torch.testing.assert_close(batch.targets, mixed.share * hard + (1 - mixed.share) * hard[mixed.partners])
        if augmentation == "cutmix":
            own = (pixels_of(batch.images) == PIXELS[batch.rows]).all(axis=3).mean(axis=(1, 2))
            assert own[mixed.partners != np.arange(12)] == pytest.approx(mixed.share)


def test_numbers_and_columns_are_mixed_too():
    """Without classes a target is a number, and the mean of two is what the mixed image is of."""
    numbers = torch.linspace(0, 1, N)
    rows = training(in_memory(), "mixup", targets=numbers, columns=numbers[:, None] * 3)
    batch = next(rows.batches(8, 0))
    torch.testing.assert_close(batch.columns[:, 0], batch.targets * 3)
    assert not torch.equal(batch.targets, numbers[batch.rows])
    assert 0 <= batch.targets.min() <= batch.targets.max() <= 1


def test_a_flip_that_turns_one_class_into_another_swaps_the_label():
    """Row by row: what was flipped has the other label, what was not has its own; both come in the same batch."""
    rows = training(in_memory(), "flip", classes=2, names=SIDES)
    flips = 0
    for batch in rows.batches(6, 0):
        mirrored = (pixels_of(batch.images) == PIXELS[batch.rows][:, :, ::-1]).all(axis=(1, 2, 3))
        np.testing.assert_array_equal(batch.targets.numpy(), np.where(mirrored, 1 - batch.rows % 2, batch.rows % 2))
        flips += int(mirrored.sum())
    assert 0 < flips < N
    unnamed = training(in_memory(), "flip", classes=2, names=("cat", "dog"))
    assert all((batch.targets.numpy() == batch.rows % 2).all() for batch in unnamed.batches(6, 0))


def test_numbers_of_workers_change_nothing():
    """Nor does what else is in the batch: an image of an epoch looks the same in batches of 4 and of 24."""
    alone = {
        int(row): image
        for batch in training(in_memory(), "cifar").batches(4, 1)
        for row, image in zip(batch.rows, batch.images, strict=True)
    }
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as pool:
            (batch,) = training(from_files(pool), "cifar").batches(N, 1)
            assert all(torch.equal(alone[int(row)], image) for row, image in zip(batch.rows, batch.images, strict=True))


def test_torchs_generator_has_no_part_in_it():
    """Neither read nor changed."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = next(training(in_memory(), "cifar+mixup", classes=2).batches(8, 0))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(first.images, next(training(in_memory(), "cifar+mixup", classes=2).batches(8, 0)).images)


def test_held_rows_are_as_they_are(images):
    """In order, whole, unmoved, the same every time; there is no place for an augmentation."""
    rows = np.array([3, 1, 20, 7])
    held = HeldRows(images, torch.arange(4), rows, (SIDE, SIDE))
    assert not hasattr(held, "augmentation")
    for _ in range(2):
        (batch,) = held.batches()
        np.testing.assert_array_equal(pixels_of(batch.images), PIXELS[rows])
        np.testing.assert_array_equal(batch.rows, rows)
        assert batch.targets.tolist() == [0, 1, 2, 3]


def test_images_in_memory_are_not_written_to():
    """By no augmentation, and by no network that works in place."""
    memory = in_memory()
    for augmentation in ("none", "cifar", "flip+mixup", "cutmix", "erasing"):
        for batch in training(memory, augmentation, classes=2).batches(8, 0):
            batch.images.zero_()
    for batch in HeldRows(memory, torch.zeros(N), np.arange(N), (SIDE, SIDE)).batches():
        batch.images.zero_()
    np.testing.assert_array_equal(memory.pixels.numpy(), PIXELS)


def test_grey_networks_see_the_mean_of_the_channels():
    """One channel where the plan has one."""
    pixels = torch.from_numpy(PIXELS)
    grey = as_floats(pixels, 1)
    assert grey.shape == (N, 1, SIDE, SIDE)
    np.testing.assert_allclose(grey[:, 0].numpy(), PIXELS.mean(axis=3) / 255, atol=1e-6)
    assert as_floats(pixels, 3).max() <= 1


@pytest.mark.parametrize("size", [(6, 6), (10, 4), (14, 14), (7, 12)])
def test_the_middle_is_torchvisions(size):
    """CenterCrop, which fills what is too small with black."""
    from boda.torchvision_door import open_door

    open_door()
    from torchvision.transforms.functional import center_crop

    expected = center_crop(torch.from_numpy(PIXELS[0]).permute(2, 0, 1), list(size)).permute(1, 2, 0)
    np.testing.assert_array_equal(centre(PIXELS[0], size), expected.numpy())


def test_batches_made_ahead_are_the_same_and_errors_arrive():
    """In order; what goes wrong in the other thread is raised where the batch was asked for."""
    assert list(ahead(iter(["a", "b", "c"]))) == ["a", "b", "c"]

    def failing():
        yield "a"
        raise OSError("gone")

    found = ahead(failing())
    assert next(found) == "a"
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_a_whole_batch_is_augmented_as_its_images_alone():
    """The path for images in memory equals the one for each, to the bit."""
    steps = augmentation_named("cifar").sized((SIDE, SIDE))
    batch = next(training(in_memory(), "cifar").batches(8, 4))
    seen = augment_batch(steps, torch.from_numpy(PIXELS[batch.rows]), seed=5, epoch=4, rows=batch.rows)
    np.testing.assert_array_equal(pixels_of(batch.images), seen.pixels.numpy())
