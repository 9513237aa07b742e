"""Likeness to another image or to words: the cosine of the angle between features, which `boda search` ranks by.

Both are one function of two vectors. That of another image is its features. That of a text comes from an encoder that
puts words among its images, `as_text_encoder(encoder).encode_text([text])[0]`, which refuses others with the reason.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.errors import Refused
from boda.explanations.score import Score
from boda.keys import shown

Vector = npt.NDArray[np.floating[Any]]


def likeness_score(features: Vector, key: str) -> Score:
    """How like an image is to another: the cosine of the angle between their features, -1 to 1.

    Args:
        features: (d,) of the other image, of the same recipe; nothing here can check that.
        key: of the other image.

    Raises:
        Refused: the features are no vector, not finite, or all zeros.
    """
    return Score(f"like:{key}", f"likeness to {shown(key)}", "cosine", _cosine_to(features, f"the features of {key!r}"))


def text_score(vector: Vector, text: str) -> Score:
    """How like an image is to a text: the cosine of the angle between both, -1 to 1.

    Cosines of images and texts are small and lie close together: a quarter is much for CLIP. What counts is which is
    larger.

    Args:
        vector: (d,) of the text, by the text side of the encoder that is explained.
        text: the words.

    Raises:
        Refused: it is no vector, not finite, or all zeros.
    """
    return Score(f"text:{text}", f'likeness to "{shown(text)}"', "cosine", _cosine_to(vector, f"the text {text!r}"))


def unit_rows(rows: Tensor) -> Tensor:
    """(n, d) at length 1; zeros stay zeros, and have a finite gradient."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / torch.where(lengths > 0, lengths, 1.0)


def _cosine_to(vector: Vector, what: str) -> Callable[[Tensor], Tensor]:
    """(n, d) features to (n,) cosines, in float64."""
    exact = np.asarray(vector, np.float64)
    if exact.ndim != 1 or not np.isfinite(exact).all() or not exact.any():
        raise Refused(f"{what} are no direction: a vector (d,) that is finite and not all zeros is needed")
    direction = torch.from_numpy(exact / np.linalg.norm(exact))

    def cosine(features: Tensor) -> Tensor:
        if features.shape[1] != len(direction):
            raise Refused(f"{what} are {len(direction)} wide, and features {features.shape[1]}: both need one encoder")
        return unit_rows(features.double()) @ direction.to(features.device)

    return cosine
