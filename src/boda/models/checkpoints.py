"""Weights of others under our names, which are torchvision's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_OURS = {"linear": "fc", "shortcut": "downsample"}
"""What github.com/akamaster/pytorch_resnet_cifar10 calls them in its `.th` files."""
_CLASSIFIER = "fc.weight"


def our_names(state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """A ResNet's tensors by our names; those of torchvision stay as they are.

    >>> list(our_names({"module.linear.bias": None, "module.layer1.0.conv1.weight": None}))
    ['module.fc.bias', 'module.layer1.0.conv1.weight']
    """
    return {".".join(_OURS.get(part, part) for part in name.split(".")): tensor for name, tensor in state.items()}


def classes_in(state: "Mapping[str, Tensor]") -> int | None:
    """How many classes the weights were trained for; None where they have no classifier.

    Args:
        state: by our names, with or without a prefix.
    """
    found = next((tensor for name, tensor in state.items() if f".{name}".endswith(f".{_CLASSIFIER}")), None)
    return None if found is None else int(found.shape[0])
