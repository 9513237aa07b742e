"""EMD: how far ratings must move to turn one distribution into another, in two definitions, and as a loss."""

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.rating_metrics import earth_movers_distance

Floats = npt.NDArray[np.float64]


def emd(p: Floats, q: Floats, levels: tuple[float, ...] | None = None) -> Floats:
    """(n,) earth mover's distance of (n, r) shares, in rating units: the mean way that a rating has to go.

    Args:
        p: (n, r) shares, each row adding up to 1.
        q: the same.
        levels: what each rating is worth; 1 to r where None.

    Raises:
        Refused: shapes differ.
    """
    _same_shape(p, q)
    worth = np.arange(1.0, p.shape[1] + 1) if levels is None else np.array(levels)
    return earth_movers_distance(p, q, worth)


def nima_emd(p: Floats, q: Floats) -> Floats:
    """(n,) the r = 2 form: root of the mean square of the difference of the r cumulative shares, from 0 to below 1.

    It knows the order of ratings but not what they are worth. Talebi and Milanfar, "NIMA: Neural Image Assessment",
    IEEE Transactions on Image Processing 27(8), 2018, equation 1.

    Raises:
        Refused: shapes differ.
    """
    _same_shape(p, q)
    return np.asarray(np.sqrt((np.cumsum(p - q, axis=1) ** 2).mean(axis=1)))


def _same_shape(p: Floats, q: Floats) -> None:
    if p.ndim != 2 or p.shape != q.shape:
        raise Refused(f"two distributions must have one shape (n, r), not {p.shape} and {q.shape}")
