"""Training images as a network sees them: an augmentation applied.

What happens to an image depends on (seed, epoch, row) and on the image, and what happens to a batch as a whole on
(seed, epoch, number of the batch): not on the number of workers, the order, the other images of the batch, or any
global random state, which is neither read nor changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boda.arrays import Pixels
from boda.errors import MissingExtra, Refused
from boda.pixels.augment import Augmentation
from boda.pixels.augmenting.chance import Numbers, generator, uniforms
from boda.pixels.augmenting.flips import HorizontalFlip, VerticalFlip
from boda.pixels.augmenting.mixing import Mixed

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Augmented:
    """Images as the network sees them, and which of them were flipped."""

    pixels: "torch.Tensor"
    """(n, h, w, c) uint8."""
    flipped: npt.NDArray[np.bool_]
    """(n,): mirrored left to right."""
    upended: npt.NDArray[np.bool_]
    """(n,): mirrored upside down."""


def augment_images(
    augmentation: Augmentation, images: "Sequence[torch.Tensor | Pixels]", *, seed: int, epoch: int, rows: npt.ArrayLike
) -> Augmented:
    """Augment images one by one; they may differ in size where the augmentation makes them equal.

    Args:
        augmentation: its steps for images are done; those that mix a batch are for `mix_batch`.
        images: each (h, w, c) uint8, c 1 or 3, tensors or arrays.
        seed: of the training.
        epoch: how often the images have been seen before.
        rows: (n,), the number of each image among all training images.

    Raises:
        Refused: not images of this form; they differ in size at the end.
        MissingExtra: torch is not installed.
    """
    _import_torch()
    import torch

    numbers = _numbers(augmentation, len(images), seed, epoch, rows)
    done = []
    for row, image in enumerate(images):
        changed = _checked(image, 3).permute(2, 0, 1)
        for step, drawn in zip(augmentation.of_images, numbers, strict=True):
            changed = step.apply(changed, drawn[row])
        done.append(changed.permute(1, 2, 0))
    if sizes := sorted({tuple(one.shape[:2]) for one in done})[1:]:
        raise Refused(
            f"images of {_size(done[0].shape)} and of {_size(sizes[-1])} pixels in one batch: "
            "add a step that gives all the same size, such as random_resized_crop"
        )
    pixels = torch.stack(done) if done else torch.empty((0, 0, 0, 3), dtype=torch.uint8)
    return Augmented(pixels, *_flipped(augmentation, numbers, len(images)))


def augment_batch(
    augmentation: Augmentation, images: "torch.Tensor", *, seed: int, epoch: int, rows: npt.ArrayLike
) -> Augmented:
    """Augment images of one size together; bit for bit what `augment_images` makes of each.

    Padding, cropping and flipping are done to the whole batch at once; other steps image by image.

    Args:
        augmentation: as for `augment_images`, like the next three.
        images: (n, h, w, c) uint8, c 1 or 3, on any device.
        seed: of the training.
        epoch: how often the images have been seen before.
        rows: (n,), the number of each image among all training images.

    Raises:
        Refused: not images of this form.
    """
    images = _checked(images, 4)
    numbers = _numbers(augmentation, len(images), seed, epoch, rows)
    changed = images.permute(0, 3, 1, 2)
    if len(images):
        for step, drawn in zip(augmentation.of_images, numbers, strict=True):
            changed = step.apply_batch(changed, drawn)
    return Augmented(changed.permute(0, 2, 3, 1).contiguous(), *_flipped(augmentation, numbers, len(images)))


def mix_batch(augmentation: Augmentation, images: "torch.Tensor", *, seed: int, epoch: int, batch: int) -> Mixed:
    """Mix the images of a batch with each other, as the augmentation says; without such a step they stay.

    Args:
        augmentation: its steps that mix.
        images: (n, h, w, c) uint8, augmented before.
        seed: of the training.
        epoch: how often the images have been seen before.
        batch: its number in the epoch.

    Raises:
        Refused: not images of this form.
    """
    images = _checked(images, 4)
    if not augmentation.of_batches:
        return Mixed(images, np.arange(len(images)), 1.0)
    rng = generator(seed, epoch, batch)
    return augmentation.of_batches[rng.integers(len(augmentation.of_batches))].mix(images, rng)


def _import_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("an augmentation", "torch") from error


def _numbers(augmentation: Augmentation, count: int, seed: int, epoch: int, rows: npt.ArrayLike) -> list[Numbers]:
    which = np.asarray(rows, dtype=None if count else np.int64)
    if which.shape != (count,):
        raise Refused(f"{count} images and rows of shape {which.shape}: each image has one row")
    return uniforms(seed, epoch, which, [step.draws for step in augmentation.of_images])


def _flipped(
    augmentation: Augmentation, numbers: Sequence[Numbers], count: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which images are mirrored in the end, left to right and upside down: two flips are none."""
    flipped, upended = np.zeros(count, bool), np.zeros(count, bool)
    for step, drawn in zip(augmentation.of_images, numbers, strict=True):
        if isinstance(step, HorizontalFlip):
            flipped ^= step.happens(drawn)
        elif isinstance(step, VerticalFlip):
            upended ^= step.happens(drawn)
    return flipped, upended


def _checked(images: "torch.Tensor | Pixels", dimensions: int) -> "torch.Tensor":
    if images.ndim != dimensions or images.shape[-1] not in (1, 3) or not str(images.dtype).endswith("uint8"):
        form = "(h, w, 3)" if dimensions == 3 else "(n, h, w, 3)"
        raise Refused(f"images must be uint8 of shape {form}, and these are {tuple(images.shape)} {images.dtype}")
    if not isinstance(images, np.ndarray):
        return images
    import torch

    return torch.from_numpy(images if images.flags.writeable else images.copy())


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]}x{shape[1]}"
