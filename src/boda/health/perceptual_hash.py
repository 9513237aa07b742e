"""Perceptual hashes: 64 bits that stay nearly the same when a picture is shrunk, compressed or brightened.

The picture in grey, 32 x 32, goes through a cosine transform; of its 8 x 8 slowest waves each bit says whether it is
stronger than their median (pHash: Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010;
the same bits as `imagehash.phash`). A mirror image has the same waves, those of odd number across with the other sign,
so its hash costs no second look at the pixels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boda.errors import Refused

SIDE = 32
"""Of the grey picture, in pixels."""
FLAT = 2.0
"""Standard deviation of grey values (0..255) below which a picture has no waves but noise, and so no hash."""

_WAVES = 8
_DECIMALS = 6  # of waves up to 10^6: what differs by less is rounding
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Perceived:
    """Hashes of n pictures; those of flat ones mean nothing."""

    straight: Hashes
    """(n,)"""
    mirrored: Hashes
    """(n,) of the mirror images."""
    flat: npt.NDArray[np.bool_]
    """(n,)"""


def perceive(grey: npt.NDArray[np.uint8]) -> Perceived:
    """The hashes of n small grey pictures and of their mirror images.

    Args:
        grey: (n, 32, 32), 0..255; whole pictures, squeezed into the square.

    Raises:
        Refused: another shape.
    """
    if grey.ndim != 3 or grey.shape[1:] != (SIDE, SIDE):
        raise Refused(f"perceptual hashes are of grey pictures (n, {SIDE}, {SIDE}), not {grey.shape}")
    values = grey.astype(np.float64)
    waves = np.round(_COSINES @ values @ _COSINES.T, _DECIMALS)
    turned = waves * np.where(np.arange(_WAVES) % 2, -1.0, 1.0)
    return Perceived(_bits(waves), _bits(turned), values.std(axis=(1, 2)) < FLAT)


def distance(one: Hashes, two: Hashes) -> npt.NDArray[np.uint8]:
    """How many of the 64 bits differ, pair by pair; shapes as numpy broadcasts them.

    >>> distance(np.array([0b1011], np.uint64), np.array([0b0001], np.uint64))
    array([2], dtype=uint8)
    """
    bits = one ^ two  # counted in parallel: pairs of bits, then fours, then bytes, which one product adds up
    bits = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counted: npt.NDArray[np.uint8] = ((bits * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)
    return counted


def _bits(waves: npt.NDArray[np.float64]) -> Hashes:
    """(n, 8, 8) to (n,): the first wave is the highest bit."""
    flat = waves.reshape(len(waves), _WAVES * _WAVES)
    stronger = flat > np.median(flat, axis=1, keepdims=True)
    packed: Hashes = np.packbits(stronger, axis=1).view(">u8")[:, 0].astype(np.uint64)
    return packed


_COSINES = 2 * np.cos(np.pi / (2 * SIDE) * np.outer(np.arange(_WAVES), 2 * np.arange(SIDE) + 1))
"""(8, 32): the slowest cosines of the transform (type II, not normalised)."""
