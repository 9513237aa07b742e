"""A torch module and how it is used: what every family of torch encoders hands over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch

Forward: TypeAlias = Callable[[Any, Any], Any]
"""(network, normalised batch (n, 3, h, w)) to (n, d)."""


@dataclass(frozen=True)
class Network:
    """A torch module and how it is used."""

    module: "torch.nn.Module"
    features: Forward
    """The network's own features. Where they are pooled from a last map, that map goes through `last_map`."""
    logits: Forward | None = None
    """None where it has no classifier."""
    class_names: tuple[str, ...] = ()
    """One a logit."""
    prefix_tokens: int = 0
    """Tokens of a sequence that stand for no place in the image; they come first."""
    class_token: bool = False
    """Whether the first of these is a class token."""
    dense: Forward | None = None
    """(network, batch of any h and w) to logits averaged over places; None where it takes one size only."""


def place_of(module: "torch.nn.Module") -> "torch.device | str":
    """The device that a module is on."""
    return next((tensor.device for tensor in module.parameters()), "cpu")
