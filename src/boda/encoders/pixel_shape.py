"""The check at every encoder's door: are these the pixels that its recipe speaks of?"""

import numpy as np

from boda.arrays import Pixels
from boda.errors import Refused
from boda.recipe import Recipe


def check_pixels(pixels: Pixels, recipe: Recipe) -> None:
    """Raise unless `pixels` are (n, h, w, 3) uint8 with the recipe's height and width.

    Raises:
        Refused: says what was given and what is needed.
    """
    assert recipe.pixels is not None
    wanted = (*recipe.pixels.shape, 3)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != wanted:
        given = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise Refused(f"encoder {recipe.name!r} needs pixels as uint8 (n, {', '.join(map(str, wanted))}), not {given}")
