"""An encoder whose features are a hash of the pixels, so that a wrong row shows."""

import hashlib
import time
from dataclasses import dataclass

import numpy as np

from boda.arrays import Features, Pixels
from boda.pixels.spec import PixelSpec
from boda.recipe import Precision, Recipe

WIDTH = 8


@dataclass
class HashEncoder:
    """SHA-256 of each image's pixels, as numbers; `slow` seconds a batch."""

    slow: float = 0.0
    salt: str = ""
    side: int = 8

    @property
    def recipe(self) -> Recipe:
        """Its own for each salt and side."""
        spec = PixelSpec(resize=self.side, crop=(self.side, self.side), decoder="exact")
        arguments = {"salt": self.salt}
        return Recipe("test:hash", "", "pooled", "none", spec, arguments=arguments, name=f"hash{self.salt}")

    @property
    def width(self) -> int:
        """Numbers per image."""
        return WIDTH

    @property
    def device(self) -> str:
        """Always the processor."""
        return "cpu"

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) to (n, 8)."""
        time.sleep(self.slow)
        return hash_features(pixels, self.salt)

    def at(self, precision: Precision) -> "HashEncoder":
        """Knows only one precision."""
        return self


def hash_features(pixels: Pixels, salt: str = "") -> Features:
    """What the encoder gives, for comparison."""
    digests = [hashlib.sha256(salt.encode() + one.tobytes()).digest() for one in pixels]
    rows = [np.frombuffer(digest, np.uint32).astype(np.float32) for digest in digests]
    return np.stack(rows) if rows else np.empty((0, WIDTH), np.float32)
