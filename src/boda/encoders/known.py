"""Encoders worth naming to somebody who looks for one; any other is a name away."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Known:
    """One encoder, and what its listing says without making its network."""

    name: str
    width: int
    side: int
    """Height and width of its input, in pixels."""


KNOWN: Final = (
    Known("resnet:resnet18", 512, 224),
    Known("resnet:resnet50", 2048, 224),
    Known("resnet:resnet20", 64, 32),
    Known("resnet:resnet56", 64, 32),
    Known("timm:mobilenetv2_100", 1280, 224),
    Known("timm:resnet50", 2048, 224),
    Known("timm:convnext_tiny", 768, 224),
    Known("timm:vit_small_patch14_dinov2", 384, 518),
    Known("timm:vit_base_patch16_clip_224.openai", 768, 224),
)
