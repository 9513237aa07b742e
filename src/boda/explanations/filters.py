"""The filters of a network's first layer, as pictures: the only ones that work on colours, so the only ones to be seen.

Zeiler and Fergus, ECCV 2014, arXiv:1311.2901, section 4.1; Krizhevsky et al., NeurIPS 2012, figure 3.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from boda.arrays import Pixels
from boda.encoders.layers import Enough
from boda.encoders.opened import OpenNetwork
from boda.errors import Refused

GREY = 128
"""What a weight of 0 looks like."""


@dataclass(frozen=True, eq=False)
class Filters:
    """The filters of one layer."""

    layer: str
    weights: npt.NDArray[np.float32]
    """(c, h, w, 3) per unit of normalised input."""
    pictures: Pixels
    """(c, h, w, 3): each filter scaled by its own largest weight, 0 is grey, so brightness is not comparable."""


def first_filters(opened: OpenNetwork, layer: str | None = None) -> Filters:
    """The filters that see the image itself; patch embeddings of transformers count.

    Args:
        opened: the network.
        layer: a convolution; None: the first that is called.

    Raises:
        Refused: the layer is no convolution of three colours.
    """
    layer = _first(opened) if layer is None else layer
    module = dict(opened.module.named_modules()).get(layer)
    if module is None:
        raise Refused(f"encoder {opened.name!r} has no layer {layer!r}: leave it out for the first convolution")
    if not isinstance(module, torch.nn.Conv2d):
        raise Refused(
            f"encoder {opened.name!r}: layer {layer} is a {type(module).__name__}, which has no filters to see"
        )
    if module.weight.shape[1] != 3:
        raise Refused(
            f"encoder {opened.name!r}: filters of layer {layer} see {module.weight.shape[1]} channels, which are no "
            "colours: look at what excites its channels instead, by activation maximisation and in your images"
        )
    weights = module.weight.detach().float().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return Filters(layer, weights, signed_pictures(weights))


def signed_pictures(values: npt.NDArray[np.float32]) -> Pixels:
    """(n, ...) to uint8, 128 for 0, each of the n symmetric around it up to its own largest size."""
    sizes = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True, initial=0)
    shares = np.divide(values, sizes, out=np.zeros_like(values), where=sizes > 0)
    found: Pixels = np.rint(GREY + 127 * shares).astype(np.uint8)
    return found


def _first(opened: OpenNetwork) -> str:
    """The first convolution that is called."""
    called: list[str] = []

    def stop(name: str) -> None:
        called.append(name)
        raise Enough

    hooks = [
        part.register_forward_pre_hook(lambda one, given, name=name: stop(name))
        for name, part in opened.module.named_modules()
        if isinstance(part, torch.nn.Conv2d)
    ]
    h, w = opened.shape
    try:
        with torch.no_grad():
            opened.network.features(opened.module, torch.zeros(1, 3, h, w, device=opened.device))
    except Enough:
        return called[0]
    finally:
        for hook in hooks:
            hook.remove()
    raise Refused(
        f"encoder {opened.name!r} has no convolution, so no filters to see: look at what excites its channels"
    )
