"""Maps that know nothing of a score: a blob in the middle of the picture, and chance. Others are held against them.

People put what matters in the middle, so a blob there is often a good map, of any photograph and any score: it also
predicts where people look better than many models made for that (Judd et al., ICCV 2009). A method that does no
better has shown nothing.
"""

import numpy as np
import numpy.typing as npt

from boda.explanations.heat import Heat, Map

_SPREAD = 1 / 4
"""Standard deviation of the blob, in sides. Curves read the order of pixels only, which it does not change."""


def centre_blob(shape: tuple[int, int]) -> Map:
    """(h, w): a Gaussian around the middle, as much wider than high as the picture; 1 at its middle."""
    down, across = ((2 * np.arange(side) - side + 1) / (2 * side * _SPREAD) for side in shape)  # to the bit symmetric
    blob: Map = np.exp(-0.5 * (down[:, None] ** 2 + across[None, :] ** 2)).astype(np.float32)
    return blob


def random_maps(
    n: int, shape: tuple[int, int], rng: np.random.Generator, *, places: tuple[int, int] | None = None
) -> Map:
    """(n, h, w): normal values at as many places as a method's own map has, enlarged in the same way.

    So chance is as smooth as the method: hiding a few large patches moves a score otherwise than hiding as many
    pixels here and there. A random map turned round is as likely as itself.

    Args:
        n: how many.
        shape: height and width.
        rng: of the values.
        places: down and across; None: every pixel.
    """
    values: npt.NDArray[np.float32] = rng.standard_normal((n, *(places or shape)), dtype=np.float32)
    return Heat("random", "", values, np.zeros(n), "", signed=True).at(shape)
