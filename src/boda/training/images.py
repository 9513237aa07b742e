"""Images of a training run: uint8 pixels by row, in memory where they are small, decoded anew where they are not."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from boda.arrays import Pixels
from boda.heads.inputs import Rows


class Images(Protocol):
    """n images."""

    @property
    def names(self) -> Sequence[str]:
        """Of each, for errors and lists."""
        ...

    def stacked(self, rows: Rows) -> Tensor | None:
        """(b, h, w, 3) uint8 of these rows, a copy; None where images have other sizes."""
        ...

    def each(self, rows: Rows) -> list[Pixels]:
        """(h, w, 3) uint8 of each of these rows."""
        ...


@dataclass(frozen=True, eq=False)
class InMemory:
    """Images of one size."""

    pixels: Tensor
    """(n, h, w, 3) uint8."""
    names: Sequence[str]

    def stacked(self, rows: Rows) -> Tensor:
        """(b, h, w, 3)."""
        return self.pixels.index_select(0, torch.from_numpy(rows))

    def each(self, rows: Rows) -> list[Pixels]:
        """As `stacked`, apart."""
        return list(self.stacked(rows).numpy())


@dataclass(frozen=True, eq=False)
class OfAnySize:
    """Images in memory that have no size in common."""

    pixels: Sequence[Pixels]
    names: Sequence[str]

    def stacked(self, rows: Rows) -> None:
        """They cannot be."""

    def each(self, rows: Rows) -> list[Pixels]:
        """(h, w, 3) of each."""
        return [self.pixels[row] for row in rows.tolist()]


@dataclass(frozen=True, eq=False)
class FromFiles:
    """Images that are read and decoded whenever they are asked for, several at once."""

    read: Callable[[int], Pixels]
    """Row to (h, w, 3), of any size; called from several threads."""
    names: Sequence[str]
    pool: ThreadPoolExecutor

    def stacked(self, rows: Rows) -> None:
        """They have no size in common."""

    def each(self, rows: Rows) -> list[Pixels]:
        """Decoded now."""
        return list(self.pool.map(self.read, rows.tolist()))


@dataclass(frozen=True, eq=False)
class After:
    """Images whose rows are counted on from those of others."""

    images: Images
    before: int
    """How many rows the others have."""
    names: Sequence[str]
    """Of the others and of these."""

    def stacked(self, rows: Rows) -> Tensor | None:
        """As of the images themselves."""
        return self.images.stacked(rows - self.before)

    def each(self, rows: Rows) -> list[Pixels]:
        """As of the images themselves."""
        return self.images.each(rows - self.before)


def centre(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """(h, w, 3) cut to its middle; smaller images are filled with black as torchvision does."""
    height, width = size
    lacking = max(0, height - pixels.shape[0]), max(0, width - pixels.shape[1])
    if any(lacking):
        edges = [(short // 2, short - short // 2) for short in lacking]
        pixels = np.pad(pixels, (*edges, (0, 0)))
    top, left = round((pixels.shape[0] - height) / 2), round((pixels.shape[1] - width) / 2)
    return pixels[top : top + height, left : left + width]
