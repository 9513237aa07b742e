"""A folder by class, drawn: images with a bright upper or a bright lower half."""

from pathlib import Path

import numpy as np
from PIL import Image


def write(folder: Path, count: int, *, seed: int, classes: tuple[str, ...] = ("under", "over")) -> Path:
    """So many images of 32 x 32, in turn of each class, no two alike."""
    rng = np.random.default_rng(seed)
    for row in range(count):
        place = folder / classes[row % len(classes)] / f"{row:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 90, (32, 32, 3))
        pixels[:16] += 120 * (row % 2)
        pixels[16:] += 120 * (1 - row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(place)
    return folder
