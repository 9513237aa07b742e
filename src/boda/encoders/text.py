"""Encoders that also put words where they put images, so that images can be searched by a sentence."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from boda.arrays import Features
from boda.encoders.base import Encoder
from boda.encoders.torch_encoder import Network, TorchEncoder
from boda.errors import Refused
from boda.recipe import Recipe

if TYPE_CHECKING:
    import torch

TextSide: TypeAlias = "Callable[[Sequence[str]], torch.Tensor]"
"""Texts to (n, d); may load what it needs when it is first called."""


class TextEncoder(Encoder, Protocol):
    """An encoder with a text side."""

    def encode_text(self, texts: Sequence[str]) -> Features:
        """Texts to (n, d) float32, to be compared with features by the angle between them. Not normalised."""
        ...


def as_text_encoder(encoder: Encoder) -> TextEncoder:
    """The same encoder, known to have a text side.

    Raises:
        Refused: it has none.
    """
    if not callable(getattr(encoder, "encode_text", None)):
        raise Refused(
            f"the features {encoder.recipe.layer!r} of encoder {encoder.recipe.name!r} are of images only, so no text "
            "can be compared with them: embed with one that has a text side, such as "
            "open_clip:ViT-B-32/laion2b_s34b_b79k"
        )
    return cast("TextEncoder", encoder)


class TorchTextEncoder(TorchEncoder):
    """A torch encoder of images with a text side, which computes in fp32 whatever the images do."""

    def __init__(
        self, network: Network, recipe: Recipe, device: "torch.device", text: TextSide, **options: Any
    ) -> None:
        """As `TorchEncoder`; `text` gives one row a text, of the same width."""
        super().__init__(network, recipe, device, **options)
        self._text = text

    def encode_text(self, texts: Sequence[str]) -> Features:
        """Texts to (n, d) float32, not normalised.

        Raises:
            Refused: a text is empty, or its side gives another width.
            NotOffline, MissingExtra: what reads the text is not here.
        """
        return encoded(texts, self._text, self.width, self.recipe.name)


def encoded(texts: Sequence[str], side: TextSide, width: int, name: str) -> Features:
    """(n, d) float32 of some texts; checks what goes in and comes out."""
    import numpy as np
    import torch

    if isinstance(texts, str) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise Refused("each text must be a string that says something; give a list of them")
    if not texts:
        return np.zeros((0, width), np.float32)
    with torch.inference_mode():
        features: Features = side(texts).float().cpu().numpy()
    if features.shape != (len(texts), width):
        raise Refused(f"encoder {name!r} gives texts features of shape {features.shape}, images of width {width}")
    return features
