"""Seeds, as every verb takes them."""

from numbers import Integral

from boda.errors import Refused

_MOST = 2**64 - 1
"""torch takes no larger ones."""


def check_seed(seed: object) -> None:
    """Refuse what generators of random numbers would answer with an error of their own.

    Raises:
        Refused: it is no whole number from 0.

    >>> check_seed(-1)
    Traceback (most recent call last):
    boda.errors.Refused: seed=-1: a whole number from 0
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise Refused(f"seed={seed!r}: a whole number from 0")
    if int(seed) > _MOST:
        raise Refused(f"seed={seed}: a whole number from 0 to 2^64 - 1")
