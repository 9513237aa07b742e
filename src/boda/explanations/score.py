"""Score: one number per image that can be explained, a function of what a network gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from boda.encoders.opened import OpenNetwork

Reads: TypeAlias = Literal["features", "logits"]


@dataclass(frozen=True, eq=False)
class Score:
    """A number per image; gradients pass through it."""

    name: str
    """As it is asked for: `class:281`, `head:merger`, `like:cat.jpg`."""
    title: str
    """For people: "tabby cat, logit"."""
    unit: str
    """Of its values: "logit", "log odds", "valence", "cosine"."""
    of: Callable[[Tensor], Tensor]
    """(n, d) features, or (n, k) logits, to (n,)."""
    reads: Reads = "features"

    def through(self, opened: OpenNetwork) -> Callable[[Tensor], Tensor]:
        """(n, 3, h, w) normalised pixels to (n,), through this network."""
        given = opened.features if self.reads == "features" else opened.logits
        return lambda batch: self.of(given(batch))
