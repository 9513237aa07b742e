"""Tuned: the network of an encoder with a linear head behind its features, trained together.

The head is the one of `boda train`: features standardised by means and deviations that stay as they are, columns of a
table beside them, one linear layer. So what was learned there can be put in here to the last weight, and training goes
on from it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class LinearHead(nn.Module):
    """Features, and columns of a table beside them, to scores."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, columns: int, outputs: int) -> None:
        """Of features as they are.

        Args:
            width: of the features.
            columns: of the table, prepared; 0: there is none.
            outputs: scores.
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.linear = nn.Linear(width + columns, outputs)

    def forward(self, features: Tensor, columns: Tensor | None = None) -> Tensor:
        """(n, d) and (n, c) to (n, o)."""
        seen = (features.float() - self.mean) / self.scale
        scores: Tensor = self.linear(seen if columns is None else torch.cat([seen, columns], dim=1))
        return scores


class Tuned(nn.Module):
    """Images, and columns of a table, to scores."""

    def __init__(self, encoder: nn.Module, features: Callable[[Any, Any], Any], head: LinearHead) -> None:
        """Side by side.

        Args:
            encoder: a network.
            features: (encoder, normalised images) to (n, d).
            head: of these.
        """
        super().__init__()
        self.encoder, self.head, self._features = encoder, head, features

    def forward(self, images: Tensor, columns: Tensor | None = None) -> Tensor:
        """(n, 3, h, w), normalised, and (n, c) to (n, o)."""
        scores: Tensor = self.head(self._features(self.encoder, images), columns)
        return scores
