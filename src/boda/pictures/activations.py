"""Activations on one sheet: the image, and beside it what channels of a layer say of each place."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from boda.arrays import Pixels
from boda.pictures.filters import enlarged
from boda.pictures.sheet import Tile, contact_sheet


def activation_sheet(
    maps: npt.NDArray[np.float32],
    captions: Sequence[str],
    *,
    image: Pixels | None = None,
    columns: int = 6,
    side: int = 140,
    title: str = "",
) -> Image.Image:
    """Draw maps row by row, each on a scale of its own, which is written under it.

    Where nothing is negative, black is 0 and white the largest; else grey is 0, and white and black are as far from it.

    Args:
        maps: (m, y, x), m > 0.
        captions: one each; may have several lines.
        image: (h, w, 3) shown first.
        columns: in a row.
        side: of each on the sheet, in pixels.
        title: one line on top.
    """
    tiles = []
    if image is not None:
        picture = Image.fromarray(image)
        times = side / max(picture.size)
        size = (max(1, round(picture.width * times)), max(1, round(picture.height * times)))
        tiles.append(Tile(picture.resize(size), ("the image", "")))
    for one, caption in zip(maps, captions, strict=True):
        levels = np.repeat(_levels(one)[:, :, None], 3, axis=2)
        tiles.append(Tile(enlarged(levels, side), (*caption.split("\n"), f"{one.min():.3g} to {one.max():.3g}")))
    return contact_sheet(tiles, columns=columns, side=side, title=title)


def _levels(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """(y, x) to grey levels."""
    largest = float(np.abs(values).max())
    if not largest:
        return np.zeros(values.shape, np.uint8)
    shares = values / largest
    levels: npt.NDArray[np.uint8] = np.rint(128 + 127 * shares if values.min() < 0 else 255 * shares).astype(np.uint8)
    return levels
