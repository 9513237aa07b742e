"""Rows to batches: training rows in the order of a seed and augmented, all other rows as they are.

Only `TrainingRows` has a place for an augmentation, so that nothing else can be augmented.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from boda.arrays import Pixels
from boda.heads.inputs import Rows
from boda.pixels.augment import Augmentation
from boda.pixels.augmented import Augmented, augment_batch, augment_images, mix_batch
from boda.pixels.augmenting.labels import LabelSwaps
from boda.training.crew import Crew
from boda.training.images import Images, centre
from boda.training.order import batches, batches_in

_HELD_BATCH = 256
"""Images at once where nothing is learned; fewer of large ones."""
_PIXELS = 256 * 64 * 64


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step learns from."""

    images: Tensor
    """(b, c, h, w) float32, 0 to 1, channels last in memory."""
    targets: Tensor
    """(b, ...)."""
    rows: Rows
    names: Sequence[str]
    epoch: int = 0
    number: int = 0
    """In its epoch, from 0."""
    columns: Tensor | None = None
    """(b, c) float32 of a table, where the network sees these beside the images."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows that are learned from, each augmented in its own way in every epoch."""

    images: Images
    targets: Tensor
    """(n, ...) of these rows."""
    rows: Rows
    """(n,) in `images`."""
    size: tuple[int, int]
    channels: int
    augmentation: Augmentation
    """For an input of this size."""
    swaps: LabelSwaps
    """What its flips do to the targets."""
    seed: int
    classes: int = 0
    """How many, where targets are classes: for what mixes images."""
    columns: Tensor | None = None
    """(n, c) of these rows."""
    crew: Crew = field(default_factory=Crew)
    """Whose share of each batch is made."""

    def __len__(self) -> int:
        return len(self.rows)

    def batches_an_epoch(self, batch: int) -> int:
        """How many steps an epoch takes."""
        return batches_in(len(self.rows), batch)

    def batches(self, batch: int, epoch: int, *, after: int = 0) -> Iterator[Batch]:
        """Batches of an epoch from number `after` on, the same ones whenever they are asked for.

        Args:
            batch: rows of one.
            epoch: from 0.
            after: how many to leave out.
        """
        found = batches(len(self.rows), batch, seed=self.seed, epoch=epoch, after=after)
        made = (self._batch(places, epoch, number) for number, places in enumerate(found, after))
        return made if self.images.stacked(self.rows[:1]) is not None else ahead(made)

    def _batch(self, places: Rows, epoch: int, number: int) -> Batch:
        places = self.crew.share(places)
        rows = self.rows[places]
        stacked = self.images.stacked(rows)
        if stacked is None:
            seen = augment_images(self.augmentation, self._ready(rows), seed=self.seed, epoch=epoch, rows=rows)
        else:
            seen = augment_batch(self.augmentation, stacked, seed=self.seed, epoch=epoch, rows=rows)
        targets = self._swapped(self.targets[torch.from_numpy(places)], seen)
        columns = _of(self.columns, places)
        mixed = mix_batch(self.augmentation, seen.pixels, seed=self.seed, epoch=epoch, batch=number)
        if mixed.share < 1:
            soft = functional.one_hot(targets, self.classes).float() if self.classes else targets
            targets = mixed.targets(soft)
            columns = None if columns is None else mixed.targets(columns)
        images = as_floats(mixed.pixels, self.channels)
        return Batch(images, targets, rows, names_of(self.images, rows), epoch, number, columns)

    def _ready(self, rows: Rows) -> list[Pixels]:
        """Images of files; their middle, where nothing else makes them of one size."""
        each = self.images.each(rows)
        return each if self.augmentation.shape is not None else [centre(one, self.size) for one in each]

    def _swapped(self, targets: Tensor, seen: Augmented) -> Tensor:
        """Targets after the flips of their images."""
        swap = self.swaps.classes if targets.ndim == 1 else self.swaps.columns
        if not self.swaps.horizontal and not self.swaps.vertical:
            return targets
        return torch.from_numpy(np.ascontiguousarray(swap(targets.numpy(), seen.flipped, seen.upended)))


@dataclass(frozen=True, eq=False)
class HeldRows:
    """Rows that nothing is learned from: the middle of each image, as it is."""

    images: Images
    targets: Tensor
    """(n, ...) of these rows."""
    rows: Rows
    """(n,) in `images`."""
    size: tuple[int, int]
    channels: int = 3
    columns: Tensor | None = None
    """(n, c) of these rows."""

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self) -> Iterator[Batch]:
        """All rows in order."""
        most = max(1, min(_HELD_BATCH, _PIXELS // (self.size[0] * self.size[1])))
        for start in range(0, len(self.rows), most):
            rows = self.rows[start : start + most]
            pixels = self.images.stacked(rows)
            if pixels is None or tuple(pixels.shape[1:3]) != self.size:
                pixels = stack([centre(one, self.size) for one in self.images.each(rows)])
            targets = self.targets[start : start + most]
            columns = None if self.columns is None else self.columns[start : start + most]
            yield Batch(as_floats(pixels, self.channels), targets, rows, names_of(self.images, rows), columns=columns)


def _of(columns: Tensor | None, places: Rows) -> Tensor | None:
    return None if columns is None else columns[torch.from_numpy(places)]


def stack(images: Sequence[Pixels]) -> Tensor:
    """(b, h, w, 3) uint8 of images of one size."""
    return torch.from_numpy(np.stack(images))


def as_floats(pixels: Tensor, channels: int) -> Tensor:
    """(b, h, w, 3) uint8 to (b, c, h, w) float32, 0 to 1, channels last in memory; one channel is their mean."""
    found = pixels.to(torch.float32).div_(255).permute(0, 3, 1, 2)
    return found if channels == 3 else found.mean(dim=1, keepdim=True)


def names_of(images: Images, rows: Rows) -> list[str]:
    """Of these rows."""
    return [images.names[row] for row in rows]


def ahead(found: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, the next one being made in another thread while one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, found, None)
        while (batch := waiting.result()) is not None:
            waiting = pool.submit(next, found, None)
            yield batch
